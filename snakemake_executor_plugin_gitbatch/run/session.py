"""One run of one workflow: from the clean tree it starts from to the run commit it ends with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitbatch_core.errors import GitbatchError, RunError
from gitbatch_core.history import logs
from gitbatch_core.model.documents import Document
from gitbatch_core.model.job_documents import Answer, Order, redact
from gitbatch_core.pools.base import JobSpec, JobStatus, Pool, State
from gitbatch_core.run.mirror import output_links, parse_time
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.run.mirror.undeclared import UndeclaredFiles
from gitbatch_core.run.run import Run
from gitbatch_core.runner.command import Mask
from snakemake_executor_plugin_gitbatch.errors import text_of
from snakemake_executor_plugin_gitbatch.in_job.consistency import Comparison, renamed
from snakemake_executor_plugin_gitbatch.job import job_description, workflow_view
from snakemake_executor_plugin_gitbatch.job.key import Keys
from snakemake_executor_plugin_gitbatch.job.order import DecidedJob, Ordering
from snakemake_executor_plugin_gitbatch.reuse import present_outputs
from snakemake_executor_plugin_gitbatch.reuse.missed_reuse import Missed
from snakemake_executor_plugin_gitbatch.reuse.planner import Plan
from snakemake_executor_plugin_gitbatch.reuse.resumed_jobs import Claimed, ResumedJobs
from snakemake_executor_plugin_gitbatch.reuse.reusing import Reusing
from snakemake_executor_plugin_gitbatch.run import mirroring, parse_writes, run_outcome
from snakemake_executor_plugin_gitbatch.run.conclusion import Conclusion
from snakemake_executor_plugin_gitbatch.run.finish import Ending
from snakemake_executor_plugin_gitbatch.run.new_jobs import NewJobs
from snakemake_executor_plugin_gitbatch.run.old_outputs import Room
from snakemake_executor_plugin_gitbatch.run.parse_time import ParseTime, passing
from snakemake_executor_plugin_gitbatch.run.pools import Pools
from snakemake_executor_plugin_gitbatch.run.report import Report
from snakemake_executor_plugin_gitbatch.run.temporary_outputs import TemporaryOutputs
from snakemake_executor_plugin_gitbatch.run.undeclared import Leaving
from snakemake_executor_plugin_gitbatch.snakemake_internals import patches

_MOST_NAMED = 5
_LATE_S = 10.0
"""Until a shared file system shows what a job has written before it ended."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A job that is ready for its pool, or that a pool has already."""

    number: int
    spec: JobSpec | None = None
    """What is to be submitted."""
    pool: Pool | None = None
    """To which pool."""
    id: str = ""
    """The pool's own, where it has the job."""


class Session:
    """What the executor holds while a run lasts. `start` makes it.

    Two threads of Snakemake call: the scheduler's, which is the main one, hands over jobs and ends
    the run; the status thread waits for jobs and concludes them. One lock guards all that they
    share, and no part of it is safe without. Whoever holds it does not wait, neither for news nor
    for a pool, and tells Snakemake nothing. `hurry`, for signal handlers, and `cancel`, after
    Ctrl-C, do without. See docs/adr/0010.
    """

    def __init__(
        self,
        *,
        workflow: Any,
        logger: Any,
        run: Run,
        mirror: Mirror,
        pool: Pool,
        facts: Document,
        secrets: dict[str, str],
        earlier: ResumedJobs,
        report: Report,
        reading: ParseTime,
        undeclared: UndeclaredFiles,
    ) -> None:
        self._lock = threading.RLock()
        self.workflow = workflow
        self.logger = logger
        self.run = run
        self.mirror = mirror
        self.is_local: Callable[[Any], bool] = lambda rule: False
        self.pools = Pools(main=pool, local_cores=workflow.resource_settings.local_cores)
        self._facts = facts
        self._secrets = secrets
        self._earlier = earlier
        self.report = report
        self._reading = reading
        self._number = earlier.last_number
        self._orders: dict[int, Order] = {}
        self._news: list[JobStatus] = []
        """Of jobs that had ended before they were asked for."""
        self._old_news: list[JobStatus] = []
        """The same, not told yet: two threads that work at once on many jobs take longer than one
        after the other."""
        self._handed_over = threading.Event()
        self._temporary = TemporaryOutputs(mirror, logger.warning)
        self._room = Room(
            workflow=workflow, mirror=mirror, temporary=self._temporary, undeclared=undeclared
        )
        self._mask = Mask(secrets.values()).all
        self._ordering = Ordering(
            workflow=workflow,
            logger=logger,
            run=run,
            mirror=mirror,
            folder=facts["folder"],
            secrets=secrets,
        )
        passes = passing(mirror.top)
        Comparison(
            top=mirror.top,
            worktree=mirror.worktree,
            secrets=tuple(secrets),
            configuration=facts["config"],
            written=tuple(sorted(mirror.outside.addresses.keys() & set(parse_writes.paths()))),
            passing=tuple(str(mirror.worktree / path) for path in passes),
            renamed=renamed(workflow, mirror),
        ).write(run.staging)
        converted = run.worktree.converted(run.archive.algorithm)
        is_left = present_outputs.undeclared_paths(run.repository, facts["head"])
        self._keys = Keys.of(workflow, mirror, facts["folder"], converted, is_left)
        settings = workflow.executor_settings
        keeps = settings.undeclared == "keep"
        self._reusing = Reusing(
            mode=settings.reuse, mirror=mirror, undeclared=undeclared if keeps else None
        )
        self._plan = Plan(
            workflow=workflow,
            mirror=mirror,
            keys=self._keys,
            reusing=self._reusing,
            outputs=self._ordering.outputs,
        )
        self._new_jobs = NewJobs(
            workflow=workflow, run=run, mirror=mirror, keys=self._keys, warn=logger.warning
        )
        self._done: list[Any] = []
        """Single jobs that have succeeded."""
        if not run.resumed:  # what is queued or running goes before
            self._plan.make()
            self._reusing.add(self._plan.unasked())
            self._new_jobs.take_over(self._done)
        self._in_place: set[Any] = set()
        """Jobs whose outputs are where they belong already."""
        self._missed = Missed.of(run, self._keys)
        self._leaving = Leaving(
            run=run,
            files=undeclared,
            keeps=keeps,
            caches=tuple(settings.caches),
            passing=frozenset(passes),
        )
        self._ending = Ending(
            run=run,
            mirror=mirror,
            tag=facts["tag"],
            reusing=self._reusing,
            keys=self._keys,
            missed=self._missed,
            leaving=self._leaving,
        )
        self._ending.failed_before = earlier.failed
        self._conclusion = Conclusion(
            run=run,
            mirror=mirror,
            report=report,
            plan=self._plan,
            reusing=self._reusing,
            temporary=self._temporary,
            undeclared=undeclared,
            ending=self._ending,
            mask=self._mask,
        )
        self.wished: bool | None = None
        """Where the run is cancelled: whether somebody wanted that."""
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

    def settle(self, jobs: list[Any]) -> None:
        """Before `jobs` are prepared: what Snakemake has deleted is gone for them, too, and what a
        checkpoint has brought is taken over."""
        with self._lock:
            self._temporary.sweep()
            if self._reading.bring_late():
                self._keys.code.forget()
                self._plan.forget()
            if self._new_jobs.take_over(self._done) and not self.run.resumed:
                self._plan.make_again(jobs)

    def handed_over(self) -> None:
        """All jobs of a turn have been prepared and submitted: tell of those that had ended before,
        and once, where jobs run that would not but for their code."""
        with self._lock:
            self._news += self._old_news
            self._old_news = []
            self._handed_over.set()
            if self._missed.is_news():
                self._plan.look_ahead(ahead := self._missed.empty())
                self.logger.warning(ahead.text())

    def there(self, path: str) -> Path:
        """Where the bytes of `path` are, as the record of a job that reads it has them."""
        with self._lock:
            return parse_time.original(self.mirror, path)

    def note_time(self, path: str, mtime_ns: int) -> None:
        """An output has been given this time by the storage that it lies in."""
        with self._lock:
            if (relative := self.mirror.relative(path)) is not None:
                output_links.note_time(self.mirror, relative, mtime_ns)

    def date_again(self, outputs: Iterable[str], inputs: Iterable[str]) -> None:
        """Outputs must not look older than what they were made from, as is known by now."""
        with self._lock:
            date = output_links.date_of(self.mirror, inputs)
            for path in outputs:
                output_links.date_again(self.mirror, path, date)

    def wait(self, timeout: float) -> list[JobStatus]:
        """The jobs that ended, as soon as one did, or none after `timeout` seconds. Raises
        PoolError."""
        with self._lock:
            self._temporary.sweep_sometimes()
            found, self._news = self._news, []
            self._handed_over.clear()
            no_orders = not self._orders
        found += self.pools.wait(0 if found or no_orders else timeout)
        if no_orders and not found:
            self._handed_over.wait(timeout)
        with self._lock:
            for status in found:
                if not status.state.final and status.reason and status.number in self._orders:
                    rule = self._orders[status.number].record["rule"]
                    self.logger.info(f"Job {status.number}, rule {rule}: {status.reason}")
                    self._leaving.restarted.add(status.number)
        return [status for status in found if status.state.final]

    def prepare(self, job: Any) -> Prepared:
        """Bring the job's inputs into the worktree, make room there for its outputs, and write its
        order; or find it among the earlier ones of the run. The user's folder stays as it is: see
        `submitted`.

        Raises GitbatchError, WorkflowError, OSError.
        """
        members = job_description.members(job)
        with self._lock:
            mirroring.make_folders(self.mirror, members)
            for member in members:
                self._new_jobs.check(member)
            if (known := self._plan.take(job)) is not None:
                if self._plan.is_in_place(job):
                    self._in_place.add(job)
                else:
                    self._room.make(job, known)
                return self._reused(job, known)
            mirroring.bring_all(self.mirror, members)
            updated = self._room.updated(members)
            description = job_description.describe(job, self.mirror.address_of, top=self.mirror.top)
            key = self._keys.job_key(job, description, updated)
            if claimed := self._claim(job, description, key.key, updated):
                self._room.forget(members)
                self._orders[claimed.number] = claimed.order
                self.report.costs.recall(claimed.order.record, claimed.id, claimed.handed_over)
                if claimed.ended:
                    self._old_news.append(claimed.ended)
                return Prepared(number=claimed.number, id=claimed.id)
            rivals = self._rivals(members)
        if rivals:
            self.pools.main.cancel(rivals)
        with self._lock:
            self._earlier.forget(rivals)
            outputs = tuple(self._ordering.outputs(members))
            known = None
            if description.exact and self._reusing.is_open_to(job):
                inner = map(self.mirror.relative, map(str, workflow_view.inner_temporaries(job)))
                if (
                    known := self._reusing.find(key.key, outputs, absent={*filter(None, inner)})
                ) is None:
                    self._missed.note(job, key)
            self._room.make(job, known)
            if known is not None:
                return self._reused(job, known)
            self._number += 1
            self._reusing.expect(job, self._number, key.key)
            pool = self.pools.choose(is_local=any(self.is_local(m.rule) for m in members))
            order, spec = self._ordering.write(
                DecidedJob(
                    job=job,
                    number=self._number,
                    key=key,
                    description=description,
                    outputs=outputs,
                    updated=updated,
                    pool=pool.kind,
                    cores=pool.cores if pool is self.pools.main else None,
                )
            )
            self._orders[self._number] = order
            self.report.costs.order(spec, job.attempt, group=job.is_group())
            return Prepared(number=self._number, spec=spec, pool=pool)

    def _reused(self, job: Any, known: Document) -> Prepared:
        """The job is done already, as the record of an earlier one says."""
        self._number += 1
        self._reusing.taken[self._number] = known
        self.report.costs.reuse(known)
        kept = {o["path"] for o in known["outputs"] if not o.get("temporary")}
        if gone := [path for path in job.output if self.mirror.relative(str(path)) not in kept]:
            patches.may_lack(job, gone)
        self._old_news.append(JobStatus(number=self._number, state=State.ENDED, exit_code=0))
        return Prepared(number=self._number, id=f"as in run {known['run']}")

    def _claim(
        self, job: Any, description: job_description.Description, key: str, updated: dict[str, str]
    ) -> Claimed | None:
        claimed = self._earlier.claim(key, self.mirror)
        if claimed is None and updated:
            # It may have been put in place already: what it found there was older.
            before = self._earlier.before_update(updated, self.mirror)
            claimed = self._earlier.claim(self._keys.key(job, description, before), self.mirror)
        return claimed

    def conclude(self, job: Any, status: JobStatus) -> str | None:
        """Take over what the ended job made; None, or why it failed, for people. What goes wrong
        with that makes the one job fail, whatever it is."""
        try:
            failure = self._take_over(job, status)
        except Exception as error:
            why = text_of(error, self.logger)
            failure = f"The job's results could not be taken over: {why}"
        with self._lock:
            self.report.conclude(status.number, job, failure)
            if failure is None:
                self._done += job_description.members(job)
            else:
                self._failed(job)
        return failure

    def _take_over(self, job: Any, status: JobStatus) -> str | None:
        with self._lock:
            if (record := self._reusing.taken.get(status.number)) is not None:
                if job not in self._in_place:
                    self._conclusion.of_reused(job, record)
                return None
            order = self._orders.pop(status.number)
        folder = self.run.job_folder(status.number)
        answer = Answer.of_job(folder, within_s=_LATE_S if status.exit_code == 0 else 0)
        with self._lock:
            return self._conclusion.of_ended(job, status, order, answer)

    def refused(self, job: Any, why: str, spec: JobSpec | None = None) -> None:
        """No pool has the job: there is nothing of it to wait for, or to end."""
        with self._lock:
            if spec is not None:
                del self._orders[spec.number]
            self.report.refuse(job, why)
            self._failed(job)

    def _failed(self, job: Any) -> None:
        self._ending.failed.append(redact(job_description.title(job), self._secrets.values()))

    def cancel(self) -> None:
        """End all of the run's jobs and nothing else."""
        self._cancelled = True
        self._gone = False
        self._gone = self.pools.cancel()

    def hurry(self) -> None:
        """Somebody asks again to end. Called from a signal handler."""
        self.pools.hurry()

    def outcome(self) -> str:
        """How the run has ended, when Snakemake lets go of it."""
        return run_outcome.outcome(self.workflow, cancelled=self._cancelled, wished=self.wished)

    def finish(self, outcome: str) -> None:
        """End the run: run commit, tag, and nothing of it left but results and records. The status
        thread has ended.

        Raises GitbatchError, OSError: it has not ended then, and a later start goes on with it.
        """
        undone = filter(job_description.has_outputs, self.workflow.dag.needrun_jobs())
        self.report.costs.undone = frozenset(map(job_description.rule_name, undone))
        try:
            if self._orders:  # Snakemake gave up while jobs were running
                self.cancel()
            if (why := self._why_open()) is not None:
                self.report.outcome = "interrupted"
                self.logger.warning(why)
                return
            for record, handed_over in self._earlier.concluded():
                self.report.recall(record, handed_over)
            self.report.show(outcome, lambda n: Answer.of_job(self.run.job_folder(n)))
            if not self._temporary.end():
                raise RunError("Temporary outputs that are still needed could not be kept.")
            outputs = workflow_view.kept_outputs(self.workflow, self._done)
            declared = list(workflow_view.declared(self.workflow))
            inputs = workflow_view.inputs(self.workflow)
            facts = self._facts | {"costs": self.report.costs.document()}
            facts |= logs.keep(
                self.run.archive, self.workflow.logger_manager.get_logfile(), self._mask
            )
            self._ending.add_earlier(self._earlier.records.values())
            ended = self._ending.write(facts, outputs, inputs, declared, outcome, self.logger)
            self.report.tag, self.report.tainted = ended.tag, ended.tainted
        finally:
            self.pools.close()
        try:
            self.run.close(known=ended.complete)
        except (GitbatchError, OSError) as error:
            self.logger.warning(
                f"Run {self.run.id} has ended, but not all that it needed could be removed: "
                f"{error}\nThe next start here does that."
            )

    def _why_open(self) -> str | None:
        """Why the run cannot end yet, for people; None: it can."""
        if not self._gone:
            return (
                f"The jobs of run {self.run.id} are on their way out; its worktree stays until "
                "they are gone. A later start goes on with it, or clears it away."
            )
        if not self._cancelled and (names := self._earlier.not_asked_for(self.mirror)):
            shown = ", ".join(names[:_MOST_NAMED]) + ", …" * (len(names) > _MOST_NAMED)
            return (
                f"Run {self.run.id} is not ended: nothing has asked for these jobs of it, which go "
                f"on, or have finished: {shown}\n"
                "A start that asks for what they make takes it over. To let go of it: "
                f"gitbatch runs cancel {self.run.id}"
            )
        return None

    def _rivals(self, members: list[Any]) -> list[int]:
        """Earlier jobs that would write what these are about to write: to be ended."""
        paths = {self.mirror.relative(str(path)) for m in members for path in m.output}
        return self._earlier.writers(paths)

    def submitted(self, job: Any, id: str, spec: JobSpec | None = None) -> None:
        """A pool has the job, by its own `id`; `spec`: since now. Remove the job's old outputs for
        the user, as Snakemake does when a job starts."""
        with self._lock:
            if spec is not None:
                self.report.costs.submit(spec.number, id)
            if job not in self._in_place:
                self._room.clear_folder(job)
