"""Jobs that were unknown when the run began: a checkpoint, or a queue, adds them. What was prepared
for the jobs of the first DAG is prepared for these too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gitbatch_core.errors import GitbatchError, RunError
from gitbatch_core.log import suppressed
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.run.run import Run
from snakemake_executor_plugin_gitbatch.job import job_description, workflow_view
from snakemake_executor_plugin_gitbatch.job.job_table import JobTable
from snakemake_executor_plugin_gitbatch.job.key import Keys
from snakemake_executor_plugin_gitbatch.run import job_preconditions, mirroring
from snakemake_executor_plugin_gitbatch.snakemake_internals import patches


@dataclass(kw_only=True)
class NewJobs:
    """Those of one run. Not thread-safe: the session's lock is held, but where Snakemake tells that
    there are some, which it does in the thread that hands over jobs."""

    workflow: Any
    run: Run
    mirror: Mirror
    keys: Keys
    jobs: JobTable
    warn: Callable[[str], None]
    _known: set[Any] = field(default_factory=set)
    _idle: set[str] = field(default_factory=set)
    """Rules without outputs that were spoken of."""
    _refused: dict[Any, RunError] = field(default_factory=dict)
    _have_come: bool = False

    def follow(self) -> None:
        """Note which jobs there are, and have Snakemake tell of those that come."""
        self._known.update(workflow_view.jobs(self.workflow))
        self._idle.update(job.rule.name for job in self._known if job_preconditions.is_idle(job))
        patches.tell_updates(self.workflow.dag, self._note)

    async def _note(self) -> None:
        self._have_come = True

    def take_over(self) -> bool:
        """Whether there are any; the worktree then has what is there of what they read, and what of
        theirs is up to date. What is wrong with one of them is told by `check`, what it lacks when
        it is prepared: others go on."""
        have_come, self._have_come = self._have_come, False
        if have_come:
            new = [job for job in workflow_view.jobs(self.workflow) if job not in self._known]
            self._known.update(new)
            self._mirror(new)
            self.keys.declare(str(path) for job in new for path in job.products())
            self._look_at(list(filter(self.workflow.dag.needrun, new)))
            coming = filter(job_description.has_outputs, self.workflow.dag.needrun_jobs())
            self.run.expect(len(list(coming)) + len(self.jobs.done()))
        return have_come

    def _mirror(self, jobs: list[Any]) -> None:
        dag, mirror = self.workflow.dag, self.mirror
        for job in jobs:
            with suppressed(GitbatchError, OSError):
                mirroring.bring_outputs(
                    job, mirror, is_needed=dag.needrun(job), is_new=not self.run.resumed
                )
        coming = mirroring.products_of(dag.needrun_jobs())
        for job in jobs:
            with suppressed(GitbatchError, OSError):
                mirroring.bring_inputs(job, mirror, coming)

    def _look_at(self, jobs: list[Any]) -> None:
        """Find those that cannot run, and those whose work is lost."""
        idle: dict[str, None] = {}
        for job in jobs:
            try:
                job_preconditions.check_products(job, self.mirror)
            except RunError as error:
                self._refused[job] = error
            if job_preconditions.is_idle(job) and job.rule.name not in self._idle:
                idle[job.rule.name] = None
        if idle:
            self._idle.update(idle)
            job_preconditions.warn_of_idle(self.workflow, idle, self.warn)

    def check(self, jobs: list[Any]) -> None:
        """Raise RunError where one of these single jobs cannot run here."""
        for job in jobs:
            if job in self._refused:
                raise self._refused[job]
