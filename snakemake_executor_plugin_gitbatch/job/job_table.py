"""The jobs of one run: everything that is known of each while the run lasts, in one table.

Snakemake's scheduler and its status thread share it. Whoever uses it, or a state in it, holds its
lock, which is the one lock of the run: see docs/adr/0010.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gitbatch_core.model.job_order import JobOrder
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.pools.base import JobSpec, JobStatus, Pool, State
from snakemake_executor_plugin_gitbatch.job import job_description


@dataclass(kw_only=True, eq=False)
class JobState:
    """One execution of one job."""

    number: int
    """Counts the executions of the run from 1; a retry has a new number."""
    title: str
    """For people; may hold values of secrets."""
    job: Any = None
    """Snakemake's job or group; None: adopted, and nothing has asked for it."""
    key: str = ""
    order: JobOrder | None = None
    """What the runner is told, until the job is concluded; None: nothing is to run."""
    spec: JobSpec | None = None
    """What is to be submitted, until a pool has it."""
    pool: Pool | None = None
    """Where it runs, or is to run."""
    id: str = ""
    """The pool's own; empty where no pool has it."""
    handed_over: float | None = None
    """To the pool, of an adopted job; in seconds since 1970."""
    status: JobStatus | None = None
    """How it has ended."""
    record: JobRecord | None = None
    """Of one that has succeeded; of a reused one that of the earlier job."""
    failure: str | None = None
    """Why it failed, for people."""
    reused: bool = False
    """Whether an earlier run has done it."""
    in_place: bool = False
    """Whether the outputs of a reused job are where they belong already."""
    restarted: bool = False
    """Whether the pool may have started it more than once."""
    expected: JobRecord | None = None
    """The record that its own is to be compared with."""
    unchanged: frozenset[str] = frozenset()
    """Outputs, relative to the top, that lie in the user's folder as they will be put there."""

    @property
    def shown_id(self) -> str:
        """What Snakemake shows as a job's id elsewhere."""
        if self.reused and self.record is not None:
            return f"as in run {self.record.run}"
        return self.id or f"earlier.{self.number}"

    @property
    def is_handed_over(self) -> bool:
        """Whether a pool has it, or is about to."""
        return self.job is not None and self.order is not None


class JobTable:
    """The jobs of one run."""

    def __init__(self, *, last_number: int = 0) -> None:
        self.lock = threading.RLock()
        self._last_number = last_number
        self._unasked: list[JobRecord] = []
        """Records of jobs that nothing asks for, as what they made was put in place before."""
        self._states: dict[int, JobState] = {}
        self._concluded: list[JobState] = []
        """In their order; first, what failed in an earlier process."""
        self._adopted: list[JobState] = []
        """Few or none: unlike all states, looked through for each job that is handed over."""
        self._claimable: dict[str, list[JobState]] = {}
        """Of these, by key: those that nothing has asked for."""

    def add(self, job: Any, title: str) -> JobState:
        """Add a job that Snakemake hands over, under the next number."""
        self._last_number += 1
        state = JobState(number=self._last_number, title=title, job=job)
        self._states[state.number] = state
        return state

    def note_unasked(self, records: list[JobRecord]) -> None:
        """Note records of earlier jobs whose outputs were put in place and that no job of this run
        requests."""
        self._unasked += records

    def adopt(self, state: JobState) -> None:
        """Take over a job that an earlier process has handed over."""
        self._states[state.number] = state
        self._adopted.append(state)
        if state.failure is not None:
            self._concluded.append(state)
        else:
            self._claimable.setdefault(state.key, []).append(state)

    def claimable(self, key: str) -> list[JobState]:
        """Adopted jobs with this key, the latest first, that nothing has asked for."""
        return self._claimable.get(key, [])[::-1]

    def claim(self, state: JobState, job: Any) -> None:
        """Assign an adopted job to the Snakemake `job` that requests it."""
        self._claimable[state.key].remove(state)
        state.job = job

    def drop(self, numbers: Iterable[int]) -> None:
        """Remove adopted jobs that were removed from the pool."""
        for number in numbers:
            state = self._states.pop(number)
            self._adopted.remove(state)
            self._claimable[state.key].remove(state)

    def conclude(self, state: JobState, failure: str | None) -> None:
        """Note how the job has ended: `failure` is None, or why it failed."""
        state.failure, state.order, state.spec = failure, None, None
        self._concluded.append(state)

    def note(self, change: JobStatus) -> JobState | None:
        """Note what a pool reports; returns the job if it is one that is waited for."""
        state = self._states.get(change.number)
        if state is None or not state.is_handed_over:
            return None
        if change.state.final:
            state.status = change
        return state

    def end_at_once(self, states: list[JobState]) -> None:
        """Mark those jobs as ended that were done before they were requested."""
        for state in states:
            if state.record is not None:
                state.status = JobStatus(number=state.number, state=State.ENDED, exit_code=0)

    def any_handed_over(self) -> bool:
        """Whether a pool has jobs whose outputs are not known yet."""
        return any(state.is_handed_over for state in reversed(self._states.values()))

    def adopted(self) -> Iterator[JobState]:
        """All jobs that an earlier process has handed over."""
        return iter(self._adopted)

    def records(self) -> list[JobRecord]:
        """Records of all jobs of the run that have succeeded: first adopted ones that nothing has
        requested again, then the others in the order in which they ended."""
        unasked = (state for state in self._adopted if state.job is None)
        succeeded = (s for s in self._concluded if s.failure is None and not s.reused)
        return [s.record for s in (*unasked, *succeeded) if s.record is not None]

    def reused(self) -> list[JobRecord]:
        """Records of earlier jobs whose outputs were taken."""
        return self._unasked + [
            state.record
            for state in self._states.values()
            if state.reused and state.record is not None
        ]

    def done(self) -> list[Any]:
        """Snakemake's single jobs that have succeeded."""
        return [
            member
            for state in self._concluded
            if state.failure is None
            for member in job_description.members(state.job)
        ]

    def failed(self) -> list[str]:
        """Titles of failed jobs, a retried one once for each failure."""
        return [state.title for state in self._concluded if state.failure is not None]

    def failures(self) -> list[tuple[str, str]]:
        """Title and last failure of each job that has not succeeded at a later attempt."""
        last: dict[Any, tuple[str, str]] = {}
        for state in self._concluded:
            if state.job is None:
                continue
            if state.failure is None:
                last.pop(state.job.jobid, None)
            else:
                last[state.job.jobid] = state.title, state.failure
        return list(last.values())

    def restarted(self) -> set[int]:
        """Numbers of jobs that may have been started more than once."""
        return {state.number for state in self._states.values() if state.restarted}
