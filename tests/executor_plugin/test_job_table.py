"""What is known of the jobs of a run, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from gitbatch_core.model.job_order import JobOrder
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.pools.base import JobStatus, State
from snakemake_executor_plugin_gitbatch.job.job_table import JobState, JobTable


@dataclass(eq=False)
class ReadyJob:
    """As much of a job of Snakemake as the table asks for."""

    name: str
    jobid: int

    def is_group(self) -> bool:
        return False


def ordered(table: JobTable, job: ReadyJob) -> JobState:
    state = table.add(job, job.name)
    state.order = an_order(state.number)
    return state


def an_order(number: int, key: str = "k") -> JobOrder:
    return JobOrder(
        argv=(),
        folder="",
        worktree="",
        archive="",
        environment={},
        outputs=(),
        record=JobRecord(number=number, key=key, rule="r"),
    )


def adopted(number: int, key: str = "k", **facts: Any) -> JobState:
    return JobState(
        number=number,
        title=f"r[{number}]",
        key=key,
        order=an_order(number, key),
        **facts,
    )


def ended(number: int) -> JobStatus:
    return JobStatus(number=number, state=State.ENDED, exit_code=0)


@pytest.fixture
def table() -> JobTable:
    return JobTable()


def test_each_execution_has_a_number_of_its_own(table: JobTable) -> None:
    job = ReadyJob("align", 7)
    assert [table.add(job, "align[sample=a]").number for _ in range(3)] == [1, 2, 3]
    assert JobTable(last_number=9).add(job, "align[sample=a]").number == 10


def test_a_pool_says_what_becomes_of_jobs_that_are_waited_for(table: JobTable) -> None:
    state = ordered(table, ReadyJob("r", 1))
    assert table.any_handed_over()
    held = JobStatus(number=1, state=State.QUEUED, reason="held")
    assert table.note(held) is state and state.status is None
    assert table.note(ended(1)) is state and state.status == ended(1)
    table.conclude(state, None)
    assert not table.any_handed_over() and state.order is None
    assert table.note(ended(1)) is None and table.note(ended(2)) is None


def test_records_are_in_the_order_in_which_jobs_ended(table: JobTable) -> None:
    states = [ordered(table, ReadyJob("r", number)) for number in range(3)]
    for state in reversed(states):
        state.record = JobRecord(number=state.number)
        table.conclude(state, None)
    table.conclude(ordered(table, ReadyJob("bad", 4)), "why")
    assert [record.number for record in table.records()] == [3, 2, 1]
    assert table.done() == [state.job for state in reversed(states)]


def test_reused_jobs_have_ended_once_it_is_told(table: JobTable) -> None:
    table.note_unasked([JobRecord(run="before")])
    state = table.add(ReadyJob("r", 1), "r")
    state.reused, state.record = True, JobRecord(run="earlier")
    waiting = ordered(table, ReadyJob("r", 2))
    assert state.status is None
    table.end_at_once([state, waiting])
    assert state.status == ended(1) and waiting.status is None
    table.conclude(state, None)
    assert [record.run for record in table.reused()] == ["before", "earlier"]
    assert table.records() == [] and table.done() == [state.job]


def test_a_later_success_makes_a_failure_forgotten(table: JobTable) -> None:
    again, bad = ReadyJob("again", 1), ReadyJob("bad", 2)
    for job, failure in ((again, "first"), (bad, "second"), (again, None), (bad, "third")):
        table.conclude(ordered(table, job), failure)
    assert table.failures() == [("bad", "third")]
    assert table.failed() == ["again", "bad", "bad"]


def test_an_adopted_job_is_claimed_once(table: JobTable) -> None:
    first, second = adopted(4), adopted(6)
    for state in (first, second, adopted(5, "other", id="12.0")):
        table.adopt(state)
    assert table.claimable("k") == [second, first] and table.claimable("none") == []
    assert not table.any_handed_over()
    job = ReadyJob("r", 1)
    table.claim(second, job)
    assert table.claimable("k") == [first] and second.job is job and table.any_handed_over()
    table.drop([5])
    assert table.claimable("other") == [] and list(table.adopted()) == [first, second]


def test_what_an_earlier_process_has_done_comes_first(table: JobTable) -> None:
    table.adopt(adopted(1, failure="no space"))
    table.adopt(adopted(2, record=JobRecord(number=2)))
    table.adopt(claimed := adopted(3, record=JobRecord(number=3)))
    table.claim(claimed, ReadyJob("r", 1))
    claimed.record = JobRecord(number=3, waited_s=1)
    table.conclude(claimed, None)
    table.conclude(ordered(table, ReadyJob("bad", 2)), "why")
    assert table.records() == [JobRecord(number=2), JobRecord(number=3, waited_s=1)]
    assert table.failed() == ["r[1]", "bad"] and table.failures() == [("bad", "why")]


def test_a_result_that_could_not_be_put_in_place_is_no_record(table: JobTable) -> None:
    table.adopt(state := adopted(2, record=JobRecord(number=2)))
    table.claim(state, ReadyJob("a", 1))
    table.conclude(state, "no space")
    assert table.records() == []


def test_restarted_jobs(table: JobTable) -> None:
    states = [ordered(table, ReadyJob("r", number)) for number in range(3)]
    states[1].restarted = True
    assert table.restarted() == {2}
