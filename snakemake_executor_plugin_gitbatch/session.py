"""One run of one workflow: from the clean tree it starts from to the run commit it ends with."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from gitbatch_core.jsonio import Document
from gitbatch_core.pools.base import JobSpec, JobStatus, Pool, State
from gitbatch_core.pools.local import LocalPool
from gitbatch_core.records import LOG_NAME, Answer, Order, redact
from gitbatch_core.runner.process import Mask
from gitbatch_core.runs import printed, results, reuse
from gitbatch_core.runs.run import Run
from gitbatch_core.runs.twin import Twin
from snakemake_executor_plugin_gitbatch import (
    jobspec,
    opening,
    workflowview,
)
from snakemake_executor_plugin_gitbatch.comparison import Comparison, renamed
from snakemake_executor_plugin_gitbatch.earlier import Claimed, Earlier
from snakemake_executor_plugin_gitbatch.ending import Ending
from snakemake_executor_plugin_gitbatch.failure import explain, keep_log
from snakemake_executor_plugin_gitbatch.keys import Keys
from snakemake_executor_plugin_gitbatch.missed import Missed
from snakemake_executor_plugin_gitbatch.ordering import Job, Ordering
from snakemake_executor_plugin_gitbatch.plan import Plan
from snakemake_executor_plugin_gitbatch.report import Report
from snakemake_executor_plugin_gitbatch.reusing import Reusing
from snakemake_executor_plugin_gitbatch.temporary import TemporaryOutputs

_MOST_NAMED = 5
_LATE_S = 10.0
"""Until a shared file system shows what a job has written before it ended."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A job that is ready for its pool, or that a pool has already."""

    number: int
    spec: JobSpec | None = None
    """What is to be submitted."""
    id: str = ""
    """The pool's own, where it has the job."""


class Session:
    """What the executor holds while a run lasts. `starting` makes it."""

    def __init__(
        self,
        *,
        workflow: Any,
        logger: Any,
        run: Run,
        twin: Twin,
        pool: Pool,
        facts: Document,
        secrets: dict[str, str],
        earlier: Earlier,
        report: Report,
    ) -> None:
        self.workflow = workflow
        self.logger = logger
        self.run = run
        self.twin = twin
        self.is_local: Callable[[Any], bool] = lambda rule: False
        self._pool = pool
        self._light_pool = pool
        self._facts = facts
        self._secrets = secrets
        self._earlier = earlier
        self.report = report
        self._number = earlier.last_number
        self._orders: dict[int, Order] = {}
        self._light: set[int] = set()
        self._news: deque[JobStatus] = deque()
        """Of jobs that had ended before they were asked for."""
        self._temporary = TemporaryOutputs(twin, logger.warning)
        self._mask = Mask(secrets.values()).all
        self._ordering = Ordering(
            workflow=workflow,
            logger=logger,
            run=run,
            twin=twin,
            folder=facts["folder"],
            secrets=secrets,
        )
        Comparison(
            top=twin.top,
            worktree=twin.worktree,
            secrets=tuple(secrets),
            configuration=facts["config"],
            renamed=renamed(workflow, twin),
        ).write(run.staging)
        self._keys = Keys.of(workflow, twin, facts["folder"])
        self._reusing = Reusing(mode=workflow.executor_settings.reuse, twin=twin)
        self._plan = Plan(
            workflow=workflow,
            twin=twin,
            keys=self._keys,
            reusing=self._reusing,
            outputs=self._ordering.outputs,
        )
        if not run.resumed:  # what is queued or running goes before
            self._plan.make()
            self._reusing.add(self._plan.unasked())
        self._in_place: set[Any] = set()
        """Jobs whose outputs are where they belong already."""
        self._missed = Missed.of(run, self._keys)
        self._ending = Ending(
            run=run,
            twin=twin,
            tag=facts["tag"],
            reusing=self._reusing,
            keys=self._keys,
            missed=self._missed,
        )
        self._ending.failed_before = earlier.failed
        self._cancelled = False
        self._gone = True
        """Whether all cancelled jobs have gone."""

    def recall(self, temporary: Iterable[str]) -> None:
        """Take note of the temporary outputs that an earlier process of the run has left."""
        makers = {o["path"]: r for r in self._earlier.records.values() for o in r["outputs"]}
        for path in temporary:
            rules = {member["rule"] for member in makers[path]["members"]}
            of_checkpoint = any(r.name in rules and r.is_checkpoint for r in self.workflow.rules)
            self._temporary.add(path, of_checkpoint=of_checkpoint)

    def settle(self) -> None:
        """Before jobs are prepared: what Snakemake has deleted is gone for them too."""
        self._temporary.sweep()

    def say_missed(self) -> None:
        """Once, where jobs run that would not but for their code."""
        if self._missed.is_news():
            self._plan.look_ahead(ahead := self._missed.again())
            self.logger.warning(ahead.text())

    def pools(self) -> list[Pool]:
        """The pools that have jobs: the run's, and this machine for local rules."""
        return list({id(pool): pool for pool in (self._pool, self._light_pool)}.values())

    def pool_of(self, spec: JobSpec) -> Pool:
        return self._light_pool if spec.number in self._light else self._pool

    def wait(self, timeout: float) -> list[JobStatus]:
        """The jobs that ended, as soon as one did, or none after `timeout` seconds."""
        self._temporary.sweep_sometimes()
        found = [self._news.popleft() for _ in range(len(self._news))]
        if self._light_pool is not self._pool:
            found += self._light_pool.wait(0)
        found += self._pool.wait(0 if found else timeout)
        for status in found:
            if not status.state.final and status.reason and status.number in self._orders:
                rule = self._orders[status.number].record["rule"]
                self.logger.info(f"Job {status.number}, rule {rule}: {status.reason}")
        return [status for status in found if status.state.final]

    def prepare(self, job: Any) -> Prepared:
        """Bring the job's inputs into the worktree, make room there for its outputs, and write its
        order; or find it among the earlier ones of the run. The user's folder stays as it is: see
        `submitted`.

        Raises GitbatchError, WorkflowError, OSError.
        """
        members = jobspec.members(job)
        if (known := self._plan.take(job)) is not None:
            if self._plan.is_in_place(job):
                self._in_place.add(job)
                workflowview.keep_times(job)
            else:
                self._make_room(members, known)
            return self._reused(job, known)
        made = {str(path) for member in members for path in member.output}
        for member in members:
            for path in member.input:
                if str(path) not in made:
                    opening.bring(self.twin, path, member.rule.name)
        updated = self._updated(members)
        description = jobspec.describe(job, self.twin.address_of)
        key = self._keys.job_key(job, description, updated)
        if claimed := self._claim(job, description, key.key, updated):
            self._orders[claimed.number] = claimed.order
            self.report.costs.recall(claimed.order.record, claimed.id, claimed.handed_over)
            if claimed.ended:
                self._news.append(claimed.ended)
            return Prepared(number=claimed.number, id=claimed.id)
        self._end_rivals(members)
        outputs = tuple(self._ordering.outputs(members))
        if description.exact and self._reusing.is_open_to(job):
            inner = {self.twin.relative(str(p)) for p in workflowview.inner_temporaries(job)}
            if (known := self._reusing.find(key.key, outputs, absent=inner)) is None:
                self._missed.note(job, key)
        self._make_room(members, known)
        if known is not None:
            return self._reused(job, known)
        self._number += 1
        self._reusing.expect(job, self._number, key.key)
        pool = self._pool_for(members)
        order, spec = self._ordering.write(
            Job(
                job=job,
                number=self._number,
                key=key,
                description=description,
                outputs=outputs,
                updated=updated,
                pool=pool.kind,
                cores=None if self._number in self._light else pool.cores,
            )
        )
        self._orders[self._number] = order
        self.report.costs.order(spec, job.attempt)
        return Prepared(number=self._number, spec=spec)

    def _reused(self, job: Any, known: Document) -> Prepared:
        """The job is done already, as the record of an earlier one says."""
        self._number += 1
        self._reusing.taken[self._number] = known
        kept = {o["path"] for o in known["outputs"] if not o.get("temporary")}
        if gone := [path for path in job.output if self.twin.relative(str(path)) not in kept]:
            workflowview.may_lack(job, gone)
        self._news.append(JobStatus(number=self._number, state=State.ENDED, exit_code=0))
        return Prepared(number=self._number, id=f"as in run {known['run']}")

    def _pool_for(self, members: list[Any]) -> Pool:
        """Where the job of the present number goes: local rules stay on this machine."""
        if self._pool.kind == "local" or not any(self.is_local(m.rule) for m in members):
            return self._pool
        self._light.add(self._number)
        if self._light_pool is self._pool:
            self._light_pool = LocalPool(cores=self.workflow.resource_settings.local_cores)
        return self._light_pool

    def _claim(
        self, job: Any, description: jobspec.Description, key: str, updated: dict[str, str]
    ) -> Claimed | None:
        claimed = self._earlier.claim(key, self.twin)
        if claimed is None and updated:
            # It may have been put in place already: what it found there was older.
            before = self._earlier.before_update(updated, self.twin)
            claimed = self._earlier.claim(self._keys.key(job, description, before), self.twin)
        return claimed

    def conclude(self, job: Any, status: JobStatus) -> str | None:
        """Take over what the ended job made; None, or why it failed, for people.

        Raises GitbatchError, OSError where the results cannot be taken over.
        """
        others = {self.twin.relative(str(path)) for path in workflowview.in_other_storages(job)}
        if (record := self._reusing.taken.get(status.number)) is not None:
            if job not in self._in_place:
                self._place(record, others)
            return None
        order = self._orders.pop(status.number)
        folder = self.run.job_folder(status.number)
        answer = Answer.of_job(folder, within_s=_LATE_S if status.exit_code == 0 else 0)
        self.report.measure(status, answer)
        results.restore_logs(self.twin, order.logs, self._mask)
        if answer is None or not answer.succeeded or status.exit_code != 0:
            log = keep_log(folder / LOG_NAME, self.run.id, status.number, jobspec.rule_name(job))
            rule_logs = [self.twin.here(path) for path in jobspec.log_paths(job)]
            return explain(
                status,
                answer,
                log=log,
                rule_logs=rule_logs,
                folder=folder,
                twin=self.twin,
                outputs=[output.path for output in order.outputs],
            )
        for member in jobspec.members(job):
            for path in member.input:
                self.twin.check_outside(str(path))
        for output in answer.record["outputs"]:
            results.place(self.twin, output, copied=output["path"] in others)
            if output.get("temporary"):
                of_checkpoint = any(member.is_checkpoint for member in jobspec.members(job))
                self._temporary.add(output["path"], of_checkpoint=of_checkpoint)
        costs = self.report.costs.of_job(status.number, status.usage)
        self._ending.records.append(answer.record | costs)
        self._reusing.compare(status.number, answer.record)
        return None

    def _place(self, record: Document, copied: Iterable[str | None]) -> None:
        try:
            reuse.place(self.twin, record, copied=copied)
        except BaseException:
            self._plan.forget()  # what follows may read something else now
            raise

    def not_submitted(self, spec: JobSpec) -> None:
        """No pool has taken the job: there is nothing of it to wait for, or to end."""
        del self._orders[spec.number]

    def failed(self, job: Any) -> None:
        """A job failed, maybe before any pool had it."""
        self._ending.failed.append(redact(jobspec.title(job), self._secrets.values()))

    def cancel(self) -> None:
        """End all of the run's jobs and nothing else."""
        self._cancelled = True
        self._gone = False
        gone = [pool.cancel() for pool in self.pools()]
        self._gone = all(gone)

    def hurry(self) -> None:
        """Somebody asks again to end. Called from a signal handler."""
        for pool in (self._pool, self._light_pool):
            pool.hurry()

    def finish(self) -> None:
        """End the run: run commit, tag, and nothing of it left but results and records.

        Raises GitbatchError; worktree and staging are taken away all the same, but for a worktree
        that holds what could not be kept.
        """
        succeeded = not self._cancelled and not any(
            jobspec.has_outputs(job) for job in self.workflow.dag.needrun_jobs()
        )
        # Without a failed job it was somebody's wish: Ctrl-C, or SIGTERM.
        wished = self._cancelled or not self._ending.failed
        outcome = "succeeded" if succeeded else "interrupted" if wished else "failed"
        complete = True
        try:
            if self._orders:  # Snakemake gave up while jobs were running
                self.cancel()
            if (why := self._why_open()) is not None:
                complete = False
                self.report.outcome = "interrupted"
                self.logger.warning(why)
                return
            for record, handed_over in self._earlier.concluded():
                self.report.recall(record, handed_over)
            self.report.show(outcome, lambda n: Answer.of_job(self.run.job_folder(n)))
            complete = self._temporary.end()
            outputs = workflowview.kept_outputs(self.workflow)
            declared = list(workflowview.declared(self.workflow))
            inputs = workflowview.inputs(self.workflow)
            facts = self._facts | {"costs": self.report.costs.document()}
            facts |= printed.keep(
                self.run.archive, self.workflow.logger_manager.get_logfile(), self._mask
            )
            self._ending.add_earlier(self._earlier.records.values())
            self._ending.write(facts, outputs, inputs, declared, outcome, self.logger)
        finally:
            for pool in self.pools():
                pool.close()
            if complete:
                self.run.close()

    def _why_open(self) -> str | None:
        """Why the run cannot end yet, for people; None: it can."""
        if not self._gone:
            return (
                f"The jobs of run {self.run.id} are on their way out; its worktree stays until "
                "they are gone. A later start goes on with it, or clears it away."
            )
        if not self._cancelled and (names := self._earlier.not_asked_for(self.twin)):
            shown = ", ".join(names[:_MOST_NAMED]) + ", …" * (len(names) > _MOST_NAMED)
            return (
                f"Run {self.run.id} is not ended: nothing has asked for these jobs of it, which go "
                f"on, or have finished: {shown}\n"
                "A start that asks for what they make takes it over. To let go of it: "
                f"gitbatch runs cancel {self.run.id}"
            )
        return None

    def _updated(self, members: list[Any]) -> dict[str, str]:
        """The addresses of those outputs that are updated in place, and are there."""
        paths = [p for m in members for p in m.output if workflowview.is_update(p)]
        return {
            str(path): self.twin.address_of(str(path))
            for path in paths
            if self.twin.here(str(path)).exists()
        }

    def _end_rivals(self, members: list[Any]) -> None:
        """End earlier jobs that would write what these are about to write."""
        paths = {self.twin.relative(str(path)) for m in members for path in m.output}
        if rivals := self._earlier.writers(paths):
            self._pool.cancel(rivals)
            self._earlier.forget(rivals)

    def _make_room(self, members: list[Any], known: Document | None) -> None:
        """Clear the jobs' outputs in the worktree; those that are updated in place stay, writable.
        Raises ProtectedOutputException, but for what stays as it is where the jobs are `known`."""
        same = set() if known is None else results.unchanged(self.twin, known)
        for member in members:
            same_here = [path for path in member.output if self.twin.relative(str(path)) in same]
            self.workflow.async_run(workflowview.check_protected(member, same_here))
        for member in members:
            for path in member.output:
                self._temporary.forget(str(path))
                if not workflowview.is_update(path):
                    self.twin.clear(str(path))
                else:
                    self.twin.lend(str(path))

    def submitted(self, job: Any) -> None:
        """Remove the job's old outputs for the user, as Snakemake does when a job starts."""
        for member in jobspec.members(job):
            if not member.is_norun and job not in self._in_place:
                self.workflow.async_run(member.remove_existing_output())
