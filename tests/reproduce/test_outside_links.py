"""Links to elsewhere in an attempt's work tree: read through them, written never."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from repositories import git, new_repository

from gitbatch_core.errors import RunError
from gitbatch_core.git import worktree as worktrees
from gitbatch_core.git.worktree import Worktree
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.reproduce import outside_links


@pytest.fixture
def attempt(tmp_path: Path) -> Worktree:
    """Of a commit with the link `tracked` to a folder outside."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "in.txt").write_text("in")
    repository = new_repository(tmp_path / "work")
    (repository.top / "tracked").symlink_to(tmp_path / "outside")
    git(repository.top, "add", "tracked")
    git(repository.top, "commit", "--quiet", "--message", "link")
    head = repository.commit_of("HEAD")
    return worktrees.create(repository, tmp_path / "attempt", head, read_only=False)


def run(tmp_path: Path, *outputs: str, **links: str) -> RunDocument:
    listed = [{"path": path, "kind": "file", "address": "x"} for path in outputs]
    top = str(tmp_path / "work")
    return RunDocument.from_dict({"repository": top, "linked": links, "outputs": listed})


def test_what_is_only_read_is_linked(attempt: Worktree, tmp_path: Path) -> None:
    outside = str(tmp_path / "outside")
    outside_links.put(attempt, run(tmp_path, data=outside), ["data/in.txt"])
    assert (attempt.path / "data" / "in.txt").read_text() == "in"
    assert os.readlink(attempt.path / "data") == outside


def test_what_was_written_there_has_a_folder_of_its_own(attempt: Worktree, tmp_path: Path) -> None:
    document = run(tmp_path, "tracked/out.txt", tracked=str(tmp_path / "outside"))
    outside_links.put(attempt, document, ["tracked/in.txt", "tracked/temporary.txt"])
    here = attempt.path / "tracked"
    assert here.is_dir() and not here.is_symlink()
    assert os.listdir(here) == ["in.txt"] and (here / "in.txt").read_text() == "in"
    (here / "out.txt").write_text("out")
    assert os.listdir(tmp_path / "outside") == ["in.txt"]
    # git sees no change in this, or the attempt would count as tainted.
    assert git(attempt.path, "status", "--porcelain", "--untracked-files=no") == ""


def test_a_folder_of_the_work_tree_is_the_attempts_own(attempt: Worktree, tmp_path: Path) -> None:
    (attempt.path / "code").mkdir()
    document = run(tmp_path, other=str(tmp_path / "work" / "code"))
    outside_links.put(attempt, document, ["other/x"])
    assert (attempt.path / "other").resolve() == attempt.path / "code"


def test_what_is_gone(attempt: Worktree, tmp_path: Path) -> None:
    document = run(tmp_path, gone=str(tmp_path / "gone"))
    outside_links.put(attempt, document, [])
    assert not os.path.lexists(attempt.path / "gone")
    with pytest.raises(RunError, match=r"has read gone/in\.txt through a link"):
        outside_links.put(attempt, document, ["gone/in.txt"])
