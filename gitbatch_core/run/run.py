"""One run while it lasts: its id, worktree, staging and private folders.

The private folder (`<git folder>/gitbatch/runs/<id>`, 0700) says which process on which host holds
the run (`owner`), so that a later start can go on with what a killed one left, or clear it away.
"""

from __future__ import annotations

import contextlib
import datetime
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from gitbatch_core import fs
from gitbatch_core.archive import staging as stagings
from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import GitbatchError, RunError
from gitbatch_core.git import refs
from gitbatch_core.git import worktree as worktrees
from gitbatch_core.git.repository import Repository
from gitbatch_core.git.worktree import Worktree
from gitbatch_core.log import suppressed
from gitbatch_core.model.documents import Document
from gitbatch_core.pools import choose
from gitbatch_core.run import archive_location, completion, lease, run_commit
from gitbatch_core.run.lease import JOBS_NAME, Owner


def new_id() -> str:
    """`YYYYMMDD-HHMMSS-xxxx`, UTC; sorts by time."""
    now = datetime.datetime.now(datetime.UTC)
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


@dataclass(frozen=True, kw_only=True)
class Run:
    """A started run. `close` removes all that it put on disk, except what is archived."""

    id: str
    repository: Repository
    archive: Archive
    worktree: Worktree
    staging: Path
    """Where the pool's machines find the jobs' folders; below the archive."""
    private: Path
    """For this machine alone: 0700."""

    about: Document
    """See `Owner`."""
    resumed: bool = False
    """Whether another process has begun it."""

    @classmethod
    def start(
        cls,
        repository: Repository,
        archive: Archive,
        *,
        id: str,
        commit: str,
        pool: str,
        about: Document,
        worktree_parent: Path | None = None,
    ) -> Run:
        """Make the folders and the worktree; `ready` once jobs can have it. Raises GitError,
        RunError; then nothing is left."""
        path = _worktree_path(repository, archive, id, worktree_parent)
        staging = archive.root / "staging" / id
        private = private_folder(repository, id)
        try:
            private.mkdir(parents=True, exist_ok=True, mode=0o700)
            Owner.this(
                run=id, pool=pool, worktree=path, staging=staging, private=private, about=about
            ).write()
            (staging / "signs").mkdir(parents=True)
            worktree = worktrees.create(repository, path, commit)
            archive_location.link(path, archive.root)
        except BaseException as error:
            remove(repository, path, staging, private)
            if isinstance(error, OSError):
                raise RunError(
                    f"The run's folders cannot be made: {error}.",
                    hint="The worktree lies beside the archive unless --gitbatch-worktrees "
                    "names another folder; check space and permissions there.",
                ) from error
            raise
        return cls(
            id=id,
            repository=repository,
            archive=archive,
            worktree=worktree,
            staging=staging,
            private=private,
            about=about,
        )

    @classmethod
    def resume(cls, repository: Repository, archive: Archive, mine: Owner) -> Run:
        """Resume a run that was claimed. Raises RunError where its worktree is missing."""
        if not mine.can_go_on:
            raise RunError(
                f"Run {mine.run} cannot be resumed: its worktree {mine.worktree} is missing."
            )
        commit = str(mine.about["commit"])
        return cls(
            id=mine.run,
            repository=repository,
            archive=archive,
            worktree=Worktree(repository=repository, path=mine.worktree, commit=commit),
            staging=mine.staging,
            private=mine.private,
            about=mine.about,
            resumed=True,
        )

    def ready(self) -> None:
        """The worktree is complete: from now on the run can be resumed."""
        (self.staging / JOBS_NAME).mkdir(exist_ok=True)

    def job_folder(self, number: int) -> Path:
        """The folder of the run's job `number`, made if need be."""
        folder = self.staging / JOBS_NAME / str(number)
        folder.mkdir(exist_ok=True)
        return folder

    def sign(self, number: int) -> Path:
        """The file by which job `number` says that it is done."""
        return self.staging / "signs" / str(number)

    def expect(self, jobs: int) -> None:
        """Record how many jobs the run has by now, for others to see."""
        with suppressed(GitbatchError, OSError):
            mine = Owner.read(self.private)
            if jobs > mine.about.get("jobs", 0):
                replace(mine, about=mine.about | {"jobs": jobs}).write()

    def close(self, *, complete: bool = True) -> None:
        """Take worktree, staging and private folder away; that last one stays until all that others
        must know of the run is `complete`, for a later start to see to it."""
        remove(
            self.repository, self.worktree.path, self.staging, self.private if complete else None
        )


def dead_runs(repository: Repository, warn: Callable[[str], object]) -> list[Owner]:
    """The lost runs of this work tree. A run that had its run commit when its process died has
    ended: the rest of its end is completed now, and nobody resumes it."""
    lease.sweep(repository)
    lost_runs = []
    for dead in lease.dead(repository):
        stagings.sweep(dead.archive)
        ref = run_commit.REFS + dead.run
        commit = refs.commits(repository, ref).get(ref)
        if commit is None:
            lost_runs.append(dead)
        else:
            try:
                if dead.claim() is not None:
                    completion.complete(repository, dead.archive, commit, warn=warn)
                    remove(repository, dead.worktree, dead.staging, dead.private)
            except (GitbatchError, OSError) as error:
                warn(unfinished(dead.run, error))
    return lost_runs


def unfinished(run: str, error: Exception) -> str:
    """For people: why the end of a run that has its run commit is not complete."""
    return (
        f"Run {run} has its run commit, but its end is not complete, and others do not reuse its "
        f"results yet: {error}\nThe next start here does the rest."
    )


def is_used(dead: Owner) -> bool:
    """Whether jobs of a lost run are queued or running, as processes here or in its pool; if the
    pool cannot be asked, they may be."""
    if dead.jobs_here():
        return True
    try:
        return choose.kind_named(dead.pool).has_jobs(dead.run)
    except GitbatchError:
        return True


def _worktree_path(repository: Repository, archive: Archive, id: str, parent: Path | None) -> Path:
    if parent is not None:
        return parent.expanduser().resolve() / id
    if archive.root == archive_location.embedded(repository):
        # Beside the work tree, as git commands would take a folder inside `.git` for bare.
        return repository.top / ".gitbatch" / "worktrees" / id
    return archive.root / "staging" / id / "worktree"


def private_folder(repository: Repository, id: str) -> Path:
    """Where the run's private folder is, or will be once it has started."""
    return lease.folder_of_all(repository) / id


def remove(repository: Repository, worktree: Path, staging: Path, private: Path | None) -> None:
    """Remove a run's worktree, staging and private folder; None: that one stays."""
    with contextlib.suppress(FileNotFoundError):  # nobody goes on with half of a worktree
        (staging / JOBS_NAME).rename(staging / "over")
    worktrees.remove(repository, worktree)
    fs.remove_tree(staging)
    if private is not None:
        lease.remove(private)
