"""How a run begins: as a new one, or where an earlier process of the same run was killed."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitbatch_core.archive import hashing
from gitbatch_core.errors import GitbatchError, PoolError
from gitbatch_core.git import commits, refs
from gitbatch_core.git.repository import Repository
from gitbatch_core.model import documents
from gitbatch_core.model.documents import Document
from gitbatch_core.model.job_documents import redact
from gitbatch_core.pools.base import Pool
from gitbatch_core.pools.choose import choose
from gitbatch_core.run import completion, lease, run_commit
from gitbatch_core.run.archive_location import open_archive
from gitbatch_core.run.lease import LOG_VARIABLE, REPRODUCES_VARIABLE, Owner
from gitbatch_core.run.lost import clear, left_by
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.run.mirror.undeclared import UndeclaredFiles
from gitbatch_core.run.reference_time import pin
from gitbatch_core.run.run import Run, dead_runs, is_used, new_id, private_folder
from snakemake_executor_plugin_gitbatch.job import environment, job_description, programs
from snakemake_executor_plugin_gitbatch.reuse import present_outputs
from snakemake_executor_plugin_gitbatch.reuse.resumed_jobs import ResumedJobs
from snakemake_executor_plugin_gitbatch.run import (
    finish,
    mirroring,
    parse_writes,
    preconditions,
    start_check,
    start_settings,
)
from snakemake_executor_plugin_gitbatch.run.parse_time import ParseTime, passing
from snakemake_executor_plugin_gitbatch.run.report import Report
from snakemake_executor_plugin_gitbatch.run.session import Session
from snakemake_executor_plugin_gitbatch.snakemake_internals import checkpoint_groups, locks, patches

_NO_TAG = "none"
_SAME = ("top", "folder", "snakefile", "config")
"""What makes two starts of one commit the same run. Targets may differ."""


@dataclass(kw_only=True)
class _Place:
    """Where a start finds itself."""

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
            place = _look(workflow, logger)
            return _begin(place, logger, place.to_resume())
        except GitbatchError as error:
            raise start_check.with_others(error, workflow) from error


def finish_left_over(workflow: Any, logger: Any) -> None:
    """Where nothing is to be run any more: end the killed run that has done it all, if there is
    one. Never raises GitbatchError, OSError: what was asked for is done."""
    try:
        place = _look(workflow, logger)
    except (GitbatchError, OSError):  # no folder to run from, so none that a run was killed in
        return
    if (mine := place.to_resume()) is not None:
        try:
            session = _begin(place, logger, mine)
            session.finish(session.outcome())
        except (GitbatchError, OSError) as error:
            logger.warning(
                f"The run {mine.run}, whose controller is gone, cannot be ended: {error}"
            )


def _look(workflow: Any, logger: Any) -> _Place:
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
        "begun": finish.now(),
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
    return _Place(
        workflow=workflow,
        repository=repository,
        head=head,
        source=source,
        about=about,
        secrets=secrets,
        dead=dead,
    )


def _begin(place: _Place, logger: Any, mine: Owner | None) -> Session:
    workflow, repository = place.workflow, place.repository
    settings = workflow.executor_settings
    report = Report.start(settings, repository, logger, place.secrets.values())
    archive = open_archive(repository, settings.archive)
    if mine is not None and mine.staging != archive.root / "staging" / mine.run:
        mine = None
    if mine is not None and settings.pool not in ("auto", mine.pool):
        mine = None
    if mine is not None:
        mine = mine.claim()
    id = mine.run if mine else new_id()
    tag = place.tag(id, logger.warning)
    pool, why = _choose(place, id, logger, mine)
    with contextlib.ExitStack() as undo:
        undo.callback(pool.close)
        if mine is not None:
            mine = mine.with_new(place.about)
            run = Run.resume(repository, archive, mine)
        else:
            run = Run.start(
                repository,
                archive,
                id=id,
                commit=place.source.commit,
                pool=pool.kind,
                about=place.about,
                worktree_parent=settings.worktrees,
            )
            undo.callback(run.close)
        changed = {
            *place.source.changed_outputs,
            *preconditions.unlike_outputs(workflow, run, place.source, logger.warning),
        }
        mirror = Mirror.of(run, Path.cwd(), changed=changed, warn=logger.warning)
        patches.leave_times_alone(workflow.dag)
        if in_groups := checkpoint_groups.take_checkpoints_out(workflow):
            logger.info(
                f"Checkpoints run by themselves, not within their groups: {', '.join(in_groups)}. "
                "What follows one is known only when it has ended."
            )
        mirror.outside.cache = Path(workflow.sourcecache.runtime_cache_path)
        mirror.there(".").mkdir(parents=True, exist_ok=True)
        earlier = ResumedJobs() if mine is None else ResumedJobs.of(run, mine, pool)
        temporary = earlier.recall(mirror)
        preconditions.check(workflow, mirror, logger.warning)
        preconditions.limit_threads(workflow, pool.cores)
        others = [dead for dead in place.dead if dead.run != id]
        stale = [dead for dead in others if not is_used(dead, preconditions.queue_has_jobs)]
        left = [
            left_by(repository, archive, dead, present_outputs.latest(repository, place.head))
            for dead in stale
        ]
        reading = ParseTime(workflow=workflow, run=run, mirror=mirror, secrets=place.secrets)
        mirroring.fill(
            workflow,
            mirror,
            [dead.worktree for dead in stale],
            is_new=not run.resumed,
            untracked=place.source.untracked,
            reading=reading,
        )
        preconditions.tell_withheld(mirror, logger.warning)
        if not run.resumed:
            start_check.refuse_jobs(workflow, mirror, pool, place.secrets, logger.warning)
        undeclared = UndeclaredFiles(mirror=mirror)
        preconditions.recognise_undeclared(workflow, repository, place.head, undeclared, left)
        for dead, its in zip(stale, left, strict=True):
            clear(repository, dead, its)
        session = Session(
            workflow=workflow,
            logger=logger,
            run=run,
            mirror=mirror,
            pool=pool,
            facts=_facts(place, run, mirror, pool) | {"tag": tag},
            secrets=place.secrets,
            earlier=earlier,
            report=report,
            reading=reading,
            undeclared=undeclared,
        )
        session.recall(temporary)
        run.ready()
        undo.pop_all()
    report.begin(run.id, run.about["begun"])
    preconditions.greet(workflow, logger, run, place.source, why)
    if run.resumed:
        logger.info(earlier.describe())
    for dead in others:
        if dead not in stale:
            logger.warning(
                f"Jobs of run {dead.run} ({str(dead.about.get('commit'))[:10]}), whose controller "
                "is gone, are still queued or running. It is another run than this one: end it "
                f"with: gitbatch runs cancel {dead.run}"
            )
    return session


def _choose(place: _Place, id: str, logger: Any, mine: Owner | None) -> tuple[Pool, str]:
    """Where a run goes on, its jobs are in its own pool, also while that does not answer."""
    settings = place.workflow.executor_settings
    try:
        return choose(
            mine.pool if mine else settings.pool,
            run=id,
            private_folder=private_folder(place.repository, id),
            cores=place.workflow.resource_settings.cores,
            unmatched=settings.unmatched,
            held_timeout_s=settings.held_timeout,
            notice=logger.warning,
        )
    except PoolError as error:
        if mine is None:
            raise
        raise PoolError(
            f"Run {mine.run}, whose controller is gone, cannot be resumed: {error.message}",
            hint="Its jobs may be running there: try again when it is back. --gitbatch-pool local "
            "starts another run.",
        ) from error


def _facts(place: _Place, run: Run, mirror: Mirror, pool: Pool) -> Document:
    """What the run's document says of it from the start."""
    workflow = place.workflow
    return {
        "run": run.id,
        "repository": str(run.repository.top),
        "source_commit": run.worktree.commit,
        "head": place.head,
        "snapshot": place.source.snapshot,
        "message": run.about["message"],
        "command": run.about["command"],
        "folder": "" if (where := mirror.relative(".")) in (None, ".") else where,
        "snakefile": mirror.relative(str(workflow.main_snakefile)),
        "targets": [str(target) for target in workflow.dag_settings.targets],
        "config": redact(job_description.plain_config(workflow.config), place.secrets.values()),
        **start_settings.facts(workflow, place.secrets.values()),
        "pool": {"kind": pool.kind, **pool.facts()},
        "archive": run.archive.id,
        "packages": programs.packages(),
        "started": run.about["begun"],
        **{name: run.about[name] for name in ("reproduces", "resumed") if run.about.get(name)},
    }
