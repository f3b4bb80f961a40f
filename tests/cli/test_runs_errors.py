"""Arguments of `gitbatch runs`, `freeze` and `thaw` that are wrong: one message, and nothing is
changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from folders import Folder

from gitbatch_core.cli.main import main

pytestmark = pytest.mark.fast

ONE, TWO = "20260101-000001-abcd", "20260101-000002-abcd"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """Two runs; the current folder."""
    folder = Folder(tmp_path / "work")
    folder.commit({"Snakefile": "", ".gitignore": "*\n"})
    folder.run({"out": "first"})
    folder.run({"out": "second"})
    monkeypatch.chdir(folder.top)
    return folder


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["runs", "show", "-o"], "usage: gitbatch"),
        (["runs", "show", "-o $(x)"], "There is no run called '-o $(x)'."),
        (["runs", "show", "nothing"], "There is no run called 'nothing'."),
        (["runs", "show", ""], "There is no run called ''."),
        (["runs", "show", "abcd"], f"Which run? 'abcd' fits 2: {ONE}, {TWO}"),
        (["runs", "show", "HEAD"], "HEAD is a commit, but not of a run"),
        (["runs", "diff", ONE], "usage: gitbatch"),
        (["runs", "diff", ONE, "nothing"], "There is no run called 'nothing'."),
        (["runs", "rm", "-y", ONE, "nothing"], "There is no run called 'nothing'."),
        (["runs", "rm", "-y", "2020..2021"], "There is no run in 2020..2021."),
        (["runs", "keep", ONE, "nothing"], "There is no run called 'nothing'."),
        (["runs", "tag", ONE, f"run/{TWO}"], f"The tag run/{TWO} exists already"),
        (["runs", "checkout", ONE, "--into", "Snakefile"], "Snakefile exists already."),
        (["runs", "out", ONE, "no rule"], f"Run {ONE} has neither a rule nor an output 'no rule'."),
        (["runs", "out", ONE], f"Run {ONE} has kept no log of its own."),
        (["runs", "attach"], "There is no run that has not ended."),
        (["runs", "cancel", ONE], f"There is no run that has not ended called '{ONE}'."),
        (["freeze", "not here"], "not here"),
        (["freeze"], "usage: gitbatch"),
        (["thaw"], "No files to thaw were named."),
        (["thaw", "not here"], "not here"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_words_that_mean_nothing_here(
    folder: Folder, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    before = folder.git("for-each-ref"), folder.git("rev-parse", "HEAD")
    assert main(words) == 2
    printed = capsys.readouterr()
    assert message in printed.err and not printed.out
    assert before == (folder.git("for-each-ref"), folder.git("rev-parse", "HEAD"))
    assert (folder.top / "out").read_text() == "second"


def test_nobody_can_be_asked_and_nobody_needs_to_be(
    folder: Folder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open("/dev/null") as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        assert main(["runs", "rm", ONE]) == 2
        assert "Cannot ask for confirmation" in capsys.readouterr().err
        assert main(["runs", "rm", "--dry-run", ONE]) == 0
        assert capsys.readouterr().out.split()[0] == ONE
        assert ONE in folder.git("for-each-ref")
        assert main(["runs", "rm", "-y", ONE]) == 0
    refs = folder.git("for-each-ref")
    assert ONE not in refs and TWO in refs
