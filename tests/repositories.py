"""Repositories that tests make."""

from __future__ import annotations

import subprocess
from pathlib import Path

from gitbatch_core.git.repository import Repository


def git(folder: Path, *args: str) -> str:
    return subprocess.run(
        ["git", "-c", "protocol.file.allow=always", *args],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def new_repository(path: Path, *, object_format: str = "sha1") -> Repository:
    path.mkdir(parents=True)
    git(path, "init", "--quiet", f"--object-format={object_format}")
    (path / "code.py").write_text("code\n")
    (path / "run.sh").write_text("#!/bin/sh\n")
    (path / "run.sh").chmod(0o755)
    git(path, "add", "--all")
    git(path, "commit", "--quiet", "--message", "first")
    return Repository.find(path)
