"""Which links lie where git tracks a file, and the words about them."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from repositories import git

from gitbatch_core.errors import UsageError
from gitbatch_core.git.repository import Repository
from gitbatch_core.run.mirror import tracked_results

OBJECT = ".gitbatch/archive/objects/ab/" + "0" * 30


def test_tracked_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = tmp_path / "top"
    git(tmp_path, "init", "--quiet", str(top))
    for name in ("a", "d/b", "d/file", "input", "elsewhere"):
        (top / name).parent.mkdir(exist_ok=True)
        (top / name).write_text("")
    (top / "committed").symlink_to(OBJECT)
    git(top, "add", ".")
    for name in ("a", "d/b", "input", "untracked"):
        (top / name).unlink(missing_ok=True)
        (top / name).symlink_to("../" * name.count("/") + OBJECT)
    (top / "elsewhere").unlink()
    (top / "elsewhere").symlink_to("a")
    repository = Repository.find(top)
    results = ["a", "d", "elsewhere", "committed", "untracked", "gone"]
    assert tracked_results.linked(repository, results) == ["a", "d/b"]

    assert not tracked_results.are_files(repository)
    for wish, expected in (("links", False), ("files", True)):
        git(top, "config", tracked_results.KEY, wish)
        assert tracked_results.are_files(repository) is expected
    git(top, "config", tracked_results.KEY, "maybe")
    with pytest.raises(UsageError, match="neither links nor files"):
        tracked_results.are_files(repository)

    monkeypatch.chdir(top / "d")
    monkeypatch.setenv("PWD", str(top / "d"))
    words = shlex.split(tracked_results.command(top, ["a", "d/b c", "d/-x"]))
    assert words == ["gitbatch", "thaw", str(top / "a"), "b c", "./-x"]
    many = tracked_results.command(top, [f"{n}" for n in range(11)])
    assert many == "gitbatch thaw --tracked"
