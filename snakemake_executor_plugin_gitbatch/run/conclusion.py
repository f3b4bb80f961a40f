"""Concludes jobs that have ended: their outputs are put in place, or their failure is explained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gitbatch_core.model.job_order import JobOrder
from gitbatch_core.model.job_result import LOG_NAME, JobResult
from gitbatch_core.pools.base import JobStatus
from gitbatch_core.run.mirror import output_links
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.run.mirror.undeclared import UndeclaredFiles
from gitbatch_core.run.run import Run
from snakemake_executor_plugin_gitbatch.job import job_description, workflow_view
from snakemake_executor_plugin_gitbatch.job.failure import explain, keep_log
from snakemake_executor_plugin_gitbatch.job.job_table import JobState
from snakemake_executor_plugin_gitbatch.reuse.planner import Plan
from snakemake_executor_plugin_gitbatch.reuse.reusing import Reusing
from snakemake_executor_plugin_gitbatch.run.report import Report
from snakemake_executor_plugin_gitbatch.run.temporary_outputs import TemporaryOutputs


@dataclass(kw_only=True)
class Conclusion:
    """Concludes the jobs of one run. Not thread-safe: the run's lock is held."""

    run: Run
    mirror: Mirror
    report: Report
    plan: Plan
    reusing: Reusing
    temporary: TemporaryOutputs
    undeclared: UndeclaredFiles
    mask: Callable[[bytes], bytes]

    def of_reused(self, state: JobState) -> None:
        """Put in place the outputs that the record of an earlier job names. Raises ArchiveError,
        OSError."""
        assert state.record is not None
        if state.in_place:
            return
        try:
            self.reusing.link_outputs(
                state.record, self._date(state.job), copied=self._copied(state.job)
            )
        except BaseException:
            self.plan.forget()  # what follows may read something else now
            raise

    def of_ended(self, state: JobState, answer: JobResult | None) -> str | None:
        """Take over the outputs of the job; returns None, or why it failed, for people. Raises
        GitbatchError, OSError."""
        job, status, order = state.job, state.status, state.order
        assert status is not None and order is not None
        date = self._date(job)
        self.report.measure(status, answer)
        output_links.restore_logs(self.mirror, order.logs, self.mask, date)
        if answer is None or not answer.succeeded or status.exit_code != 0:
            return self._failure(state, status, order, answer)
        members = job_description.members(job)
        for path in (path for member in members for path in member.input):
            self.mirror.check_outside(str(path))
        copied = self._copied(job)
        for output in answer.record.outputs:
            output_links.link_output(self.mirror, output, date, copied=output.path in copied)
            if output.temporary:
                of_checkpoint = any(member.is_checkpoint for member in members)
                self.temporary.add(output.path, of_checkpoint=of_checkpoint)
        state.record = self.report.costs.complete(answer.record, status.usage)
        if state.expected is not None:
            self.reusing.compare(state.expected, state.record)
        return None

    def _failure(
        self, state: JobState, status: JobStatus, order: JobOrder, answer: JobResult | None
    ) -> str:
        folder, rule = self.run.job_folder(state.number), job_description.rule_name(state.job)
        return explain(
            status,
            answer,
            log=keep_log(folder / LOG_NAME, self.run.id, state.number, rule),
            rule_logs=[self.mirror.here(path) for path in job_description.log_paths(state.job)],
            folder=folder,
            mirror=self.mirror,
            outputs=[output.path for output in order.outputs],
            left=self.undeclared.entries,
        )

    def _copied(self, job: Any) -> set[str | None]:
        """Outputs of which the user's folder gets a copy, for other storages to take."""
        return {self.mirror.relative(str(path)) for path in workflow_view.in_other_storages(job)}

    def _date(self, job: Any) -> int:
        """The time of what the job makes."""
        inputs = (str(path) for member in job_description.members(job) for path in member.input)
        return output_links.date_of(self.mirror, inputs)
