"""Assembles the parts of a run's session. It does nothing yet: `Session.begin` does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gitbatch_core.model.documents import Document
from gitbatch_core.model.masking import Mask
from gitbatch_core.pools.base import Pool
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.run.mirror.undeclared import UndeclaredFiles
from gitbatch_core.run.run import Run
from snakemake_executor_plugin_gitbatch.in_job.consistency import Comparison, renamed
from snakemake_executor_plugin_gitbatch.job import command
from snakemake_executor_plugin_gitbatch.job.job_table import JobTable
from snakemake_executor_plugin_gitbatch.job.key import Keys
from snakemake_executor_plugin_gitbatch.job.order import Ordering
from snakemake_executor_plugin_gitbatch.reuse import run_documents
from snakemake_executor_plugin_gitbatch.reuse.missed_reuse import Missed
from snakemake_executor_plugin_gitbatch.reuse.planner import Plan
from snakemake_executor_plugin_gitbatch.reuse.resumed_jobs import ResumedJobs
from snakemake_executor_plugin_gitbatch.reuse.reusing import Reusing
from snakemake_executor_plugin_gitbatch.run import parse_writes
from snakemake_executor_plugin_gitbatch.run.conclusion import Conclusion
from snakemake_executor_plugin_gitbatch.run.finish import Ending
from snakemake_executor_plugin_gitbatch.run.new_jobs import NewJobs
from snakemake_executor_plugin_gitbatch.run.old_outputs import Room
from snakemake_executor_plugin_gitbatch.run.parse_time import ParseTime, passing
from snakemake_executor_plugin_gitbatch.run.pools import Pools
from snakemake_executor_plugin_gitbatch.run.preparation import Preparation
from snakemake_executor_plugin_gitbatch.run.report import Report
from snakemake_executor_plugin_gitbatch.run.session import Session
from snakemake_executor_plugin_gitbatch.run.temporary_outputs import TemporaryOutputs
from snakemake_executor_plugin_gitbatch.run.undeclared import Leaving


@dataclass(frozen=True, kw_only=True)
class OpenRun:
    """A run whose worktree is filled, with everything that its start has prepared."""

    workflow: Any
    logger: Any
    run: Run
    mirror: Mirror
    pool: Pool
    jobs: JobTable
    resumed: ResumedJobs
    report: Report
    reading: ParseTime
    undeclared: UndeclaredFiles
    facts: Document
    """What the run's document says of it from the start."""
    secrets: dict[str, str]

    def assemble(self) -> Session:
        """The session of the run. Raises GitbatchError."""
        temporary = TemporaryOutputs(self.mirror, self.logger.warning)
        room = Room(
            workflow=self.workflow,
            mirror=self.mirror,
            temporary=temporary,
            undeclared=self.undeclared,
        )
        ordering = self._ordering()
        self._write_comparison()
        keys = self._keys()
        reusing = self._reusing()
        plan = Plan(
            workflow=self.workflow,
            mirror=self.mirror,
            keys=keys,
            reusing=reusing,
            outputs=ordering.outputs,
        )
        new_jobs = self._new_jobs(keys)
        missed = Missed.of(self.run, keys)
        pools = Pools(main=self.pool, local_cores=self.workflow.resource_settings.local_cores)
        return Session(
            lock=self.jobs.lock,
            jobs=self.jobs,
            workflow=self.workflow,
            logger=self.logger,
            run=self.run,
            mirror=self.mirror,
            pools=pools,
            plan=plan,
            new_jobs=new_jobs,
            resumed=self.resumed,
            missed=missed,
            room=room,
            temporary=temporary,
            report=self.report,
            preparation=Preparation(
                mirror=self.mirror,
                jobs=self.jobs,
                is_resumed=self.run.resumed,
                pools=pools,
                plan=plan,
                new_jobs=new_jobs,
                keys=keys,
                resumed=self.resumed,
                reusing=reusing,
                missed=missed,
                reading=self.reading,
                temporary=temporary,
                room=room,
                ordering=ordering,
                report=self.report,
                is_local=self.workflow.is_local,
            ),
            conclusion=self._conclusion(plan, reusing, temporary),
            ending=self._ending(keys, reusing, missed),
        )

    def _new_jobs(self, keys: Keys) -> NewJobs:
        return NewJobs(
            workflow=self.workflow,
            run=self.run,
            mirror=self.mirror,
            keys=keys,
            jobs=self.jobs,
            warn=self.logger.warning,
        )

    def _reusing(self) -> Reusing:
        settings = self.workflow.executor_settings
        return Reusing(
            mode=settings.reuse,
            mirror=self.mirror,
            undeclared=self.undeclared if settings.undeclared == "keep" else None,
        )

    def _conclusion(self, plan: Plan, reusing: Reusing, temporary: TemporaryOutputs) -> Conclusion:
        return Conclusion(
            run=self.run,
            mirror=self.mirror,
            report=self.report,
            plan=plan,
            reusing=reusing,
            temporary=temporary,
            undeclared=self.undeclared,
            mask=Mask(self.secrets.values()).all,
        )

    def _ordering(self) -> Ordering:
        return Ordering(
            workflow=self.workflow,
            logger=self.logger,
            run=self.run,
            mirror=self.mirror,
            folder=self.facts["folder"],
            secrets=self.secrets,
            general=command.general_arguments(self.workflow, self.run, self.mirror),
        )

    def _write_comparison(self) -> None:
        """What the Snakemake of each job compares its own view with."""
        mirror = self.mirror
        Comparison(
            top=mirror.top,
            worktree=mirror.worktree,
            secrets=tuple(self.secrets),
            configuration=self.facts["config"],
            written=tuple(sorted(mirror.outside.addresses.keys() & set(parse_writes.paths()))),
            passing=tuple(str(mirror.worktree / path) for path in passing(mirror.top)),
            renamed=renamed(self.workflow, mirror),
        ).write(self.run.staging)

    def _keys(self) -> Keys:
        converted = self.run.worktree.converted(self.run.archive.algorithm)
        is_left = run_documents.undeclared_paths(self.run.repository, self.facts["head"])
        return Keys.of(self.workflow, self.mirror, self.facts["folder"], converted, is_left)

    def _ending(self, keys: Keys, reusing: Reusing, missed: Missed) -> Ending:
        settings = self.workflow.executor_settings
        return Ending(
            workflow=self.workflow,
            logger=self.logger,
            run=self.run,
            mirror=self.mirror,
            jobs=self.jobs,
            facts=self.facts,
            costs=self.report.costs,
            reusing=reusing,
            keys=keys,
            missed=missed,
            leaving=Leaving(
                run=self.run,
                files=self.undeclared,
                keeps=settings.undeclared == "keep",
                caches=tuple(settings.caches),
                passing=frozenset(passing(self.mirror.top)),
            ),
            mask=Mask(self.secrets.values()).all,
            secrets=self.secrets.values(),
        )
