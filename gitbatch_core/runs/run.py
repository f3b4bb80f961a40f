"""One run while it lasts: its id, worktree, staging and private folders, and who owns them.

The private folder (`<git folder>/gitbatch/runs/<id>`, 0700) says which process on which host holds
the run, so that a later start can clear away what a killed one left behind.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gitbatch_core import fsutil, jsonio
from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import FormatError, GitbatchError, RunError
from gitbatch_core.git import worktree as worktrees
from gitbatch_core.git.repo import Repository
from gitbatch_core.git.worktree import Worktree
from gitbatch_core.runs import place

_OWNER_FORMAT, _OWNER_VERSION = "gitbatch-run-owner", 1
_OWNER_NAME = "owner.json"


def new_id() -> str:
    """`YYYYMMDD-HHMMSS-xxxx`, UTC; sorts by time."""
    now = datetime.datetime.now(datetime.UTC)
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


@dataclass(frozen=True, kw_only=True)
class Run:
    """A started run. `close` takes all that it put on disk away, but for what is archived."""

    id: str
    repository: Repository
    archive: Archive
    worktree: Worktree
    staging: Path
    """Where the pool's machines find the jobs' folders; below the archive."""
    private: Path
    """For this machine alone: 0700."""

    @classmethod
    def start(
        cls,
        repository: Repository,
        archive: Archive,
        *,
        id: str,
        commit: str,
        pool: str,
        worktree_parent: Path | None = None,
    ) -> Run:
        """Make the folders and the worktree. Raises GitError, RunError; then nothing is left."""
        path = _worktree_path(repository, archive, id, worktree_parent)
        staging = archive.root / "staging" / id
        private = private_folder(repository, id)
        try:
            private.mkdir(parents=True, exist_ok=True, mode=0o700)
            owner = {
                "format": _OWNER_FORMAT,
                "version": _OWNER_VERSION,
                "run": id,
                "pool": pool,
                "top": str(repository.top),
                "worktree": str(path),
                "staging": str(staging),
                "host": socket.gethostname(),
                **_this_process(),
            }
            jsonio.write(private / _OWNER_NAME, owner, mode=0o600)
            (staging / "jobs").mkdir(parents=True)
            worktree = worktrees.create(repository, path, commit)
            place.link(path, archive.root)
        except BaseException as error:
            _remove(repository, path, staging, private)
            if isinstance(error, OSError):
                raise RunError(
                    f"The run's folders cannot be made: {error}.",
                    hint="The worktree lies beside the archive unless --gitbatch-worktrees "
                    "names another place; check space and permissions there.",
                ) from error
            raise
        return cls(
            id=id,
            repository=repository,
            archive=archive,
            worktree=worktree,
            staging=staging,
            private=private,
        )

    def job_folder(self, number: int) -> Path:
        """The folder of the run's job `number`, made if need be."""
        folder = self.staging / "jobs" / str(number)
        folder.mkdir(exist_ok=True)
        return folder

    def close(self) -> None:
        """Take worktree, staging and private folder away."""
        _remove(self.repository, self.worktree.path, self.staging, self.private)


@dataclass(frozen=True, kw_only=True)
class Stale:
    """What a dead run left behind."""

    id: str
    repository: Repository
    worktree: Path
    staging: Path
    private: Path

    def clear(self) -> None:
        """Take it away, as far as that is possible."""
        with contextlib.suppress(GitbatchError, OSError):
            _remove(self.repository, self.worktree, self.staging, self.private)


def stale_runs(repository: Repository, has_jobs: Callable[[str], bool]) -> list[Stale]:
    """Dead runs of this repository that left something behind.

    A run is dead where the process that held it ended, on this host, and none of its jobs is queued
    or running: neither as a process here, nor, by `has_jobs(run id)`, in HTCondor's queue.
    """
    found = []
    parent = _private_parent(repository)
    for private in sorted(parent.iterdir()) if parent.is_dir() else []:
        try:
            owner = jsonio.read(private / _OWNER_NAME, format=_OWNER_FORMAT, version=_OWNER_VERSION)
        except (FileNotFoundError, NotADirectoryError, FormatError):
            continue
        staging = Path(owner["staging"])
        if owner["host"] != socket.gethostname() or _lives(owner) or _has_processes(staging):
            continue
        if owner["pool"] == "htcondor" and has_jobs(owner["run"]):
            continue
        found.append(
            Stale(
                id=owner["run"],
                repository=repository,
                worktree=Path(owner["worktree"]),
                staging=staging,
                private=private,
            )
        )
    return found


def _worktree_path(repository: Repository, archive: Archive, id: str, parent: Path | None) -> Path:
    if parent is not None:
        return parent.expanduser().resolve() / id
    if archive.root == place.embedded(repository):
        # Beside the work tree, as git commands would take a folder inside `.git` for bare.
        return repository.top / ".gitbatch" / "worktrees" / id
    return archive.root / "staging" / id / "worktree"


def private_folder(repository: Repository, id: str) -> Path:
    """Where the run's private folder is, or will be once it has started."""
    return _private_parent(repository) / id


def _private_parent(repository: Repository) -> Path:
    return repository.common_dir / "gitbatch" / "runs"


def _remove(repository: Repository, worktree: Path, staging: Path, private: Path) -> None:
    worktrees.remove(repository, worktree)
    for folder in (staging, private):
        if folder.exists():
            fsutil.remove_tree(folder)


def _this_process() -> dict[str, int]:
    return {"pid": os.getpid(), "started": _start_time(os.getpid()) or 0}


def _start_time(pid: int) -> int | None:
    """Clock ticks from boot to the start of a process, which tells it from a later one with the
    same number; None where there is no such process."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return None


def _lives(owner: jsonio.Document) -> bool:
    return bool(_start_time(owner["pid"]) == owner["started"])


def _has_processes(staging: Path) -> bool:
    """Whether a runner of this machine works on one of the run's jobs."""
    sign = os.fsencode(f"{staging}/jobs/")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if sign in (entry / "cmdline").read_bytes():
                    return True
    return False
