"""Jobs that HTCondor, the pool or a person puts on hold, removes or throws off a machine: on a real
pool."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conformance import Jobs, holds
from daemons import condor, make, ours, own_pool

from gitbatch_core.pools.base import Request, State
from gitbatch_core.pools.htcondor import holds as meaning
from gitbatch_core.pools.htcondor.pool import HTCondorPool


@pytest.fixture
def pool(tmp_path: Path, htcondor_pool: Path) -> Iterator[HTCondorPool]:
    pool = make(tmp_path, reconcile_s=0.5, held_timeout_s=2)
    yield pool
    pool.cancel()
    pool.close()


@pytest.fixture
def jobs(pool: HTCondorPool, tmp_path: Path) -> Jobs:
    return Jobs(pool, tmp_path)


def queued(pool: HTCondorPool) -> str:
    return condor("condor_q", "-af", "GitbatchNumber", "-constraint", ours(pool))


def test_a_hold_by_hand_waits_for_a_release(pool: HTCondorPool, jobs: Jobs) -> None:
    spec = jobs.spec("attempts", jobs.folder / "attempts", 1)
    (identity,) = pool.submit([spec])
    jobs.until(State.RUNNING, spec)
    condor("condor_hold", "-reason", "for a reason", identity)
    said = jobs.until(State.QUEUED, spec).reason or ""
    assert "for a reason (by user" in said and "(code 1)" in said and "condor_release" in said
    condor("condor_release", identity)
    assert jobs.follow([spec])[spec.number].exit_code == 0


def test_a_hold_by_hand_that_stays_is_removed(pool: HTCondorPool, jobs: Jobs) -> None:
    spec = jobs.spec("span", jobs.folder / "never", 60)
    (identity,) = pool.submit([spec])
    jobs.until(State.RUNNING, spec)
    condor("condor_hold", "-reason", "for a reason", identity)
    status = jobs.follow([spec])[spec.number]
    assert status.state is State.FAILED
    assert "for a reason" in (status.reason or "") and "(code 1/" in (status.reason or "")
    assert "--gitbatch-held-timeout" in (status.reason or "")
    assert pool.wait(0.1) == []
    holds(lambda: not queued(pool))


def test_what_is_removed_while_on_hold_says_why_it_was(pool: HTCondorPool, jobs: Jobs) -> None:
    pool._held_timeout_s = 1000
    spec = jobs.spec("span", jobs.folder / "never", 60)
    (identity,) = pool.submit([spec])
    condor("condor_hold", "-reason", "for a reason", identity)
    jobs.until(State.QUEUED, spec)
    condor("condor_rm", "-reason", "not wanted", identity)
    reason = jobs.follow([spec])[spec.number].reason or ""
    assert "not wanted" in reason and "for a reason" in reason


def test_a_job_that_asks_for_too_little_time_fails_at_once(pool: HTCondorPool, jobs: Jobs) -> None:
    request = Request(memory_mb=64, disk_mb=16, runtime_s=1)
    (status,) = jobs.run(jobs.spec("span", jobs.folder / "never", 60, request=request))
    assert status.state is State.FAILED
    assert "(code 47/" in (status.reason or "") and "raise `runtime`" in (status.reason or "")
    holds(lambda: not queued(pool))


def test_a_file_that_cannot_be_sent_is_tried_again(pool: HTCondorPool, jobs: Jobs) -> None:
    spec = jobs.spec("exit", 0, private={"A": "x"}, request=Request(extra={"hold": "true"}))
    (identity,) = pool.submit([spec])
    (secret,) = pool._folder.glob("secrets-*")
    secret.rename(pool._folder / "elsewhere")
    condor("condor_release", identity)
    while "tried again" not in (jobs.until(State.QUEUED, spec).reason or ""):
        pass
    (pool._folder / "elsewhere").rename(secret)
    held = condor("condor_q", identity, "-af:r", "HoldReasonCode", "PeriodicRelease")
    assert held.startswith("13 ") and "member(HoldReasonCode,{ 12,13 })" in held
    condor("condor_release", identity)  # as the schedd does, after a minute
    assert jobs.follow([spec])[spec.number].exit_code == 0


@pytest.fixture
def strict_htcondor(htcondor_pool: Path) -> Iterator[Path]:
    """A pool whose machine holds jobs that take more memory than they asked for."""
    local = "use POLICY : HOLD_IF_MEMORY_EXCEEDED\nSTARTER_UPDATE_INTERVAL = 1\n"
    with own_pool(htcondor_pool, local=local + "PID_SNAPSHOT_INTERVAL = 1\n") as folder:
        yield folder


def test_too_much_memory_runs_again_with_more(strict_htcondor: Path, tmp_path: Path) -> None:
    pool = make(tmp_path, reconcile_s=5)
    jobs = Jobs(pool, tmp_path)
    # Without anybody who follows the run: the schedd releases it.
    alone = make(tmp_path / "alone", reconcile_s=600)
    (tmp_path / "other").mkdir()
    left = Jobs(alone, tmp_path / "other")
    request = Request(memory_mb=128, disk_mb=16)
    spec = jobs.spec("memory", 300, 6, jobs.folder / "told", request=request)
    same = left.spec("memory", 300, 6, left.folder / "told", request=request)
    pool.submit([spec])
    (identity,) = alone.submit([same])
    assert [jobs.until(State.QUEUED, spec).reason for _ in range(2)] == [
        "took more than 128 MiB: runs again with 256 MiB",
        "took more than 256 MiB: runs again with 512 MiB",
    ]
    assert jobs.follow([spec])[spec.number].exit_code == 0
    holds(lambda: bool(condor("condor_history", identity, "-limit", "1", "-af", "ExitCode")))
    asked = condor("condor_history", identity, "-limit", "1", "-af", "RequestMemory", "ExitCode")
    assert asked == "512 0\n"
    pool.close()
    alone.close()


def test_too_much_memory_fails_where_there_is_no_more(
    strict_htcondor: Path, tmp_path: Path
) -> None:
    pool = make(tmp_path)
    jobs = Jobs(pool, tmp_path)
    request = Request(memory_mb=128, disk_mb=16, memory_steps=("(128) + 5",))
    spec = jobs.spec("memory", 300, 50, jobs.folder / "never", request=request)
    pool.submit([spec])
    assert jobs.until(State.QUEUED, spec).reason == "took more than 128 MiB: runs again with more"
    status = jobs.follow([spec])[spec.number]
    assert status.state is State.FAILED
    assert re.search(r"memory usage exceeded .*\(code 21/102\)", status.reason or "")
    assert "mem_mb" in (status.reason or "")
    pool.close()


def test_every_code_of_the_table_has_its_kind() -> None:
    kinds = {code: meaning.kind(code, 0) for code in (1, 6, 12, 13, 14, 16, 21, 34, 46, 47)}
    failing = {code for code, kind in kinds.items() if kind is meaning.HoldKind.FAILS}
    assert failing == {6, 14, 21, 46, 47}
    assert meaning.kind(34, 104) is meaning.HoldKind.FAILS
    assert {meaning.kind(c, 102) for c in (21, 26, 34)} == {meaning.HoldKind.GROWS}


def test_the_machine_goes_away(own_htcondor: Path, tmp_path: Path) -> None:
    pool = make(tmp_path, reconcile_s=1)
    jobs = Jobs(pool, tmp_path)
    attempts = tmp_path / "attempts"
    spec = jobs.spec("attempts", attempts, 2)
    pool.submit([spec])
    holds(attempts.exists)
    condor("condor_off", "-fast", "-daemon", "startd")
    assert "it runs again" in (jobs.until(State.QUEUED, spec).reason or "")
    condor("condor_on", "-daemon", "startd")
    assert jobs.follow([spec])[spec.number].exit_code == 0
    assert attempts.read_text() == "started\nstarted\n"
    pool.close()
