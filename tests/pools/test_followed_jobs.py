"""The jobs of a run in the queue, as events, ads and done markers tell of them."""

from __future__ import annotations

import pytest

from gitbatch_core.pools.base import State
from gitbatch_core.pools.htcondor.events import Event, Progress
from gitbatch_core.pools.htcondor.followed_jobs import FollowedJobs

JOB, OTHER = (7, 0), (7, 1)


def event(kind: str, job: tuple[int, int] = JOB, **facts: object) -> Event:
    return Event(kind=kind, cluster=job[0], proc=job[1], facts=facts)


def done(job: tuple[int, int] = JOB) -> Event:
    return event("JOB_TERMINATED", job, TerminatedNormally=True, ReturnValue=0)


@pytest.fixture
def jobs() -> FollowedJobs:
    jobs = FollowedJobs()
    jobs.adopt({JOB: Progress(number=1), OTHER: Progress(number=2)})
    return jobs


def news(jobs: FollowedJobs) -> list[tuple[int, State]]:
    return [(status.number, status.state) for status in jobs.take_news()]


def test_what_is_heard_before_the_id_is_known_is_not_lost() -> None:
    jobs = FollowedJobs()
    jobs.hear([done()])  # of another run, in the same log
    jobs.begin_hand_over()
    jobs.hear([done(OTHER), event("EXECUTE", (8, 0))])
    jobs.add({JOB: Progress(number=1), OTHER: Progress(number=2)})
    jobs.end_hand_over()
    assert news(jobs) == [(2, State.ENDED)] and news(jobs) == []
    assert jobs.is_final(OTHER) and not jobs.is_final(JOB) and (8, 0) not in jobs
    assert jobs.unfinished().keys() == {JOB}


def test_an_end_is_told_once_however_it_is_heard(jobs: FollowedJobs) -> None:
    jobs.signed([JOB, (9, 9)])
    jobs.hear([done(), done(), event("JOB_ABORTED", Reason="removed")])
    jobs.signed([JOB])
    assert [each for each in news(jobs) if each[1].final] == [(1, State.ENDED)]


def test_only_what_is_missing_twice_is_lost(jobs: FollowedJobs) -> None:
    """A job on its way from the queue to the history is in neither for a moment."""
    for times in (1, 2):
        before = jobs.unfinished()
        gone = jobs.compare(before, [], not_made=())
        assert gone == {JOB: 1, OTHER: 2}
        history = [{"ClusterId": 7, "ProcId": 1, "JobStatus": 4, "ExitCode": 0}]
        jobs.look_back(gone if times == 1 else [JOB], history)
        if times == 1:
            assert news(jobs) == [(2, State.ENDED)]
            jobs.adopt({OTHER: Progress(number=2)})
    [status] = jobs.take_news()
    assert status.number == 1 and status.state is State.FAILED
    assert status.reason and status.reason.startswith("lost: HTCondor has it neither")


def test_a_job_that_is_seen_between_two_looks_is_not_lost(jobs: FollowedJobs) -> None:
    queue = [{"ClusterId": 7, "ProcId": number, "JobStatus": 1} for number in (0, 1)]
    for ads in (queue[1:], queue, queue[1:]):
        jobs.look_back(jobs.compare(jobs.unfinished(), ads, not_made=()), [])
    assert not any(state.final for _, state in news(jobs))


def test_a_look_that_is_older_than_an_event_says_nothing(jobs: FollowedJobs) -> None:
    before = jobs.unfinished()
    jobs.hear([done()])
    gone = jobs.compare(before, [], not_made={OTHER})
    assert gone == {}, "one has ended meanwhile, the other is still to be made"
    assert news(jobs) == [(1, State.ENDED)]


def test_what_was_given_up_is_to_be_removed(jobs: FollowedJobs) -> None:
    jobs.hear([event("JOB_HELD", HoldReason="no such file", HoldReasonCode=6)])
    assert [state for _, state in news(jobs)] == [State.FAILED]
    assert jobs.given_up() == jobs.to_remove() == {1}
    jobs.remove_once_made({7}, {2})
    jobs.remove_once_made({8}, {1})
    assert jobs.to_remove() == {1, 2} and jobs.given_up() == {1}
    jobs.removed([1, 2])
    assert jobs.to_remove() == frozenset() and jobs.given_up() == {1}


def test_of_dropped_jobs_nothing_is_told(jobs: FollowedJobs) -> None:
    jobs.hear([done(), done(OTHER)])
    jobs.drop(lambda number: number == 1)
    assert news(jobs) == [(2, State.ENDED)]
    jobs.hear([done()])
    assert news(jobs) == [] and jobs.all_final() and not jobs.any_waits()
