"""Lost runs whose jobs no longer run: what others can use of them is kept before their worktrees
are removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from gitbatch_core.archive import links
from gitbatch_core.archive.layout import linked_object
from gitbatch_core.archive.store import Archive
from gitbatch_core.archive.walk import inside
from gitbatch_core.errors import GitbatchError
from gitbatch_core.git import worktree as worktrees
from gitbatch_core.git.repository import Repository
from gitbatch_core.git.worktree import Worktree
from gitbatch_core.log import suppressed
from gitbatch_core.model.job_order import ORDER_NAME, JobOrder
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.job_result import JobResult
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.run import completion, executions, superseded_records
from gitbatch_core.run.lease import JOBS_NAME, Owner
from gitbatch_core.run.mirror.outside_inputs import OutsideInputs
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.run.mirror.undeclared import UndeclaredFiles
from gitbatch_core.run.run import remove
from gitbatch_core.run.undeclared_paths import CACHES

KILLED = "killed"
"""Outcome of such a run."""


def archive_undeclared(
    repository: Repository, archive: Archive, dead: Owner, runs: Iterable[RunDocument]
) -> RunDocument:
    """Keep what the jobs of a killed run have left beside their outputs, with links in the folder;
    the beginning of its document, which says so. `runs`: documents of runs, the latest first. Never
    raises GitbatchError."""
    about, document = dead.about, RunDocument(run=dead.run)
    if not dead.can_go_on or about["top"] != str(repository.top) or dead.archive != archive.root:
        return document
    with suppressed(GitbatchError, OSError, KeyError):
        mirror = Mirror(
            top=repository.top,
            folder=repository.top,
            worktree=dead.worktree,
            archive=archive,
            outside=OutsideInputs(archive=archive),
            tracked=frozenset(),
            changed=frozenset(),
            warn=lambda text: None,
            pinned_ns=about["pinned_ns"],
        )
        worktree = Worktree(repository=repository, path=dead.worktree, commit=about["commit"])
        written, passing = inside(_written(dead)), set(about.get("passing", ()))
        paths = [
            path
            for path in worktrees.added(worktree, (*CACHES, *about["caches"]))
            if path not in passing and not written(path) and not _is_brought(dead.worktree / path)
        ]
        files = UndeclaredFiles(mirror=mirror)
        for path in paths:
            if (address := links.address_of(mirror.top / path)) is not None:
                mirror.note_outdated(path, str(address))
        files.recognise(runs, lambda path: False)
        undeclared = files.end(
            dead.run,
            paths,
            executions.all_of(_done(dead), dead.staging / JOBS_NAME, ()),
            (),
            lambda path: False,
            keep=about["undeclared"] == "keep",
        )
        return document.replace(undeclared=undeclared.files, undeclared_jobs=undeclared.jobs)
    return document


def clear(repository: Repository, dead: Owner, document: RunDocument) -> None:
    """Remove the worktree of a lost run, and what else there is of it, as far as possible.
    `document`: see `archive_undeclared`."""
    if dead.claim() is not None:
        _record_end(repository, dead, document)
        with suppressed(GitbatchError, OSError):
            remove(repository, dead.worktree, dead.staging, dead.private)


def _record_end(repository: Repository, dead: Owner, document: RunDocument) -> None:
    """Look into the worktree of a killed run, none of whose jobs runs any more, before it goes.
    Where that cannot be done, nobody takes what its jobs have made. Never raises
    GitbatchError."""
    if not dead.can_go_on:
        return
    with suppressed(GitbatchError, OSError, KeyError):
        commit = str(dead.about["commit"])
        worktree = Worktree(repository=repository, path=dead.worktree, commit=commit)
        written = inside(_written(dead))
        tainted = worktrees.rewritten(
            worktree, lambda path: written(path) or _is_link(dead.worktree / path)
        )
        document = document.replace(
            outcome=KILLED,
            source_commit=commit,
            message=dead.about["message"],
            host=dead.host,
            started=dead.about["begun"],
            tainted=tainted,
        )
        if not tainted:
            document = document.replace(jobs_without_code=superseded_records.listed(_done(dead)))
        completion.record_end(dead.archive, document, repository=str(repository.top))


def _written(dead: Owner) -> set[str]:
    """What the run's jobs were to write."""
    paths: set[str] = set()
    for number in dead.job_numbers():
        order = JobOrder.read(dead.staging / JOBS_NAME / str(number) / ORDER_NAME)
        paths.update(output.path for output in order.outputs)
        paths.update(order.logs)
    return paths


def _done(dead: Owner) -> Iterator[JobRecord]:
    """The records of the run's jobs that have succeeded."""
    for number in dead.job_numbers():
        with suppressed(GitbatchError):
            answer = JobResult.of_job(dead.staging / JOBS_NAME / str(number))
            if answer is not None and answer.succeeded:
                yield answer.record


def _is_brought(path: Path) -> bool:
    """Whether it is a link to an object, or to what lies outside of the worktree."""
    return path.is_symlink() and (_is_link(path) or path.readlink().is_absolute())


def _is_link(path: Path) -> bool:
    return path.is_symlink() and linked_object(str(path.readlink())) is not None
