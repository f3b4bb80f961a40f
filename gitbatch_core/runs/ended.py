"""The archive's own word on how a run has ended: only then others take what its jobs have made."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gitbatch_core.archive import records
from gitbatch_core.archive.layout import linked_object
from gitbatch_core.errors import GitbatchError
from gitbatch_core.git import worktree as worktrees
from gitbatch_core.git.repo import Repository
from gitbatch_core.git.worktree import Worktree
from gitbatch_core.jsonio import Document
from gitbatch_core.records import ORDER_NAME, RUN_FORMAT, RUN_VERSION, Answer, Order
from gitbatch_core.runs import done_before
from gitbatch_core.runs.owner import JOBS_NAME, Owner
from gitbatch_core.runs.walk import inside

_KEPT = ("run", "outcome", "source_commit", "message", "user", "host", "started", "ended")

KILLED = "killed"
"""Outcome of a run that nobody has ended."""


def keep(root: Path, facts: Document, jobs: Iterable[Document], **more: Any) -> None:
    """Keep it, in the archive at `root`: of the run's `facts` what matters to others, and by which
    keys the records of its `jobs` are found. Raises ArchiveError."""
    document = {"format": RUN_FORMAT, "version": RUN_VERSION}
    document |= {name: facts[name] for name in _KEPT if name in facts}
    tainted = bool(facts["tainted"])
    if not tainted:
        document |= {done_before.JOBS: done_before.listed(jobs)}
    records.write_run(root, facts["run"], document | {"tainted": tainted, **more})


def keep_killed(repository: Repository, dead: Owner) -> None:
    """Look into the worktree of a killed run, none of whose jobs runs any more, before it goes.
    Where that cannot be done, nobody takes what its jobs have made. Never raises GitbatchError."""
    if not dead.can_go_on:
        return
    with contextlib.suppress(GitbatchError, OSError, KeyError):
        commit = str(dead.about["commit"])
        worktree = Worktree(repository=repository, path=dead.worktree, commit=commit)
        written = inside(_written(dead))
        tainted = [
            path
            for path in worktrees.rewritten(worktree)
            if not written(path) and not _is_link(dead.worktree / path)
        ]
        facts = {"run": dead.run, "outcome": KILLED, "source_commit": commit, "tainted": tainted}
        facts |= {"started": dead.about["begun"], "message": dead.about["message"]}
        keep(
            dead.staging.parents[1],
            facts | {"host": dead.host},
            _done(dead),
            repository=str(repository.top),
        )


def _written(dead: Owner) -> set[str]:
    """What the run's jobs were to write."""
    found: set[str] = set()
    for number in dead.job_numbers():
        order = Order.read(dead.staging / JOBS_NAME / str(number) / ORDER_NAME)
        found.update(output.path for output in order.outputs)
        found.update(order.logs)
    return found


def _done(dead: Owner) -> Iterator[Document]:
    """The records of the run's jobs that have succeeded."""
    for number in dead.job_numbers():
        with contextlib.suppress(GitbatchError):
            answer = Answer.of_job(dead.staging / JOBS_NAME / str(number))
            if answer is not None and answer.succeeded:
                yield answer.record


def _is_link(path: Path) -> bool:
    return path.is_symlink() and linked_object(str(path.readlink())) is not None
