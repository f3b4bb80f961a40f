"""The executor as Snakemake sees it: hands over ready jobs, and reports what became of them.

What a run is and does lies in `session`; this module has only what the interface requires.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snakemake.settings.enums import Quietness
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.settings import SharedFSUsage

from gitbatch_core import log
from gitbatch_core.errors import GitbatchError
from gitbatch_core.git.repository import Repository
from gitbatch_core.log import suppressed
from gitbatch_core.run import lease
from snakemake_executor_plugin_gitbatch.errors import text_of
from snakemake_executor_plugin_gitbatch.run import parse_writes
from snakemake_executor_plugin_gitbatch.snakemake_internals import (
    interrupts,
    local_rules,
    running_jobs,
    scheduler,
)

if TYPE_CHECKING:
    from snakemake_executor_plugin_gitbatch.run.session import Session

_LONGEST_WAIT_S = 0.2
"""For news of jobs; also how long the end of a run may be held up."""


class Executor(RemoteExecutor):
    """Runs a workflow's jobs from a clean worktree of the current commit."""

    def __init__(self, workflow: Any, logger: Any) -> None:
        # The status thread starts before __post_init__ runs: its state must be there.
        self._session: Session | None = None
        self._before: Any = None
        """What an interrupt did before the run's end began."""
        super().__init__(workflow, logger)

    def __post_init__(self) -> None:
        from snakemake_executor_plugin_gitbatch.reuse import stale_outputs

        if self.workflow.output_settings.verbose:
            log.show()
        stale_outputs.look(self.workflow, self.logger)
        # Snakemake makes an executor also where nothing is to be done, and never shuts it down.
        if not stale_outputs.anything_to_do(self.workflow):
            parse_writes.stop()
            self._end_status_thread()
            self._finish_left_over()
            return
        from snakemake_executor_plugin_gitbatch.run import start

        # To Snakemake, the worktree is the shared folder: this process gets what jobs read from
        # other storages, and stores what they made, once that is taken over.
        self.workflow.storage_settings.shared_fs_usage = SharedFSUsage.all()
        interrupts.keep_while_printing()
        try:
            self._session = start.start(self.workflow, self.logger)
        except BaseException as error:
            self._end_status_thread()
            if isinstance(error, (GitbatchError, OSError)):
                raise self._error(str(error)) from error
            raise
        local_rules.take_over(self.workflow)

    def _finish_left_over(self) -> None:
        """End a killed run that has done it all, if there is one."""
        with suppressed(GitbatchError):
            if lease.has_dead(Repository.find(Path.cwd())):
                from snakemake_executor_plugin_gitbatch.run import start

                start.finish_left_over(self.workflow, self.logger)

    def _end_status_thread(self) -> None:
        """So that it does not outlive the interpreter's thread pools, which it complains about."""
        with self.lock:
            self.wait = False
        self.wait_thread.join()

    def run_job(self, job: Any) -> None:
        self.run_jobs([job])

    def run_jobs(self, jobs: list[Any]) -> None:
        """Hand over all jobs together; one that cannot be handed over does not stop the others."""
        assert self._session is not None
        for job in jobs:
            self.run_job_pre(job)
        for state in self._session.hand_over(jobs):
            if state.failure is not None:
                self.report_job_error(SubmittedJobInfo(job=state.job), msg=state.failure)
            else:
                self.report_job_submission(
                    SubmittedJobInfo(
                        job=state.job, external_jobid=state.shown_id, aux={"state": state}
                    )
                )

    async def sleep(self) -> None:
        # Before there is a session there is nothing to ask; with one, waiting is its pool's.
        await asyncio.sleep(0.05 if self._session is None else 0)

    async def check_active_jobs(
        self, active_jobs: list[SubmittedJobInfo]
    ) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Report what ended; yield what has not. Only Snakemake's status thread calls this."""
        if (session := self._session) is None:
            for info in active_jobs:
                yield info
            return
        states = [info.aux["state"] for info in active_jobs if info.aux]
        try:
            ended = set(await asyncio.to_thread(session.wait, states, _LONGEST_WAIT_S))
        except Exception as error:
            self._give_up(text_of(error, self.logger))
            ended = set()
        concluded = []
        for info, state in zip(active_jobs, states, strict=True):
            if state in ended:
                concluded.append((info, session.conclude(state)))
            else:
                yield info
        # Together: the scheduler takes each turn as long for one job as for many.
        for info, failure in concluded:
            if failure is None:
                self.report_job_success(info)
            else:
                self.report_job_error(info, msg=failure)

    def _give_up(self, why: str) -> None:
        """Have the scheduler end the run: nobody can say any more what becomes of its jobs."""
        with self.lock:
            self.wait = False
        scheduler.give_up(self.workflow, self._error(why))

    def handle_job_error(self, job: Any) -> None:
        if job.restart_times > job.attempt - 1:
            running_jobs.forget_before_restart(self.dag, job)

    def print_job_error(
        self, job_info: SubmittedJobInfo, msg: str | None = None, **kwargs: Any
    ) -> None:
        # Not the parent's, which points to "the cluster/cloud log": the message has it all.
        if job_info.external_jobid is not None:
            kwargs["external_jobid"] = job_info.external_jobid
        job = job_info.job
        if msg is not None and job.is_group():  # which does not show it
            self._say(msg)
        elif msg is not None and self._is_quiet(Quietness.RULES):
            # With -q, nothing is shown of rules; of a job on this machine, its own words would be.
            self._say(f"Error in rule {job.rule.name}: {msg}")
        job.log_error(msg, **kwargs)

    def _is_quiet(self, of: Quietness) -> bool:
        return not {Quietness.ALL, of}.isdisjoint(self.workflow.output_settings.quiet or ())

    def _say(self, error: str) -> None:
        """With `-q all`, Snakemake's logger shows nothing; but errors are never quiet."""
        if self._is_quiet(Quietness.ALL):
            print(error, file=sys.stderr, flush=True)
        else:
            self.logger.error(error)

    def _error(self, text: str) -> WorkflowError:
        """For Snakemake, which shows it unless nothing is shown."""
        if self._is_quiet(Quietness.ALL):
            self._say(text)
        return WorkflowError(text)

    def cancel(self) -> None:
        self._hold_interrupts()
        if self._session is not None:
            # Snakemake cancels what goes on also where an error of its own ends the run.
            self._session.wished = not isinstance(sys.exception(), Exception)
        super().cancel()

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        if self._session is not None:
            self.logger.info("gitbatch: ending this run's jobs")
            self._session.cancel()

    def shutdown(self) -> None:
        """Ends the run, once; the worktree is gone afterwards."""
        self._hold_interrupts()
        try:
            self._shut_down()
        finally:
            if self._before is not None:
                signal.signal(signal.SIGINT, self._before)
                self._before = None

    def _hold_interrupts(self) -> None:
        """From now on until the run has ended Ctrl-C does not break in: what is ended has limits of
        its own. It says that somebody does not want to wait for these."""
        hurry = self._session.hurry if self._session else lambda: None
        with contextlib.suppress(ValueError):  # not in the main thread: interrupts do not arrive
            before = signal.signal(signal.SIGINT, lambda *_: hurry())
            if self._before is None:
                self._before = before

    def _shut_down(self) -> None:
        # First of all, as Snakemake has just made up its mind.
        outcome = "" if self._session is None else self._session.outcome()
        super().shutdown()
        session, self._session = self._session, None
        if session is not None:
            try:
                with session.report.sending(session.jobs):
                    session.finish(outcome)
            except (GitbatchError, OSError) as error:
                raise self._error(
                    f"The run could not be ended: {error}\n"
                    f"Run {session.run.id} has lost nothing: run the same command again to end it."
                ) from error
