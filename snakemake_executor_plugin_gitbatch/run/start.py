"""How a run begins: as a new one, or where an earlier process of the same run was killed."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitbatch_core.archive import hashing
from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import GitbatchError, PoolError
from gitbatch_core.git import commits, refs
from gitbatch_core.git.repository import Repository
from gitbatch_core.model import documents
from gitbatch_core.model.documents import Document
from gitbatch_core.model.masking import redact
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.pools.base import Pool
from gitbatch_core.pools.choose import choose
from gitbatch_core.run import completion, lease, run_commit
from gitbatch_core.run.archive_location import open_archive
from gitbatch_core.run.lease import LOG_VARIABLE, REPRODUCES_VARIABLE, Owner
from gitbatch_core.run.lost import archive_undeclared, clear
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.run.mirror.undeclared import UndeclaredFiles
from gitbatch_core.run.reference_time import pin
from gitbatch_core.run.run import Run, dead_runs, is_used, new_id, private_folder
from gitbatch_core.runner.host import iso_time
from snakemake_executor_plugin_gitbatch.job import environment, job_description, programs
from snakemake_executor_plugin_gitbatch.job.job_table import JobTable
from snakemake_executor_plugin_gitbatch.reuse import resumed_jobs, run_documents
from snakemake_executor_plugin_gitbatch.reuse.resumed_jobs import ResumedJobs
from snakemake_executor_plugin_gitbatch.run import (
    job_preconditions,
    mirroring,
    parse_writes,
    pools,
    preconditions,
    start_check,
    start_settings,
)
from snakemake_executor_plugin_gitbatch.run.assembly import OpenRun
from snakemake_executor_plugin_gitbatch.run.parse_time import ParseTime, passing
from snakemake_executor_plugin_gitbatch.run.report import Report
from snakemake_executor_plugin_gitbatch.run.session import Session
from snakemake_executor_plugin_gitbatch.snakemake_internals import checkpoint_groups, locks, patches

_NO_TAG = "none"
_SAME = ("top", "folder", "snakefile", "config")
"""What makes two starts of one commit the same run. Targets may differ."""


@dataclass(kw_only=True)
class _Start:
    """A start of Snakemake: of what, and what there is of earlier ones."""

    workflow: Any
    repository: Repository
    head: str
    source: preconditions.Source
    about: Document
    secrets: dict[str, str]
    dead: list[Owner]
    """Runs of this work tree whose process has ended before they did."""

    def tag(self, run: str, warn: Callable[[str], object]) -> str | None:
        """What the run is called when it succeeds; nothing where the name that nobody has asked
        for cannot be had. Raises RunError where the run cannot have a ref at all."""
        preconditions.check_run_ref(self.repository, run)
        name = self.workflow.executor_settings.tag
        tag: str | None = {None: run_commit.TAGS + run, _NO_TAG: None}.get(name, name)
        if name is None and (other := refs.obstacle(self.repository, f"refs/tags/{tag}")):
            warn(completion.without_tag(run, str(tag), other))
            return None
        return tag

    def to_resume(self) -> Owner | None:
        """The latest of the dead that is the same run as this start."""
        return next((dead for dead in reversed(self.dead) if self._is_same(dead)), None)

    def _is_same(self, dead: Owner) -> bool:
        if any(dead.about.get(name) != self.about[name] for name in _SAME):
            return False
        if not dead.can_go_on or dead.is_cancelled:
            return False
        commit, own = str(dead.about.get("commit")), self.source.commit
        if commit == own:
            return True
        if not (self.source.snapshot and dead.about.get("snapshot")):
            return False
        read = commits.read_all(self.repository, [commit, own])
        return commit in read and read[commit].tree == read[own].tree


def start(workflow: Any, logger: Any) -> Session:
    """Check the tree, open the archive, make or take over the worktree and choose the pool.

    Raises GitbatchError, which names all that is in the way; then nothing was started and nothing
    is left behind.
    """
    with parse_writes.unheard():
        try:
            beginning = _look(workflow, logger)
            return _begin(beginning, logger, beginning.to_resume())
        except GitbatchError as error:
            raise start_check.with_others(error, workflow) from error


def finish_left_over(workflow: Any, logger: Any) -> None:
    """Where nothing is to be run any more: end the killed run that has done it all, if there is
    one. Never raises GitbatchError, OSError: what was asked for is done."""
    try:
        beginning = _look(workflow, logger)
    except (GitbatchError, OSError):  # no folder to run from, so none that a run was killed in
        return
    if (dead := beginning.to_resume()) is not None:
        try:
            session = _begin(beginning, logger, dead)
            session.finish(session.outcome())
        except (GitbatchError, OSError) as error:
            logger.warning(f"The lost run {dead.run} cannot be ended: {error}")


def _look(workflow: Any, logger: Any) -> _Start:
    settings = workflow.executor_settings
    repository = preconditions.find_repository(workflow, Path.cwd())
    dead = dead_runs(repository, logger.warning)
    if settings.tag not in (None, _NO_TAG):
        refs.check_new_tag(repository, settings.tag)
    pinned_ns = pin(repository.top, patches.began_ns(workflow))
    head = repository.commit_of("HEAD")
    source = preconditions.clean_source(workflow, repository, head, new_id(), settings.dirty)
    secrets = environment.secrets(workflow)
    config = documents.canonical(
        redact(job_description.plain_config(workflow.config), secrets.values())
    )
    logs = workflow.logger_manager.get_logfile()
    about = {
        "top": str(repository.top),
        "folder": str(Path.cwd()),
        "snakefile": str(workflow.main_snakefile),
        "config": str(hashing.hash_bytes(config, "xxh3")),
        "commit": source.commit,
        "snapshot": source.snapshot,
        "begun": iso_time(time.time()),
        "pinned_ns": pinned_ns,
        "command": redact(sys.argv, secrets.values()),
        "message": settings.message or "",
        "reproduces": os.environ.get(REPRODUCES_VARIABLE),
        "undeclared": settings.undeclared,
        "caches": settings.caches,
        "passing": passing(repository.top),
        "jobs": sum(map(job_description.has_outputs, workflow.dag.needrun_jobs())),
        "log": os.environ.get(LOG_VARIABLE) or next(iter(logs), ""),
        # Snakemake's own, by which it keeps others out of the folder.
        "locks": {
            path: lease.stamp(path) for path in map(os.path.abspath, locks.lock_files(workflow))
        },
    }
    return _Start(
        workflow=workflow,
        repository=repository,
        head=head,
        source=source,
        about=about,
        secrets=secrets,
        dead=dead,
    )


def _begin(start: _Start, logger: Any, dead: Owner | None) -> Session:
    """As a new run, or where the `dead` one was killed."""
    workflow, repository = start.workflow, start.repository
    settings = workflow.executor_settings
    report = Report.start(settings, repository, logger, start.secrets.values())
    archive = open_archive(repository, settings.archive)
    owner = _claimed(dead, archive, settings.pool)
    id = owner.run if owner else new_id()
    tag = start.tag(id, logger.warning)
    pool, why = _choose(start, id, logger, owner)
    with contextlib.ExitStack() as undo:
        undo.callback(pool.close)
        run = _open(start, archive, owner, id, pool)
        if not run.resumed:
            undo.callback(run.close)
        mirror = _mirror(start, run, logger)
        jobs = JobTable() if owner is None else resumed_jobs.adopt(run, owner, pool)
        resumed = ResumedJobs(jobs=jobs, mirror=mirror)
        recalled = resumed.recall()
        job_preconditions.check(workflow, mirror, logger.warning)
        job_preconditions.limit_threads(workflow, pool.cores)
        others = [each for each in start.dead if each.run != id]
        stale = [each for each in others if not is_used(each)]
        reading = ParseTime(workflow=workflow, run=run, mirror=mirror, secrets=start.secrets)
        undeclared = UndeclaredFiles(mirror=mirror)
        with _cleared(start, archive, stale) as lost:
            _fill(start, run, mirror, pool, reading, stale, logger)
            preconditions.recognise_undeclared(workflow, repository, start.head, undeclared, lost)
        session = OpenRun(
            workflow=workflow,
            logger=logger,
            run=run,
            mirror=mirror,
            pool=pool,
            jobs=jobs,
            resumed=resumed,
            report=report,
            reading=reading,
            undeclared=undeclared,
            facts=_facts(start, run, mirror, pool) | {"tag": tag},
            secrets=start.secrets,
        ).assemble()
        session.begin(recalled)
        run.ready()
        undo.pop_all()
    report.begin(run.id, run.about["begun"])
    preconditions.greet(workflow, logger, run, start.source, why)
    if run.resumed:
        logger.info(resumed.describe())
    _tell_of_used(others, stale, logger)
    return session


def _claimed(dead: Owner | None, archive: Archive, pool: str) -> Owner | None:
    """The dead run, where this start goes on with it: in its archive and its pool."""
    if dead is None or dead.staging != archive.root / "staging" / dead.run:
        return None
    return dead.claim() if pool in ("auto", dead.pool) else None


def _open(start: _Start, archive: Archive, owner: Owner | None, id: str, pool: Pool) -> Run:
    """The run `id` with its worktree, as a new one or as the one that `owner` has held."""
    if owner is not None:
        return Run.resume(start.repository, archive, owner.with_new(start.about))
    return Run.start(
        start.repository,
        archive,
        id=id,
        commit=start.source.commit,
        pool=pool.kind,
        about=start.about,
        worktree_parent=start.workflow.executor_settings.worktrees,
    )


def _mirror(start: _Start, run: Run, logger: Any) -> Mirror:
    """The worktree as the mirror of the folder, with nothing of that in it yet."""
    workflow = start.workflow
    changed = {
        *start.source.changed_outputs,
        *preconditions.unlike_outputs(workflow, run, start.source, logger.warning),
    }
    mirror = Mirror.of(run, Path.cwd(), changed=changed, warn=logger.warning)
    patches.leave_times_alone(workflow.dag)
    if in_groups := checkpoint_groups.take_checkpoints_out(workflow):
        logger.info(
            f"Checkpoints run alone, not within their groups: {', '.join(in_groups)}. "
            "The jobs after a checkpoint are known only when it has ended."
        )
    mirror.outside.cache = Path(workflow.sourcecache.runtime_cache_path)
    mirror.there(".").mkdir(parents=True, exist_ok=True)
    return mirror


@contextlib.contextmanager
def _cleared(start: _Start, archive: Archive, stale: list[Owner]) -> Iterator[list[RunDocument]]:
    """What the jobs of these runs have left beside their outputs, as the beginnings of documents,
    for what is done meanwhile; then the runs are cleared away."""
    repository = start.repository
    documents = [
        archive_undeclared(repository, archive, dead, run_documents.latest(repository, start.head))
        for dead in stale
    ]
    yield documents
    for dead, document in zip(stale, documents, strict=True):
        clear(repository, dead, document)


def _fill(
    start: _Start,
    run: Run,
    mirror: Mirror,
    pool: Pool,
    reading: ParseTime,
    stale: list[Owner],
    logger: Any,
) -> None:
    """Bring all that jobs are to see into the worktree, and refuse what cannot run there."""
    mirroring.fill(
        start.workflow,
        mirror,
        [dead.worktree for dead in stale],
        is_new=not run.resumed,
        untracked=start.source.untracked,
        reading=reading,
    )
    preconditions.tell_withheld(mirror, logger.warning)
    if not run.resumed:
        start_check.refuse_jobs(start.workflow, mirror, pool, start.secrets, logger.warning)


def _tell_of_used(others: list[Owner], stale: list[Owner], logger: Any) -> None:
    for dead in others:
        if dead not in stale:
            logger.warning(
                f"Jobs of the lost run {dead.run} ({str(dead.about.get('commit'))[:10]}) "
                "are still queued or running. It differs from this run. "
                f"To end it: gitbatch runs cancel {dead.run}"
            )


def _choose(start: _Start, id: str, logger: Any, owner: Owner | None) -> tuple[Pool, str]:
    """Where a run goes on, its jobs are in its own pool, also while that does not answer."""
    settings = start.workflow.executor_settings
    try:
        return choose(
            owner.pool if owner else settings.pool,
            pools.options(settings, logger.warning, cores=start.workflow.resource_settings.cores),
            run=id,
            private_folder=private_folder(start.repository, id),
        )
    except PoolError as error:
        if owner is None:
            raise
        raise PoolError(
            f"The lost run {owner.run} cannot be resumed: {error.message}",
            hint="Its jobs may still be running in the pool: try again when the pool answers, or "
            "start another run with --gitbatch-pool local.",
        ) from error


def _facts(start: _Start, run: Run, mirror: Mirror, pool: Pool) -> Document:
    """What the run's document says of it from the start."""
    workflow = start.workflow
    return {
        "run": run.id,
        "repository": str(run.repository.top),
        "source_commit": run.worktree.commit,
        "head": start.head,
        "snapshot": start.source.snapshot,
        "message": run.about["message"],
        "command": run.about["command"],
        "folder": "" if (where := mirror.relative(".")) in (None, ".") else where,
        "snakefile": mirror.relative(str(workflow.main_snakefile)),
        "targets": [str(target) for target in workflow.dag_settings.targets],
        "config": redact(job_description.plain_config(workflow.config), start.secrets.values()),
        **start_settings.facts(workflow, start.secrets.values()),
        "pool": {"kind": pool.kind, **pool.facts()},
        "archive": run.archive.id,
        "packages": programs.packages(),
        "started": run.about["begun"],
        **{name: run.about[name] for name in ("reproduces", "resumed") if run.about.get(name)},
    }
