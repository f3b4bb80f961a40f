"""Jobs that an earlier process of the same run has begun and did not live to take over.

A job is the same if it has the same job key: its result is taken over, or it is followed if the
pool still has it. No job runs twice, and nothing that is finished is lost.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from gitbatch_core.errors import FormatError, RunError
from gitbatch_core.log import suppressed
from gitbatch_core.model.job_order import ORDER_NAME, JobOrder
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.job_result import RESULT_NAME, JobResult
from gitbatch_core.pools import choose
from gitbatch_core.pools.base import Pool
from gitbatch_core.run.lease import Owner
from gitbatch_core.run.mirror import output_links
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.run.run import Run
from gitbatch_core.wording import job_title
from snakemake_executor_plugin_gitbatch.job.job_table import JobState, JobTable

_ENDING_S = 60.0
"""Jobs on this machine end with the process that started them, in up to 20 seconds."""


@dataclass(frozen=True, kw_only=True)
class ResumedJobs:
    """The adopted jobs in a run's table. Not thread-safe: the run's lock is held."""

    jobs: JobTable
    mirror: Mirror

    def recall(self) -> list[tuple[str, JobRecord]]:
        """Tell the mirror what the earlier process had put in place, and is still there; paths of
        the temporary outputs among that, each with the record of its job."""
        return [
            (output.path, record)
            for record in self._records()
            for output in record.outputs
            if output_links.recall(self.mirror, output) and output.temporary
        ]

    def describe(self) -> str:
        """One line for people."""
        done, here = len(self._records()), len(self._in_pool())
        return (
            "Resuming the lost run: "
            f"{done} of its jobs {'has' if done == 1 else 'have'} finished, "
            f"{here} {'is' if here == 1 else 'are'} queued or running."
        )

    def find(self, key: str) -> JobState | None:
        """The adopted job with this key, if its result is there or is still to come."""
        for state in self.jobs.claimable(key):
            outputs = () if state.record is None else state.record.outputs
            if all(output_links.is_there(self.mirror, output) for output in outputs):
                return state
        return None

    def before_update(self, updated: dict[str, str]) -> dict[str, str]:
        """Where the outputs of these paths and addresses were made by an earlier job that updates
        them in place: what they were before."""
        before = dict(updated)
        for record in self._records():
            outputs = {output.path: output.address for output in record.outputs}
            for path, address in updated.items():
                if outputs.get(self.mirror.relative(path) or "") == address:
                    before |= {path: record.updated.get(path, "")}
        return {path: address for path, address in before.items() if address}

    def writers(self, paths: set[str | None]) -> list[int]:
        """Jobs in the pool, claimed by nobody, that would write one of `paths` (to the top)."""
        return [
            state.number
            for state in self._in_pool()
            if state.order is not None and any(o.path in paths for o in state.order.outputs)
        ]

    def not_asked_for(self) -> list[str]:
        """Names of jobs that the pool still has, or whose results are not in place, and that
        nothing has asked for."""
        results = [s for s in self.jobs.adopted() if s.job is None and self._is_not_in_place(s)]
        return [state.title for state in (*self._in_pool(), *results)]

    def _is_not_in_place(self, state: JobState) -> bool:
        outputs = () if state.record is None else state.record.kept_outputs()
        return any(
            output_links.is_there(self.mirror, output)
            for output in outputs
            if not os.path.lexists(self.mirror.top / output.path)
        )

    def _records(self) -> list[JobRecord]:
        return [state.record for state in self.jobs.adopted() if state.record is not None]

    def _in_pool(self) -> list[JobState]:
        """Those that a pool has, and nothing has asked for."""
        return [state for state in self.jobs.adopted() if state.id and state.job is None]


def adopt(run: Run, owner: Owner, pool: Pool) -> JobTable:
    """The jobs that `run`, which `owner` has held, has in its staging and in `pool`. Raises
    PoolError, RunError."""
    orders, handed_over = _orders(run, owner)
    jobs = JobTable(last_number=max(owner.job_numbers(), default=0))
    remote = {n for n, order in orders.items() if not _ran_here(order)}
    _await_ends(owner, orders.keys() - remote)
    # The pool before the answers: a job that ends meanwhile is in one of them.
    names = {number: orders[number].sign for number in remote}
    signs = {number: Path(name) if name else None for number, name in names.items()}
    ids = pool.adopt(signs)
    for number, order in orders.items():
        answer = None
        with suppressed(FileNotFoundError, FormatError):
            answer = JobResult.read(run.job_folder(number) / RESULT_NAME)
        state = JobState(
            number=number,
            title=_title(order.record),
            key=order.record.key,
            order=order,
            handed_over=handed_over[number],
        )
        if answer is not None and answer.succeeded:
            state.record = answer.record
            # It may be in the queue for a moment still, but there is nothing to wait for.
            if number in ids and (sign := signs[number]) is not None:
                sign.touch()  # the runner may have been ended before it could
        elif number in ids:
            state.id, state.pool = ids[number], pool
        elif answer is not None:
            state.failure = answer.reason or ""
        else:
            continue
        jobs.adopt(state)
    return jobs


def _orders(run: Run, owner: Owner) -> tuple[dict[int, JobOrder], dict[int, float]]:
    """The orders of a run's jobs, by number, and when they were written."""
    orders, handed_over = dict[int, JobOrder](), dict[int, float]()
    for number in owner.job_numbers():
        with suppressed(FileNotFoundError, FormatError):
            path = run.job_folder(number) / ORDER_NAME
            orders[number] = JobOrder.read(path)
            handed_over[number] = path.stat().st_mtime
    return orders, handed_over


def _title(record: JobRecord) -> str:
    if len(record.members) != 1:
        return f"group[{','.join(dict.fromkeys(member.rule for member in record.members))}]"
    return job_title(record.rule, record.members[0].wildcards)


def _ran_here(order: JobOrder) -> bool:
    """Whether it was a process of this machine, which has ended with the one that started it."""
    return choose.kind_named(order.record.pool.kind).on_this_machine


def _await_ends(owner: Owner, numbers: set[int]) -> None:
    deadline = time.monotonic() + _ENDING_S
    while running := owner.jobs_here() & numbers:
        if time.monotonic() > deadline:
            raise RunError(
                f"Processes of the lost run {owner.run} are still ending on this "
                f"machine: {', '.join(map(str, sorted(running)))}.",
                hint="Try again in a moment.",
            )
        time.sleep(0.1)
