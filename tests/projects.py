"""A workflow in a git repository of its own, and Snakemake as users start it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any


@dataclass(kw_only=True)
class Ended:
    """How a command ended and all that it printed."""

    returncode: int
    text: str

    def ok(self) -> Ended:
        assert self.returncode == 0, self.text
        return self

    def failed(self, *words: str) -> Ended:
        """It failed for the reason meant, without a traceback of ours."""
        assert self.returncode == 1, self.text
        for word in words:
            assert word in self.text, self.text
        assert "\nTraceback" not in self.text, self.text
        return self


@dataclass(kw_only=True)
class Project:
    """A repository with a workflow."""

    path: Path
    pool: str = "local"
    environment: dict[str, str] = field(default_factory=dict)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))

    def git(self, *args: str) -> str:
        return subprocess.run(
            ["git", *args], cwd=self.path, check=True, capture_output=True, text=True
        ).stdout

    def commit(self, files: dict[str, str] | None = None) -> str:
        """Write the files, commit everything that is not ignored; returns the commit."""
        self.write(files or {})
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "change")
        return self.git("rev-parse", "HEAD").strip()

    def start(
        self,
        *args: str,
        folder: str = ".",
        gitbatch: bool = True,
        program: Sequence[str] = ("-m", "snakemake"),
        **environment: str,
    ) -> subprocess.Popen[str]:
        own = ["--executor", "gitbatch", "--gitbatch-pool", self.pool, "--jobs", "4"]
        command = [sys.executable, *program, *args, *(own if gitbatch else [])]
        cwd = self.path / folder
        process = subprocess.Popen(
            [*command, "--nocolor"],
            cwd=cwd,
            env={**os.environ, "PWD": str(cwd), **self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def snakemake(self, *args: str, **options: Any) -> Ended:
        """Snakemake with this executor, to its end."""
        return self.end(self.start(*args, **options))

    def plain(self, *args: str, **options: Any) -> Ended:
        """Snakemake without this executor."""
        return self.end(self.start(*args, gitbatch=False, **options))

    def end(self, process: subprocess.Popen[str]) -> Ended:
        text, _ = process.communicate(timeout=120)
        return Ended(returncode=process.returncode, text=text)

    def gitbatch(self, *args: str) -> Ended:
        done = subprocess.run(
            [sys.executable, "-m", "gitbatch_core.cli.main", *args],
            cwd=self.path,
            env={**os.environ, "PWD": str(self.path), **self.environment},
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=240,
        )
        return Ended(returncode=done.returncode, text=done.stdout + done.stderr)

    def nothing_to_do(self, *args: str) -> None:
        assert "Nothing to be done" in self.plain("-n", *args).ok().text

    def read(self, name: str) -> str:
        return (self.path / name).read_text()

    def wait_for(self, name: str) -> None:
        """Until a file is there."""
        wait_until(lambda: (self.path / name).exists(), f"{name} in {self.path}")

    @property
    def archive(self) -> Path:
        return self.path / ".git" / "gitbatch" / "archive"

    def records(self) -> list[dict[str, Any]]:
        paths = self.archive.glob("records/*/*/*.json")
        return sorted((json.loads(p.read_bytes()) for p in paths), key=lambda r: r["number"])

    def run_document(self, ref: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.git("show", f"{ref}:.gitbatch/run.json"))
        return document

    def tags(self) -> list[str]:
        return self.git("tag", "--list", "run/*").split()

    def runs(self) -> list[str]:
        return self.git("for-each-ref", "--format=%(refname)", "refs/gitbatch/runs/").split()

    def leftovers(self) -> list[str]:
        """What a run must not leave behind."""
        places = (".gitbatch/worktrees", ".git/gitbatch/runs", ".git/gitbatch/archive/staging")
        found = [str(path) for place in places for path in (self.path / place).glob("*")]
        return found + self.git("worktree", "list", "--porcelain").split("\n\n")[1:-1]


def wait_until(
    condition: Callable[[], bool],
    what: str,
    seconds: float = 60,
    unless: subprocess.Popen[str] | None = None,
) -> None:
    """Until that is so; at once no longer where the process has ended without it."""
    deadline = time.monotonic() + seconds
    while not condition():
        if unless is not None and unless.poll() is not None:
            assert condition(), f"no {what}: {unless.communicate()[0]}"
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def processes_with(sign: str) -> list[int]:
    """Processes that have `sign` among their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if os.fsencode(sign) in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


def counts(text: str) -> tuple[int, int, int]:
    """Of the last line of a run: jobs done, reused, left out."""
    found = re.search(r"(\d+) jobs? done, (?:(\d+) reused \(.*?\), )?(?:(\d+) left out, )?", text)
    assert found, text
    return tuple(int(number or 0) for number in found.groups())  # type: ignore[return-value]


def run_twice(project: Project, *args: str, folder: str = ".", **environment: str) -> str:
    """A run, and a second start that has nothing to do; what the first one printed."""
    head = project.git("rev-parse", "HEAD")
    status = project.git("status", "--porcelain", "--untracked-files=no")
    printed = project.snakemake(*args, folder=folder, **environment).ok().text
    again = project.snakemake(*args, folder=folder, **environment).ok().text
    assert "Nothing to be done" in again, again
    assert project.git("rev-parse", "HEAD") == head
    assert project.git("status", "--porcelain", "--untracked-files=no") == status
    assert len(project.git("worktree", "list", "--porcelain").split("\0\0")) == 1
    assert not list(project.path.glob(".gitbatch/worktrees/*"))
    return printed
