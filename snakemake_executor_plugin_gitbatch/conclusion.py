"""What an ended job has made is put in place, or its failure is explained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gitbatch_core.jsonio import Document
from gitbatch_core.pools.base import JobStatus
from gitbatch_core.records import LOG_NAME, Answer, Order
from gitbatch_core.runs import results
from gitbatch_core.runs.run import Run
from gitbatch_core.runs.twin import Twin
from gitbatch_core.runs.undeclared_files import UndeclaredFiles
from snakemake_executor_plugin_gitbatch import jobspec, workflowview
from snakemake_executor_plugin_gitbatch.ending import Ending
from snakemake_executor_plugin_gitbatch.failure import explain, keep_log
from snakemake_executor_plugin_gitbatch.plan import Plan
from snakemake_executor_plugin_gitbatch.report import Report
from snakemake_executor_plugin_gitbatch.reusing import Reusing
from snakemake_executor_plugin_gitbatch.temporary import TemporaryOutputs


@dataclass(kw_only=True)
class Conclusion:
    """Of the jobs of one run. Not thread-safe: the session's lock is held."""

    run: Run
    twin: Twin
    report: Report
    plan: Plan
    reusing: Reusing
    temporary: TemporaryOutputs
    undeclared: UndeclaredFiles
    ending: Ending
    mask: Callable[[bytes], bytes]

    def of_reused(self, job: Any, record: Document) -> None:
        """Put in place what the record of an earlier job says. Raises ArchiveError, OSError."""
        try:
            self.reusing.place(record, self._date(job), copied=self._copied(job))
        except BaseException:
            self.plan.forget()  # what follows may read something else now
            raise

    def of_ended(
        self, job: Any, status: JobStatus, order: Order, answer: Answer | None
    ) -> str | None:
        """Take over what the job has made; None, or why it failed, for people. Raises
        GitbatchError, OSError."""
        folder = self.run.job_folder(status.number)
        self.report.measure(status, answer)
        date = self._date(job)
        results.restore_logs(self.twin, order.logs, self.mask, date)
        if answer is None or not answer.succeeded or status.exit_code != 0:
            log = keep_log(folder / LOG_NAME, self.run.id, status.number, jobspec.rule_name(job))
            return explain(
                status,
                answer,
                log=log,
                rule_logs=[self.twin.here(path) for path in jobspec.log_paths(job)],
                folder=folder,
                twin=self.twin,
                outputs=[output.path for output in order.outputs],
                left=self.undeclared.known,
            )
        members, copied = jobspec.members(job), self._copied(job)
        for path in (path for member in members for path in member.input):
            self.twin.check_outside(str(path))
        for output in answer.record["outputs"]:
            results.place(self.twin, output, date, copied=output["path"] in copied)
            if output.get("temporary"):
                of_checkpoint = any(member.is_checkpoint for member in members)
                self.temporary.add(output["path"], of_checkpoint=of_checkpoint)
        costs = self.report.costs.of_job(status.number, status.usage)
        self.ending.records.append(answer.record | costs)
        self.reusing.compare(status.number, answer.record)
        return None

    def _copied(self, job: Any) -> set[str | None]:
        """Outputs of which the user's folder gets a copy, for other storages to take."""
        return {self.twin.relative(str(path)) for path in workflowview.in_other_storages(job)}

    def _date(self, job: Any) -> int:
        """The time of what the job makes."""
        inputs = (str(path) for member in jobspec.members(job) for path in member.input)
        return results.date_of(self.twin, inputs)
