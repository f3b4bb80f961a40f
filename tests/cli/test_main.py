"""The command itself: what it finds by name, its exit codes, and what goes to which stream."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from repositories import new_repository

from gitbatch_core.cli import main as command
from gitbatch_core.cli.main import VERBS, main

pytestmark = pytest.mark.fast

LISTING = (
    ["status"],
    ["runs", "ls"],
    ["archive", "ls"],
    ["archive", "ls", "--names"],
    ["archive", "verify"],
)
"""What lists something, and works where there is nothing yet."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with an empty archive; the present folder."""
    repository = new_repository(tmp_path / "work")
    monkeypatch.chdir(repository.top)
    assert main(["init"]) == 0
    return repository.top


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"usage: gitbatch {verb}") and not printed.err


def test_words_that_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["nonsense"], ["status", "--nonsense"], ["archive"], ["archive", "nonsense"]):
        assert main(words) == 2, words
        printed = capsys.readouterr()
        assert "usage: gitbatch" in printed.err and not printed.out
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("gitbatch ")


def test_outside_of_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["status"], ["runs"], ["init"], ["freeze", "x"], ["archive", "ls"]):
        assert main(words) == 2
        printed = capsys.readouterr()
        assert printed.err.startswith("gitbatch: ") and not printed.out


@pytest.mark.parametrize("words", LISTING, ids=" ".join)
def test_lists_are_data_on_stdout(
    words: list[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) is not None
    assert main(words) == 0
    assert all(line.startswith("commit ") for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize("before", [True, False])
def test_the_archive_may_be_named_before_and_after_the_verb(
    before: bool, here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    option = ["--archive", str(tmp_path / "other")]
    words = [*option, "archive", "ls"] if before else ["archive", "ls", *option]
    assert main(words) == 2
    assert str(tmp_path / "other") in capsys.readouterr().err


def test_what_is_frozen_can_be_read_again(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "data").mkdir()
    (here / "data" / "a.txt").write_text("a")
    (here / "b.txt").write_text("b")
    capsys.readouterr()
    assert main(["freeze", "--json", "data", "b.txt"]) == 0
    frozen = json.loads(capsys.readouterr().out)
    assert {each["path"]: each["kind"] for each in frozen} == {"data": "tree", "b.txt": "file"}
    addresses = {each["path"]: each["address"] for each in frozen}
    assert main(["archive", "tree", "--json", "data"]) == 0
    [member] = json.loads(capsys.readouterr().out)
    assert (member["path"], member["size"]) == ("a.txt", 1)
    assert main(["archive", "show", "--json", "b.txt"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["address"], shown["frozen"]) == (addresses["b.txt"], True)
    assert main(["archive", "cat", "data"]) == 2
    assert "is a tree" in capsys.readouterr().err
    assert main(["thaw", "data", "b.txt"]) == 0
    assert sorted(capsys.readouterr().out.splitlines()) == ["b.txt", "data/a.txt"]
    assert not (here / "b.txt").is_symlink()


def test_a_bug_of_ours(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> int:
        raise RuntimeError("surprise")

    monkeypatch.setattr(command, "_run", fail)
    assert main(["status"]) == 3
    printed = capsys.readouterr().err
    assert "surprise" in printed and "https://" in printed


def test_a_reader_who_has_seen_enough(here: Path) -> None:
    """`gitbatch archive tree folder | head -1`, of more text than a pipe holds."""
    (here / "folder").mkdir()
    for number in range(500):
        (here / "folder" / f"{'x' * 200}{number}").touch()
    assert main(["freeze", "folder"]) == 0
    command = f"{sys.executable} -m gitbatch_core.cli.main archive tree folder; echo $? >&2"
    done = subprocess.run(
        ["bash", "-c", f"({command}) | head -1"], cwd=here, capture_output=True, text=True
    )
    assert len(done.stdout.splitlines()) == 1 and done.stderr == "141\n"
