"""The lease of a run: which process holds it, as the run's private folder says.

A run is lost if that process ended, on this host, before the run did. Its jobs may continue in
HTCondor; whoever claims the run can resume it or clear it away.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from gitbatch_core import fs
from gitbatch_core.errors import FormatError
from gitbatch_core.git.repository import Repository
from gitbatch_core.log import suppressed
from gitbatch_core.model import documents
from gitbatch_core.model.documents import Document
from gitbatch_core.pools import processes

_FORMAT, _VERSION = "gitbatch-run-owner", 1
_NAME, _LOCK_NAME = "owner.json", "owner.lock"
_GONE = ".gone"
"""Ends the name of a private folder that is on its way out."""

JOBS_NAME = "jobs"
"""The folder of jobs' folders, in a run's staging; there while the run can be resumed."""

LOG_VARIABLE = "GITBATCH_RUN_LOG"
"""Environment variable: the file that takes what a controller without a terminal prints."""

REPRODUCES_VARIABLE = "GITBATCH_REPRODUCES"
"""Environment variable: the run that a controller is to make again."""

_OF_THE_RUN = ("commit", "snapshot", "begun", "pinned_ns", "jobs")
"""Of `about`: what another start does not change."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A run that was started, and the process that holds it."""

    run: str
    pool: str
    """The kind of its pool."""
    worktree: Path
    staging: Path
    private: Path
    """Holds this document."""
    about: Document
    """What the run is, for people and to tell whether another start would be the same run."""
    host: str
    pid: int
    ticks: int
    """Clock ticks from boot to the start of the process, which tell it from a later one with its
    number."""

    @classmethod
    def this(
        cls, *, run: str, pool: str, worktree: Path, staging: Path, private: Path, about: Document
    ) -> Owner:
        """A run that this process holds."""
        return cls(
            run=run,
            pool=pool,
            worktree=worktree,
            staging=staging,
            private=private,
            about=about,
            **_this_process(),
        )

    @classmethod
    def read(cls, private: Path) -> Owner:
        """Raises FileNotFoundError, NotADirectoryError, FormatError."""
        document = documents.read(private / _NAME, format=_FORMAT, version=_VERSION)
        try:
            return cls(
                run=document["run"],
                pool=document["pool"],
                worktree=Path(document["worktree"]),
                staging=Path(document["staging"]),
                private=private,
                about=document.get("about", {}),
                host=document["host"],
                pid=document["pid"],
                ticks=document["ticks"],
            )
        except (KeyError, TypeError) as error:
            raise FormatError(f"{private / _NAME} lacks {error}") from error

    def write(self) -> None:
        """Write it into the private folder, which must exist."""
        document = {"format": _FORMAT, "version": _VERSION, **vars(self)}
        paths = {name: str(getattr(self, name)) for name in ("worktree", "staging", "private")}
        documents.write(self.private / _NAME, document | paths, mode=0o600)

    @property
    def archive(self) -> Path:
        """The archive's folder."""
        return self.staging.parents[1]

    @property
    def is_dead(self) -> bool:
        """Whether its process has ended; unknown, so false, for a process of another host."""
        return self.host == socket.gethostname() and _start_time(self.pid) != self.ticks

    @property
    def can_go_on(self) -> bool:
        """Whether its worktree is complete: neither being created nor being removed."""
        return self.worktree.is_dir() and (self.staging / JOBS_NAME).is_dir()

    def claim(self) -> Owner | None:
        """Take over a lost run; None if somebody else was faster, or if it lives."""
        try:
            with _locked(self.private / _LOCK_NAME):
                now = Owner.read(self.private)
                if not now.is_dead:
                    return None
                mine = replace(now, **_this_process())
                mine.write()
                return mine
        except (FileNotFoundError, NotADirectoryError, FormatError):
            return None

    @property
    def is_cancelled(self) -> bool:
        """Whether it is not to be resumed."""
        return bool(self.about.get("cancelled"))

    def cancel(self) -> None:
        """Never resume this lost run: the next start removes what is left of it."""
        if (mine := self.claim()) is not None:
            replace(mine, about=mine.about | {"cancelled": True}).write()

    def with_new(self, about: Document) -> Owner:
        """The same run, by what this start says of it, from now on."""
        kept = {name: self.about[name] for name in _OF_THE_RUN if name in self.about}
        resumed = [*self.about.get("resumed", ()), about["begun"]]
        kept["message"] = about["message"] or self.about["message"]
        mine = replace(self, about=about | kept | {"resumed": resumed})
        mine.write()
        return mine

    def job_numbers(self) -> list[int]:
        """Of all jobs that were prepared."""
        with contextlib.suppress(FileNotFoundError):
            return sorted(
                int(entry.name)
                for entry in (self.staging / JOBS_NAME).iterdir()
                if entry.name.isdigit()
            )
        return []

    def jobs_here(self) -> set[int]:
        """Numbers of the jobs whose runners work on this machine."""
        before = os.fsencode(f"{self.staging}/{JOBS_NAME}/")
        numbers: set[int] = set()
        for words in processes.arguments():
            names = [word.removeprefix(before) for word in words if word[:1] == b"/"]
            numbers.update(int(name) for name in names if name.isdigit())
        return numbers


def owners(repository: Repository) -> list[Owner]:
    """Owners of all runs of this repository that have not ended, the oldest first; not those of
    other users, whose folders are private."""
    open_runs = []
    parent = folder_of_all(repository)
    for private in sorted(parent.iterdir()) if parent.is_dir() else []:
        if private.suffix == _GONE:
            continue
        with suppressed(FileNotFoundError, NotADirectoryError, PermissionError, FormatError):
            open_runs.append(Owner.read(private))
    return open_runs


def dead(repository: Repository) -> list[Owner]:
    """Of those, the lost runs of this work tree or of one that no longer exists."""
    top = str(repository.top)
    lost = []
    for each in owners(repository):
        its = str(each.about.get("top", top))
        if each.is_dead and (its == top or not os.path.isdir(its)):
            lost.append(each)
    return lost


def has_dead(repository: Repository) -> bool:
    """Whether lost runs may have left something behind."""
    parent = folder_of_all(repository)
    return parent.is_dir() and (bool(dead(repository)) or any(parent.glob(f"*{_GONE}")))


def remove(private: Path) -> None:
    """Remove a run's private folder; from the first moment on, nobody takes the run for one that
    has not ended. Raises OSError."""
    gone = private.with_name(private.name + _GONE)
    with contextlib.suppress(FileNotFoundError):
        private.rename(gone)
    fs.remove_tree(gone)


def sweep(repository: Repository) -> None:
    """Remove what is left of private folders whose removal was broken off, as far as possible."""
    for gone in folder_of_all(repository).glob(f"*{_GONE}"):
        with contextlib.suppress(OSError):
            fs.remove_tree(gone)


def folder_of_all(repository: Repository) -> Path:
    """Holds the private folder of each run, named by its id."""
    return repository.common_dir / "gitbatch" / "runs"


def stamp(path: str) -> list[int]:
    """Tells a file from a later one of the same name. Raises FileNotFoundError."""
    status = os.stat(path)
    return [status.st_ino, status.st_mtime_ns]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _this_process() -> Document:
    pid = os.getpid()
    return {"host": socket.gethostname(), "pid": pid, "ticks": _start_time(pid) or 0}


def _start_time(pid: int) -> int | None:
    """Clock ticks from boot; None where there is no such process."""
    process = processes.find(pid)
    return None if process is None else process.started
