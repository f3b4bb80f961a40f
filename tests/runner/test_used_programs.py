"""Which programs a command has found on its PATH, as the record has them."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from gitbatch_core.archive.hashing import hash_file
from gitbatch_core.model.documents import Document
from gitbatch_core.runner import programs


@pytest.fixture
def worktree(tmp_path: Path) -> Path:
    (tmp_path / "worktree").mkdir()
    return tmp_path / "worktree"


def program(path: Path, text: str = "#!/bin/sh\n", mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def describe(names: str, worktree: Path, *folders: Path | str) -> Document:
    search = ":".join(map(str, folders))
    words = shlex.split(names)
    return programs.describe(words, search=search, worktree=str(worktree), algorithm="xxh3")


def test_the_first_on_the_path_is_the_one_that_ran(tmp_path: Path, worktree: Path) -> None:
    first = program(tmp_path / "my tools" / "align", "first")
    program(tmp_path / "b" / "align", "second")
    program(tmp_path / "my tools" / "sort", "no program", mode=0o644)
    sort = program(tmp_path / "b" / "sort", "the program")
    (tmp_path / "my tools" / "b").mkdir()
    tools = describe("align sort b missing", worktree, tmp_path / "my tools", tmp_path / "b")
    assert tools == {
        path.name: {"path": str(path), "address": str(hash_file(path, "xxh3")[0])}
        for path in (first, sort)
    }


def test_a_link_is_named_with_the_file_that_ran(tmp_path: Path, worktree: Path) -> None:
    real = program(tmp_path / "opt" / "python3.12")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(real)
    tools = describe("python", worktree, tmp_path / "bin")
    assert tools["python"]["path"] == str(tmp_path / "bin" / "python")
    assert tools["python"]["real_path"] == str(real)
    assert tools["python"]["address"] == str(hash_file(real, "xxh3")[0])


def test_a_program_that_cannot_be_read_is_named_all_the_same(
    tmp_path: Path, worktree: Path
) -> None:
    path = program(tmp_path / "bin" / "licensed", mode=0o111)
    assert describe("licensed", worktree, tmp_path / "bin") == {"licensed": {"path": str(path)}}


def test_the_commits_own_programs_are_left_out(tmp_path: Path, worktree: Path) -> None:
    """The commit says what they are. By whatever path they were reached."""
    inside = program(worktree / "bin" / "own")
    (tmp_path / "linked").symlink_to(worktree / "bin")
    outside = program(tmp_path / "worktree2" / "other")
    (worktree / "bin" / "committed link").symlink_to(outside)
    folders = (worktree / "bin", tmp_path / "linked", "bin", "", tmp_path / "worktree2")
    tools = describe(f"own ./own bin/own {inside} 'committed link' other", worktree, *folders)
    assert tools.keys() == {"other"}
    assert describe(str(outside), worktree) == {str(outside): tools["other"]}
