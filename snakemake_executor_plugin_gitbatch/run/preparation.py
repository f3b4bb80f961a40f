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
from snakemake_executor_plugin_gitbatch.run.pools import Pools
from snakemake_executor_plugin_gitbatch.run.report import Report
from snakemake_executor_plugin_gitbatch.snakemake_internals import patches


@dataclass(kw_only=True)
class Preparation:
    """Prepares the jobs of one run. Not thread-safe: the run's lock is held.

    The user's folder stays as it is. All methods raise GitbatchError, WorkflowError, OSError.
    """

    mirror: Mirror
    jobs: JobTable
    pools: Pools
    plan: Plan
    new_jobs: NewJobs
    keys: Keys
    resumed: ResumedJobs
    reusing: Reusing
    missed: Missed
    room: Room
    ordering: Ordering
    report: Report
    is_local: Callable[[Any], bool]
    """Whether a rule's jobs run on this machine."""

    def begin(self, job: Any) -> JobState | Draft:
        """Bring the job's inputs into the worktree. If the job is planned to be reused, or an
        earlier process has handed it over, it is decided then."""
        members = job_description.members(job)
        mirroring.make_folders(self.mirror, members)
        self.new_jobs.check(members)
        if (record := self.plan.take(job)) is not None:
            return self._reuse(job, record, in_place=self.plan.is_in_place(job))
        mirroring.bring_all(self.mirror, members)
        updated = self.room.updated(members)
        description = job_description.describe(job, self.mirror.address_of, top=self.mirror.top)
        draft = Draft(
            job=job,
            members=members,
            description=description,
            key=self.keys.job_key(job, description, updated),
            updated=updated,
        )
        return self._adopt(draft) or replace(draft, rivals=self._rivals(members))

    def decide(self, draft: Draft) -> JobState:
        """Reuse what an earlier run has made, or make room for the job and write its order. Its
        rivals have been ended."""
        self.jobs.drop(draft.rivals)
        outputs = tuple(self.ordering.outputs(draft.members))
        if draft.description.exact and self.reusing.is_open_to(draft.job):
            inner = map(self.mirror.relative, map(str, workflow_view.inner_temporaries(draft.job)))
            record = self.reusing.find(draft.key.key, outputs, absent={*filter(None, inner)})
            if record is not None:
                return self._reuse(draft.job, record)
            self.missed.note(draft.job, draft.key)
        unchanged = self.room.make(draft.job, None)
        state = self.jobs.add(draft.job)
        state.key, state.unchanged = draft.key.key, unchanged
        state.expected = self.reusing.expected(draft.job, state.key)
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

    def _reuse(self, job: Any, record: JobRecord, *, in_place: bool = False) -> JobState:
        """The job is done already, as the record of an earlier one says."""
        unchanged = frozenset[str]() if in_place else self.room.make(job, record)
        state = self.jobs.add(job)
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
            self.room.forget(draft.members)
            self.report.recall(state)
        return state
