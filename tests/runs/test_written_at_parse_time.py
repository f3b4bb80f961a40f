"""What the workflow has written while it was read, in the worktree and in the archive."""

from __future__ import annotations

import os
from pathlib import Path

from gitbatch_core.runs import parse_time
from tests.executor.conftest import bare_twin


def test_what_may_be_meant_for_jobs(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    (tmp_path / "linked").symlink_to(top)
    meant = ("a", "results/b", ".snakemake/mine.txt", ".hidden/c", "sub/.snakemake/mine.txt")
    others = (
        *(".snakemake", ".snakemake/log/x.log", "sub/.snakemake/locks/0.lock", ".git/index"),
        *(".gitbatch/clock", "lib/__pycache__/m.pyc", "sub/.gitbatch-host-1-2.tmp", "../out"),
    )
    paths = [os.path.normpath(top / name) for name in (*others, *meant, *meant)]
    assert parse_time.inside(top, paths) == list(meant)
    assert parse_time.inside(top, [str(tmp_path / "linked/a")]) == ["a"]


def test_files_are_copied_and_name_the_worktree(tmp_path: Path) -> None:
    twin = bare_twin(tmp_path, pinned_ns=1)
    text = f"{twin.top}/data {twin.top}s {twin.top}"
    (twin.top / "where").write_text(text)
    (twin.top / "run.sh").write_text("#!/bin/sh\n")
    (twin.top / "run.sh").chmod(0o755)
    (twin.top / "secret").write_text("secret")
    (twin.top / "link").symlink_to(twin.top / "where")
    (twin.top / "folder").mkdir()
    os.utime(twin.top / "where", ns=(5, 5))
    names = ["where", "run.sh", "secret", "link", "folder", "gone"]
    found = parse_time.bring(twin, names, lambda path: path.read_bytes() == b"secret")
    assert found == {"secret"}
    assert sorted(path.name for path in twin.worktree.iterdir()) == [
        *("folder", "link", "run.sh", "where")
    ]
    there = twin.worktree / "where"
    assert there.read_text() == f"{twin.worktree}/data {twin.top}s {twin.worktree}"
    assert (there.stat().st_mode & 0o777, there.stat().st_mtime_ns) == (0o444, 5)
    assert (twin.worktree / "run.sh").stat().st_mode & 0o777 == 0o555
    assert os.readlink(twin.worktree / "link") == str(there)
    assert (twin.top / "where").read_text() == text
    assert not (twin.top / "where").is_symlink()
    # What is recorded is what the folder has; what is made of it is no older.
    assert parse_time.original(twin, "where").read_text() == text
    assert parse_time.original(twin, "folder") == twin.worktree / "folder"
    assert twin.addresses == twin.parse_time
    assert twin.parse_time.keys() == {"where", "run.sh"}
    assert twin.later["where"] == 5
    assert parse_time.is_the_same(twin, "where")
    (twin.top / "where").write_text("edited")
    assert not parse_time.is_the_same(twin, "where")
    assert not parse_time.is_the_same(twin, "link")
    assert not parse_time.is_the_same(twin, "gone")
