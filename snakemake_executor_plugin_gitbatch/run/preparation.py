"""Prepares jobs that Snakemake hands over: a job is reused, adopted from an earlier process of the
run, or ordered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.run.mirror.paths import Mirror
from snakemake_executor_plugin_gitbatch.job import job_description, workflow_view
from snakemake_executor_plugin_gitbatch.job.job_table import JobState, JobTable
from snakemake_executor_plugin_gitbatch.job.key import Keys
from snakemake_executor_plugin_gitbatch.job.order import Draft, Ordering
from snakemake_executor_plugin_gitbatch.reuse.missed_reuse import Missed
from snakemake_executor_plugin_gitbatch.reuse.planner import Plan
from snakemake_executor_plugin_gitbatch.reuse.resumed_jobs import ResumedJobs
from snakemake_executor_plugin_gitbatch.reuse.reusing import Reusing
from snakemake_executor_plugin_gitbatch.run import mirroring
from snakemake_executor_plugin_gitbatch.run.new_jobs import NewJobs
from snakemake_executor_plugin_gitbatch.run.old_outputs import Room
from snakemake_executor_plugin_gitbatch.run.parse_time import ParseTime
from snakemake_executor_plugin_gitbatch.run.pools import Pools
from snakemake_executor_plugin_gitbatch.run.report import Report
from snakemake_executor_plugin_gitbatch.run.temporary_outputs import TemporaryOutputs
from snakemake_executor_plugin_gitbatch.snakemake_internals import patches


@dataclass(kw_only=True)
class Preparation:
    """Prepares the jobs of one run. Not thread-safe: the run's lock is held.

    The user's folder stays as it is. All methods raise GitbatchError, WorkflowError, OSError.
    """

    mirror: Mirror
    jobs: JobTable
    is_resumed: bool
    """Whether an earlier process of the run has begun jobs."""
    pools: Pools
    plan: Plan
    new_jobs: NewJobs
    keys: Keys
    resumed: ResumedJobs
    reusing: Reusing
    missed: Missed
    reading: ParseTime
    temporary: TemporaryOutputs
    room: Room
    ordering: Ordering
    report: Report
    is_local: Callable[[Any], bool]
    """Whether a rule's jobs run on this machine."""

    def settle(self, jobs: list[Any]) -> None:
        """Before `jobs` are prepared: what Snakemake has deleted is gone for them, too, and what a
        checkpoint has brought is taken over."""
        self.temporary.sweep()
        if self.reading.bring_late():
            self.keys.code.forget()
            self.plan.forget()
        if self.new_jobs.take_over() and not self.is_resumed:
            self.plan.make_again(jobs)

    def prepare(self, job: Any) -> JobState | Draft:
        """Bring the job's inputs into the worktree, and decide what becomes of the job. The draft,
        if its rivals are to be ended before that."""
        members = job_description.members(job)
        mirroring.make_folders(self.mirror, members)
        self.new_jobs.check(members)
        if (record := self.plan.take(job)) is not None:
            title, in_place = job_description.title(job), self.plan.is_in_place(job)
            return self._reuse(job, title, record, in_place=in_place)
        mirroring.bring_all(self.mirror, members)
        updated = self.room.updated(members)
        description = job_description.describe(job, self.mirror.address_of, top=self.mirror.top)
        draft = Draft(
            job=job,
            members=members,
            title=job_description.title(job),
            description=description,
            key=self.keys.job_key(job, description, updated),
            updated=updated,
        )
        if self.is_resumed:
            if (state := self._adopt(draft)) is not None:
                return state
            if rivals := self._rivals(members):
                return replace(draft, rivals=rivals)
        return self.decide(draft)

    def decide(self, draft: Draft) -> JobState:
        """Reuse what an earlier run has made, or make room for the job and write its order. Its
        rivals have been ended."""
        self.jobs.drop(draft.rivals)
        outputs = tuple(self.ordering.outputs(draft.members))
        inner = map(self.mirror.relative, map(str, workflow_view.inner_temporaries(draft.job)))
        expected = self.reusing.expected(draft.job, draft.key.key)
        if draft.description.exact and self.reusing.is_open_to(draft.job):
            record = self.reusing.find(draft.key.key, outputs, absent={*filter(None, inner)})
            if record is not None:
                return self._reuse(draft.job, draft.title, record)
            self.missed.note(draft.job, draft.key)
        unchanged = self.room.make(draft.job, None)
        state = self.jobs.add(draft.job, draft.title)
        state.key, state.expected, state.unchanged = draft.key.key, expected, unchanged
        state.pool, cores = self.pools.choose(
            is_local=any(self.is_local(member.rule) for member in draft.members)
        )
        state.order, state.spec = self.ordering.write(
            draft, state.number, outputs, state.pool, cores
        )
        self.report.costs.order(state.spec, draft.job.attempt, group=draft.job.is_group())
        return state

    def _rivals(self, members: list[Any]) -> tuple[int, ...]:
        paths = {self.mirror.relative(str(path)) for m in members for path in m.output}
        return tuple(self.resumed.writers(paths))

    def _reuse(
        self, job: Any, title: str, record: JobRecord, *, in_place: bool = False
    ) -> JobState:
        """The job is done already, as the record of an earlier one says."""
        unchanged = frozenset[str]() if in_place else self.room.make(job, record)
        state = self.jobs.add(job, title)
        state.reused, state.in_place, state.unchanged = True, in_place, unchanged
        state.key, state.record = record.key, record
        self.report.costs.reuse(record)
        lasting = {output.path for output in record.kept_outputs()}
        if gone := [p for p in job.output if self.mirror.relative(str(p)) not in lasting]:
            patches.may_lack(job, gone)
        return state

    def _adopt(self, draft: Draft) -> JobState | None:
        """The job of an earlier process that is this one, if there is one."""
        state = self.resumed.find(draft.key.key)
        if state is None and draft.updated:
            # It may have been put in place already: what it found there was older.
            before = self.resumed.before_update(draft.updated)
            state = self.resumed.find(self.keys.job_key(draft.job, draft.description, before).key)
        if state is not None:
            self.jobs.claim(state, draft.job)
            self.temporary.forget(draft.members)
            self.report.recall(state)
        return state
