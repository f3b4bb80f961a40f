"""What events and job ads say about a job, without HTCondor."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitbatch_core.pools.base import JobStatus, State
from gitbatch_core.pools.htcondor import ads, holds
from gitbatch_core.pools.htcondor.events import Event, Progress, advance, cpu_seconds


def event(kind: str, **facts: object) -> Event:
    return Event(kind=kind, cluster=1, proc=0, facts=facts)


SUBMIT = event("SUBMIT")
EXECUTE = event("EXECUTE", SlotName="slot1_2@node7", ExecuteHost="<10.0.0.7:9618>")
DONE = event("JOB_TERMINATED", TerminatedNormally=True, ReturnValue=0)
EVICTED = event("JOB_EVICTED", Reason="Job vacated by schedd", ReasonCode=1022)
HELD = event("JOB_HELD", HoldReason="too much", HoldReasonCode=34, HoldReasonSubCode=102)
ABORTED = event("JOB_ABORTED", Reason="just so (by user ada)")

EVENTS = [
    SUBMIT,
    EXECUTE,
    DONE,
    EVICTED,
    HELD,
    ABORTED,
    event("JOB_TERMINATED", TerminatedNormally=False, TerminatedBySignal=9),
    event("JOB_TERMINATED"),
    event("JOB_HELD", HoldReasonCode=16),
    event("JOB_RELEASED"),
    event("REMOTE_ERROR", ErrorMsg="no"),
    event("REMOTE_ERROR", ErrorMsg="no", HoldReasonCode=6, HoldReasonSubCode=2),
    event("SHADOW_EXCEPTION", Message="oops"),
    event("JOB_DISCONNECTED"),
    event("JOB_RECONNECTED"),
    event("JOB_RECONNECT_FAILED", Reason="gone"),
    event("IMAGE_SIZE", MemoryUsage=12),
    event("FILE_TRANSFER"),
    event("CLUSTER_REMOVE"),
    event("ATTRIBUTE_UPDATE"),
]


def after(*found: Event) -> tuple[Progress, list[JobStatus]]:
    progress, told = Progress(number=5), []
    for one in found:
        progress, status = advance(progress, one)
        if status:
            told.append(status)
    return progress, told


def test_the_plain_way() -> None:
    progress, told = after(SUBMIT, EXECUTE, event("IMAGE_SIZE", MemoryUsage=12), DONE)
    assert [status.state for status in told] == [State.RUNNING, State.ENDED]
    assert told[0].host == told[1].host == "node7"
    assert told[1].exit_code == 0
    assert told[1].signal is None
    assert told[1].usage["memory_mb"] == 12
    assert not progress.remove


def test_usage() -> None:
    _, (status,) = after(
        event(
            "JOB_TERMINATED",
            TerminatedNormally=True,
            ReturnValue=3,
            MemoryUsage=100,
            DiskUsage=2048,
            TimeExecuteUsage=60,
            RunRemoteUsage="Usr 0 00:00:07, Sys 0 00:00:01",
        )
    )
    assert status.exit_code == 3
    assert status.usage == {"memory_mb": 100, "disk_mb": 2, "wall_s": 60, "cpu_s": 8}


def test_what_a_job_that_is_given_up_has_used() -> None:
    held = event("JOB_HELD", HoldReasonCode=34, HoldReason="over its memory")
    _, told = after(EXECUTE, event("IMAGE_SIZE", MemoryUsage=2100), held)
    assert told[-1].state is State.FAILED and told[-1].usage == {"memory_mb": 2100}


def test_signal_and_an_end_that_is_not_told() -> None:
    _, (status,) = after(event("JOB_TERMINATED", TerminatedNormally=False, TerminatedBySignal=9))
    assert (status.state, status.exit_code, status.signal) == (State.ENDED, None, 9)
    _, (status,) = after(event("JOB_TERMINATED"))
    assert status.state is State.FAILED


def test_a_hold_is_given_up_with_code_and_advice() -> None:
    progress, (running, status) = after(EXECUTE, HELD, event("JOB_RELEASED"), EXECUTE, DONE)
    assert running.state is State.RUNNING
    assert status.state is State.FAILED
    assert status.reason and "too much (code 34/102)" in status.reason
    assert "mem_mb" in status.reason
    assert progress.remove


def test_spooling_is_no_hold() -> None:
    progress, told = after(SUBMIT, event("JOB_HELD", HoldReasonCode=16), EXECUTE)
    assert [status.state for status in told] == [State.RUNNING]
    assert not progress.remove


MEMORY_AD = {
    "JobStatus": 5,
    "HoldReason": "too much",
    "HoldReasonCode": 34,
    "HoldReasonSubCode": 102,
    "GitbatchMemory": [100, 200],
    "EnteredCurrentStatus": 1000,
    "ServerTime": 1010,
}


def test_a_hold_for_memory_that_only_the_queue_tells() -> None:
    once = MEMORY_AD | {"NumHoldsByReason": {"JobOutOfResources": 1}}
    progress, status = ads.observe(Progress(number=5, host="node7"), once)
    assert status and status.reason == "took more than 100 MiB: runs again with 200 MiB"
    assert ads.observe(progress, once) == (progress, None)
    late = once | {"ServerTime": 1000 + holds.LONGEST_RELEASE_S + 1}
    given_up, status = ads.observe(progress, late)
    assert status and status.state is State.FAILED and status.host == "node7"
    assert given_up.remove
    twice = MEMORY_AD | {"NumHoldsByReason": {"JobOutOfResources": 1, "StartdHeldJob": 1}}
    _, status = ads.observe(Progress(number=5), twice)
    assert status and status.state is State.FAILED


def test_a_hold_that_is_heard_twice_counts_once() -> None:
    progress = Progress(number=5, memory_steps=(100, 200, 400))
    told = []
    for one in (HELD, HELD, event("JOB_RELEASED"), EXECUTE, HELD, event("JOB_RELEASED")):
        progress, status = advance(progress, one)
        told += [status.reason] if status and status.reason else []
    assert told == [
        "took more than 100 MiB: runs again with 200 MiB",
        "took more than 200 MiB: runs again with 400 MiB",
    ]
    assert progress.on_hold is None


def test_the_users_own_policy_is_waited_for() -> None:
    progress, status = advance(
        Progress(number=5, own_release=True), event("JOB_HELD", HoldReason="x", HoldReasonCode=6)
    )
    assert status and status.state is State.QUEUED
    assert "periodic_release" in (status.reason or "")
    assert ads.observe(progress, {"JobStatus": 1})[0].on_hold is None


def test_a_hold_whose_reason_was_lost() -> None:
    _, (status,) = after(event("JOB_HELD", HoldReasonCode=99))
    assert status.reason == "on hold: held without a reason (code 99/0)"


def test_evicted_jobs_run_again() -> None:
    _, told = after(EXECUTE, EXECUTE, EVICTED, EVICTED, EXECUTE, DONE)
    assert [status.state for status in told] == [
        State.RUNNING,
        State.QUEUED,
        State.RUNNING,
        State.ENDED,
    ]
    assert told[1].reason == "evicted (Job vacated by schedd) on node7: it runs again"


def test_removed_by_hand_says_who() -> None:
    removal = event("JOB_EVICTED", Reason="just so (by user ada)", ReasonCode=1023)
    progress, (_, status) = after(EXECUTE, removal, ABORTED)
    assert status.state is State.FAILED
    assert status.reason == "removed from the queue: just so (by user ada)"
    assert not progress.remove


@given(st.lists(st.sampled_from(EVENTS), max_size=30))
def test_any_order_gives_one_end_that_stays(found: list[Event]) -> None:
    progress, told = after(*found)
    final = [status for status in told if status.state.final]
    assert len(final) <= 1
    if final:
        assert told[-1] is final[0]
        assert progress.state is final[0].state
    for status in final:
        assert status.reason or status.exit_code is not None or status.signal is not None
        if status.state is State.ENDED:
            assert any(one.kind == "JOB_TERMINATED" for one in found)


@given(st.lists(st.sampled_from(EVENTS), max_size=12), st.integers(0, 3))
def test_repeated_events_tell_nothing_new(found: list[Event], again: int) -> None:
    doubled = [one for one in found for _ in range(1 + again)]
    assert after(*doubled) == after(*found)


def test_cpu_seconds() -> None:
    assert cpu_seconds("Usr 1 02:03:04, Sys 0 00:00:01") == 86400 + 7200 + 180 + 4 + 1
    assert cpu_seconds("") is None


RUNNING = Progress(number=1, state=State.RUNNING, host="node7")


def test_ads_of_jobs_that_left() -> None:
    _, status = ads.observe(RUNNING, {"JobStatus": 4, "ExitBySignal": False, "ExitCode": 2})
    assert status and (status.state, status.exit_code) == (State.ENDED, 2)
    _, status = ads.observe(RUNNING, {"JobStatus": 4, "ExitBySignal": True, "ExitSignal": 15})
    assert status and (status.exit_code, status.signal) == (None, 15)
    _, status = ads.observe(RUNNING, {"JobStatus": 3, "RemoveReason": "by user ada"})
    assert status and status.reason == "removed from the queue: by user ada"
    progress, status = ads.observe(RUNNING, {"JobStatus": 5, "HoldReasonCode": 1})
    assert status and status.state is State.FAILED
    assert progress.remove


@pytest.mark.parametrize("ad", [{}, {"JobStatus": 4}, {"JobStatus": 4, "ExitCode": None}])
def test_ads_that_do_not_say_are_no_success(ad: dict[str, object]) -> None:
    _, status = ads.observe(RUNNING, ad)
    assert status is None or status.state is State.FAILED


def test_ads_of_jobs_in_the_queue() -> None:
    idle = Progress(number=1)
    progress, status = ads.observe(idle, {"JobStatus": 2, "RemoteHost": "slot1@node7"})
    assert status and status.host == "node7"
    assert ads.observe(progress, {"JobStatus": 2, "RemoteHost": "slot1@node7"})[1] is None
    progress, status = ads.observe(progress, {"JobStatus": 1})
    assert status and status.state is State.QUEUED
    assert ads.observe(progress, {"JobStatus": 1})[1] is None


def test_lost_is_failed() -> None:
    _, status = ads.lost(RUNNING)
    assert status and status.state is State.FAILED and "lost" in (status.reason or "")
