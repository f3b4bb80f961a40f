"""A run while it lasts, as the executor sees it: takes jobs, reports what became of them, ends."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gitbatch_core.errors import GitbatchError, RunError
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.job_result import JobResult
from gitbatch_core.run.mirror import output_links, parse_time
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.run.run import Run
from snakemake_executor_plugin_gitbatch.errors import text_of
from snakemake_executor_plugin_gitbatch.job import job_description
from snakemake_executor_plugin_gitbatch.job.job_table import JobState, JobTable
from snakemake_executor_plugin_gitbatch.job.order import Draft
from snakemake_executor_plugin_gitbatch.reuse.missed_reuse import Missed
from snakemake_executor_plugin_gitbatch.reuse.planner import Plan
from snakemake_executor_plugin_gitbatch.reuse.resumed_jobs import ResumedJobs
from snakemake_executor_plugin_gitbatch.run import run_outcome
from snakemake_executor_plugin_gitbatch.run.conclusion import Conclusion
from snakemake_executor_plugin_gitbatch.run.finish import Ending
from snakemake_executor_plugin_gitbatch.run.new_jobs import NewJobs
from snakemake_executor_plugin_gitbatch.run.old_outputs import Room
from snakemake_executor_plugin_gitbatch.run.pools import Pools
from snakemake_executor_plugin_gitbatch.run.preparation import Preparation
from snakemake_executor_plugin_gitbatch.run.report import Report
from snakemake_executor_plugin_gitbatch.run.submission import submit
from snakemake_executor_plugin_gitbatch.run.temporary_outputs import TemporaryOutputs
from snakemake_executor_plugin_gitbatch.snakemake_internals import patches

_MOST_NAMED = 5
_LATE_S = 10.0
"""Until a shared file system shows what a job has written before it ended."""


@dataclass(kw_only=True, eq=False)
class Session:
    """What the executor holds while a run lasts; `assembly` puts it together.

    Two threads of Snakemake call: the scheduler's, which is the main one, hands over jobs and ends
    the run; the status thread waits for jobs and concludes them. One lock, the job table's, guards
    all that they share, and no part of it is safe without. Whoever holds it does not wait, neither
    for news nor for a pool, and reports no job to Snakemake. `hurry`, for signal handlers, and
    `cancel`, after Ctrl-C, do without. See docs/adr/0010.
    """

    lock: threading.RLock
    """The job table's."""
    jobs: JobTable
    workflow: Any
    logger: Any
    run: Run
    mirror: Mirror
    pools: Pools
    plan: Plan
    new_jobs: NewJobs
    resumed: ResumedJobs
    missed: Missed
    room: Room
    temporary: TemporaryOutputs
    preparation: Preparation
    conclusion: Conclusion
    report: Report
    ending: Ending
    wished: bool | None = None
    """Where the run is cancelled: whether somebody wanted that."""
    _handed_over: threading.Event = field(default_factory=threading.Event)
    """Whether there are jobs to wait for that the status thread does not know of yet."""
    _cancelled: bool = False
    _gone: bool = True
    """Whether all cancelled jobs have gone."""

    def begin(self, recalled: Iterable[tuple[str, JobRecord]]) -> None:
        """Find out what need not run, before the first job is handed over. `recalled`: see
        `ResumedJobs.recall`."""
        with self.lock:
            self.new_jobs.follow()
            for path, record in recalled:
                rules = {member.rule for member in record.members}
                is_checkpoint = any(
                    r.name in rules and r.is_checkpoint for r in self.workflow.rules
                )
                self.temporary.add(path, of_checkpoint=is_checkpoint)
            if not self.run.resumed:  # what is queued or running goes before
                self.plan.make()
                self.jobs.note_unasked(self.plan.unasked())
                self.new_jobs.take_over()

    def hand_over(self, jobs: list[Any]) -> Iterator[JobState]:
        """Prepare these jobs and hand them to their pools, together. Yields each once a pool has
        it, or it is done already, or, with the `failure`, it cannot be handed over."""
        with self.lock:
            self.preparation.settle(jobs)
        states = []
        for job in jobs:
            patches.take_over_end(job, self)
            state = self._prepare(job)
            states.append(state)
            if state.spec is None:
                if state.failure is None:  # done already, or a pool has it
                    self._start(state)
                yield state
        for pool in self.pools.all():
            ordered = [state for state in states if state.spec and state.pool is pool]
            submission = submit(pool, [state.spec for state in ordered if state.spec])
            for state in ordered:
                if (why := submission.refusals.get(state.number)) is None:
                    self._start(state, submission.ids[state.number])
                else:
                    self._refuse(state.job, why, state)
                yield state
        # Now only: two threads that work on many jobs at once take longer than one after the other.
        with self.lock:
            self.jobs.end_at_once(states)
            self._handed_over.set()
            if self.missed.is_news():
                self.plan.look_ahead(ahead := self.missed.empty())
                self.logger.warning(ahead.text())

    def _prepare(self, job: Any) -> JobState:
        """What becomes of a job. Its rivals end meanwhile, which may take long: without the
        lock."""
        try:
            with self.lock:
                prepared = self.preparation.prepare(job)
            if isinstance(prepared, Draft):
                self.pools.end_rivals(prepared.rivals)
                with self.lock:
                    prepared = self.preparation.decide(prepared)
        except Exception as error:
            return self._refuse(job, text_of(error, self.logger))
        return prepared

    def _start(self, state: JobState, submitted_as: str | None = None) -> None:
        """The job starts, for Snakemake: its old outputs go for the user. `submitted_as`: its
        pool's id of a job that was submitted just now."""
        try:
            with self.lock:
                if submitted_as is not None:
                    state.id, state.spec = submitted_as, None
                    self.report.costs.submit(state.number, state.id)
                if not state.in_place:
                    self.room.clear_folder(state.job, state.unchanged)
        except Exception as error:
            if state.id and state.pool is not None:
                state.pool.cancel([state.number])
            self._refuse(state.job, text_of(error, self.logger), state)

    def _refuse(self, job: Any, why: str, state: JobState | None = None) -> JobState:
        """No pool has the job: there is nothing of it to wait for, or to end."""
        with self.lock:
            state = state or self.jobs.add(job, job_description.title(job))
            self.jobs.conclude(state, why)
        return state

    def wait(self, states: list[JobState], timeout: float) -> list[JobState]:
        """Those of these jobs that have ended, as soon as one has; none if none has after `timeout`
        seconds. Raises PoolError."""
        with self.lock:
            self.temporary.sweep_sometimes()
            is_urgent = self._handed_over.is_set() or any(state.status for state in states)
            self._handed_over.clear()
            is_idle = not self.jobs.any_handed_over()
        changes = self.pools.wait(0 if is_urgent or is_idle else timeout)
        if is_idle and not is_urgent:
            self._handed_over.wait(timeout)
        with self.lock:
            for change in changes:
                job = self.jobs.note(change)
                if job is not None and job.order and change.reason and not change.state.final:
                    job.restarted = True
                    rule = job.order.record.rule
                    self.logger.info(f"Job {job.number}, rule {rule}: {change.reason}")
            return [state for state in states if state.status is not None]

    def conclude(self, state: JobState) -> str | None:
        """Take over what the ended job made; None, or why it failed, for people. What goes wrong
        with that makes the one job fail, whatever it is."""
        failure = None
        try:
            assert state.status is not None
            if state.reused:
                with self.lock:
                    self.conclusion.of_reused(state)
            else:
                late_s = _LATE_S if state.status.exit_code == 0 else 0
                answer = JobResult.of_job(self.run.job_folder(state.number), within_s=late_s)
                with self.lock:
                    failure = self.conclusion.of_ended(state, answer)
        except Exception as error:
            why = text_of(error, self.logger)
            failure = f"The results of the job could not be recorded: {why}"
        with self.lock:
            self.report.costs.conclude(state.number, succeeded=failure is None)
            self.jobs.conclude(state, failure)
        return failure

    def there(self, path: str) -> Path:
        """Where the bytes of `path` are, as the record of a job that reads it has them."""
        with self.lock:
            return parse_time.original(self.mirror, path)

    def note_time(self, path: str, mtime_ns: int) -> None:
        """An output has been given this time by the storage that it lies in."""
        with self.lock:
            if (relative := self.mirror.relative(path)) is not None:
                self.mirror.note_time(relative, mtime_ns)

    def date_again(self, outputs: Iterable[str], inputs: Iterable[str]) -> None:
        """Outputs must not look older than what they were made from, as is known by now."""
        with self.lock:
            date = output_links.date_of(self.mirror, inputs)
            for path in outputs:
                output_links.date_again(self.mirror, path, date)

    def cancel(self) -> None:
        """End all of the run's jobs and nothing else."""
        self._cancelled = True
        self._gone = False
        self._gone = self.pools.cancel()

    def hurry(self) -> None:
        """The user has asked again to end the run. Called from a signal handler."""
        self.pools.hurry()

    def outcome(self) -> str:
        """How the run has ended, when Snakemake shuts the executor down."""
        return run_outcome.outcome(self.workflow, cancelled=self._cancelled, wished=self.wished)

    def finish(self, outcome: str) -> None:
        """End the run: run commit, tag, and nothing of it left but results and records. The status
        thread has ended.

        Raises GitbatchError, OSError: it has not ended then, and a later start goes on with it.
        """
        undone = filter(job_description.has_outputs, self.workflow.dag.needrun_jobs())
        self.report.costs.undone = frozenset(map(job_description.rule_name, undone))
        try:
            if self.jobs.any_handed_over():  # Snakemake gave up while jobs were running
                self.cancel()
            if (why := self._why_open()) is not None:
                self.report.outcome = "interrupted"
                self.logger.warning(why)
                return
            self._report_costs(outcome)
            if not self.temporary.end():
                raise RunError("Temporary outputs that are still needed could not be kept.")
            ended = self.ending.write(outcome)
            self.report.tag, self.report.tainted = ended.tag, ended.tainted
        finally:
            self.pools.close()
        try:
            self.run.close(complete=ended.complete)
        except (GitbatchError, OSError) as error:
            self.logger.warning(
                f"Run {self.run.id} has ended, but some of its files could not be removed: "
                f"{error}\nThe next start here removes them."
            )

    def _report_costs(self, outcome: str) -> None:
        for state in self.jobs.adopted():
            if state.job is None and state.record is not None:
                self.report.recall_end(state)
        self.report.show(outcome, lambda n: JobResult.of_job(self.run.job_folder(n)))

    def _why_open(self) -> str | None:
        """Why the run cannot end yet, for people; None: it can."""
        if not self._gone:
            return (
                f"The jobs of run {self.run.id} are still ending; its worktree stays until then. "
                "A later start resumes the run or clears it away."
            )
        if not self._cancelled and (names := self.resumed.not_asked_for()):
            shown = ", ".join(names[:_MOST_NAMED]) + ", …" * (len(names) > _MOST_NAMED)
            return (
                f"Run {self.run.id} is not complete: this start did not request these jobs, which "
                f"are still running or have finished: {shown}\n"
                "To resume the run, request their outputs. To give it up: "
                f"gitbatch runs cancel {self.run.id}"
            )
        return None
