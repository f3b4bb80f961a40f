"""What the workflow has written while it was read, in the worktree and in the archive."""

from __future__ import annotations

import os
from pathlib import Path

from mirrors import bare_mirror

from gitbatch_core.run.mirror import parse_time


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
    mirror = bare_mirror(tmp_path, pinned_ns=1)
    text = f"{mirror.top}/data {mirror.top}s {mirror.top}"
    (mirror.top / "where").write_text(text)
    (mirror.top / "run.sh").write_text("#!/bin/sh\n")
    (mirror.top / "run.sh").chmod(0o755)
    (mirror.top / "secret").write_text("secret")
    (mirror.top / "link").symlink_to(mirror.top / "where")
    (mirror.top / "folder").mkdir()
    os.utime(mirror.top / "where", ns=(5, 5))
    names = ["where", "run.sh", "secret", "link", "folder", "gone"]
    found = parse_time.bring(mirror, names, lambda path: path.read_bytes() == b"secret")
    assert found == {"secret"}
    assert sorted(path.name for path in mirror.worktree.iterdir()) == [
        *("folder", "link", "run.sh", "where")
    ]
    there = mirror.worktree / "where"
    assert there.read_text() == f"{mirror.worktree}/data {mirror.top}s {mirror.worktree}"
    assert (there.stat().st_mode & 0o777, there.stat().st_mtime_ns) == (0o444, 5)
    assert (mirror.worktree / "run.sh").stat().st_mode & 0o777 == 0o555
    assert os.readlink(mirror.worktree / "link") == str(there)
    assert (mirror.top / "where").read_text() == text
    assert not (mirror.top / "where").is_symlink()
    # What is recorded is what the folder has; what is made of it is no older.
    assert parse_time.original(mirror, "where").read_text() == text
    assert parse_time.original(mirror, "folder") == mirror.worktree / "folder"
    assert mirror.addresses == mirror.parse_time
    assert mirror.parse_time.keys() == {"where", "run.sh"}
    assert mirror.later["where"] == 5
    assert parse_time.is_the_same(mirror, "where")
    (mirror.top / "where").write_text("edited")
    assert not parse_time.is_the_same(mirror, "where")
    assert not parse_time.is_the_same(mirror, "link")
    assert not parse_time.is_the_same(mirror, "gone")
