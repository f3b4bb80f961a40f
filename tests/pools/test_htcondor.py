"""The HTCondor pool, on a real one: the conformance tests, and what people and machines do to jobs
while they are queued and run."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from conformance import Jobs, PoolConformance, holds
from daemons import POOL_TOOL, condor, make, ours

from gitbatch_core.errors import PoolError
from gitbatch_core.pools.base import Pool, PoolOptions, RefusedError, Request, State
from gitbatch_core.pools.choose import choose
from gitbatch_core.pools.htcondor import probe as probing
from gitbatch_core.pools.htcondor.events import Event
from gitbatch_core.pools.htcondor.pool import HTCondorPool


class TestConformance(PoolConformance):
    not_carried: ClassVar[str] = "\0\n\r\x1f\udc80"

    @pytest.fixture
    def pool(self, tmp_path: Path, htcondor_pool: Path) -> Iterator[Pool]:
        self.home = htcondor_pool
        pool = make(tmp_path)
        yield pool
        if not pool._closed:
            pool.cancel()
        pool.close()

    def traces(self, pool: Pool) -> bytes:
        """Job ads in queue and history, the event log, the spool and the daemons' logs."""
        assert isinstance(pool, HTCondorPool)
        found = condor("condor_q", "-long", "-constraint", ours(pool))
        found += condor("condor_history", "-long", "-limit", "20")
        data = found.encode() + (pool._folder / "events.log").read_bytes()
        for place in ("spool", "log"):
            for file in (self.home / place).rglob("*"):
                if file.is_file():
                    data += file.read_bytes()
        assert b"GitbatchNumber" in data
        return data

    def never(self) -> Request:
        return Request(extra={"requirements": "time() < 0"})

    def test_the_private_folder_is_private(self, pool: Pool, jobs: Jobs) -> None:
        assert isinstance(pool, HTCondorPool)
        pool.submit([jobs.spec("exit", 0, private={"A": "x"}) for _ in range(3)])
        files = list(pool._folder.iterdir())
        assert pool._folder.stat().st_mode & 0o777 == 0o700
        assert all(file.stat().st_mode & 0o077 == 0 for file in files)
        assert len(files) == 2, "one file for all jobs with the same secrets"

    def test_ads_show_what_is_what(self, pool: Pool, jobs: Jobs) -> None:
        labels = {"rule": 'al"ign', "wildcards": "sample=$(A) b", "commit": "c0ffee"}
        spec = jobs.spec("span", jobs.folder / "file", 50, labels=labels)
        (identity,) = pool.submit([spec])
        names = ["Run", "Number", "Name", "Rule", "Wildcards", "Commit"]
        printed = condor(
            "condor_q", identity, "-af:t", "JobBatchName", *(f"Gitbatch{n}" for n in names)
        )
        run = ours(pool).split('"')[1]
        assert printed.strip("\n").split("\t") == [
            f"gitbatch {run}", run, "1", "rule1", 'al"ign', "sample=$(A) b", "c0ffee",
        ]  # fmt: skip

    def test_extras_share_a_cluster_and_all_or_none_is_queued(self, pool: Pool, jobs: Jobs) -> None:
        extras: list[dict[str, str]] = [
            {"requirements": "time() < 0", "+Project": '"a $(b)"', "rank": "Memory"},
            {"requirements": "time() < 0", "priority": "-3"},
            {"requirements": "time() < 0"},
            {"requirements": "this is (no expression"},
        ]
        specs = [
            jobs.spec("span", jobs.folder / "never", 9, request=Request(extra=extra))
            for extra in extras
        ]
        with pytest.raises(RefusedError, match=r"Job 4 \(rule4\): requirements: .*no expression"):
            pool.submit(specs)
        holds(lambda: not condor("condor_q", "-af", "ClusterId", "-constraint", ours(pool)))
        ids = pool.submit(specs[:3])
        assert len({identity.partition(".")[0] for identity in ids}) == 1
        printed = condor(
            "condor_q", "-af:r", "GitbatchNumber", "Project", "JobPrio", "Rank",
            "-constraint", ours(pool),
        )  # fmt: skip
        assert sorted(printed.splitlines()) == [
            '1 "a " 0 Memory', "2 undefined -3 0.0", "3 undefined 0 0.0",
        ]  # fmt: skip

    def test_removal_by_hand(self, pool: Pool, jobs: Jobs) -> None:
        spec = jobs.spec("span", jobs.folder / "never", 60)
        (identity,) = pool.submit([spec])
        jobs.until(State.RUNNING, spec)
        condor("condor_rm", "-reason", "not wanted", identity)
        status = jobs.follow([spec])[spec.number]
        assert status.state is State.FAILED
        assert "not wanted" in (status.reason or "")

    def test_an_evicted_job_runs_again(self, pool: Pool, jobs: Jobs) -> None:
        attempts = jobs.folder / "attempts"
        spec = jobs.spec("attempts", attempts, 1.5)
        (identity,) = pool.submit([spec])
        jobs.until(State.RUNNING, spec)
        holds(attempts.exists)
        condor("condor_vacate_job", "-fast", identity)
        assert "evicted" in (jobs.until(State.QUEUED, spec).reason or "")
        assert jobs.follow([spec])[spec.number].exit_code == 0
        assert attempts.read_text() == "started\nstarted\n"

    def test_secrets_are_there_after_an_eviction(self, pool: Pool, jobs: Jobs) -> None:
        attempts = jobs.folder / "attempts"
        spec = jobs.spec("attempts", attempts, 1, private={"A": "x"})
        (identity,) = pool.submit([spec])
        holds(attempts.exists)
        condor("condor_vacate_job", "-fast", identity)
        assert jobs.follow([spec])[spec.number].exit_code == 0

    def test_other_runs_are_left_alone(self, pool: Pool, jobs: Jobs, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        other = make(tmp_path / "other")
        spec = Jobs(other, tmp_path / "other").spec("span", tmp_path / "never", 50)
        other.submit([spec])
        mine = jobs.spec("span", jobs.folder / "never", 50)
        pool.submit([mine])
        pool.cancel()
        assert condor("condor_q", "-af", "GitbatchNumber", "-constraint", ours(other)) == "1\n"
        other.cancel()
        other.close()
        assert not condor("condor_q", "-af", "GitbatchNumber", "-constraint", ours(other))


class Deaf:
    """An event log that loses what is written to it."""

    def read(self) -> list[Event]:
        return []

    def close(self) -> None:
        pass


@pytest.fixture
def deaf(tmp_path: Path, htcondor_pool: Path) -> Iterator[Jobs]:
    pool = make(tmp_path, reconcile_s=0.5, held_timeout_s=1)
    pool._following._log = Deaf()  # type: ignore[assignment]
    yield Jobs(pool, tmp_path)
    pool.cancel()
    pool.close()


def test_without_events_queue_and_history_tell(deaf: Jobs) -> None:
    good, bad, signalled = deaf.spec("exit", 0), deaf.spec("exit", 3), deaf.spec("signal", 9)
    held = deaf.spec("span", deaf.folder / "never", 50, request=Request(extra={"hold": "true"}))
    removed, runs = (deaf.spec("span", deaf.folder / f"never{n}", 50) for n in range(2))
    *_, removed_id, _ = deaf.pool.submit([good, bad, signalled, held, removed, runs])
    condor("condor_rm", "-reason", "not wanted", removed_id)
    deaf.until(State.RUNNING, runs)
    final = deaf.follow([good, bad, signalled, held, removed])
    assert final[good.number].exit_code == 0
    assert final[bad.number].exit_code == 3
    assert final[signalled.number].signal == 9
    assert "(code 15/" in (final[held.number].reason or "")
    assert "not wanted" in (final[removed.number].reason or "")
    assert runs.number not in final


def test_a_job_that_nobody_knows_is_not_a_success(deaf: Jobs) -> None:
    spec = deaf.spec("exit", 0)
    deaf.pool.submit([spec])
    pool = deaf.pool
    assert isinstance(pool, HTCondorPool)
    ((cluster, proc),) = pool._jobs._progress
    pool._jobs._progress = {(cluster, 999): pool._jobs._progress[cluster, proc]}
    status = deaf.follow([spec])[spec.number]
    assert status.state is State.FAILED
    assert "lost" in (status.reason or "")


def test_an_answer_that_was_lost_does_not_queue_twice(
    tmp_path: Path, htcondor_pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make(tmp_path)
    submit = pool._schedd.submit

    def submit_and_lose_the_answer(submission):  # type: ignore[no-untyped-def]
        submit(submission)
        raise PoolError("the connection was closed")

    monkeypatch.setattr(pool._schedd, "submit", submit_and_lose_the_answer)
    jobs = Jobs(pool, tmp_path)
    statuses = jobs.run(*(jobs.spec("exit", n) for n in range(3)))
    assert [status.exit_code for status in statuses] == [0, 1, 2]
    pool.close()


def test_an_event_log_that_is_gone_is_said_once(tmp_path: Path, htcondor_pool: Path) -> None:
    said: list[str] = []
    pool = make(tmp_path, reconcile_s=0.3, notice=said.append)
    (tmp_path / "private" / "events.log").rename(tmp_path / "elsewhere")
    jobs = Jobs(pool, tmp_path)
    (status,) = jobs.run(jobs.spec("exit", 6))
    assert status.exit_code == 6
    assert len(said) <= 1
    pool.close()


def test_a_schedd_that_is_restarted(own_htcondor: Path, tmp_path: Path) -> None:
    said: list[str] = []
    pool = make(tmp_path, reconcile_s=0.3, notice=said.append)
    jobs = Jobs(pool, tmp_path)
    long, short = (jobs.spec("span", tmp_path / name, s) for name, s in (("long", 4), ("short", 2)))
    pool.submit([long, short])
    jobs.until(State.RUNNING, long)
    condor("condor_off", "-fast", "-daemon", "schedd")
    deadline = time.monotonic() + 20
    while not said and time.monotonic() < deadline:
        jobs.hear()
    assert "does not answer" in said[0]
    condor("condor_on", "-daemon", "schedd")
    late = jobs.spec("exit", 4)
    pool.submit([late])
    final = jobs.follow([long, short, late])
    assert [final[spec.number].exit_code for spec in (long, short, late)] == [0, 0, 4]
    assert len(said) == 2 and "answers again" in said[1]
    pool.close()


def test_a_schedd_that_stays_away(own_htcondor: Path, tmp_path: Path) -> None:
    pool = make(tmp_path, reconcile_s=0.2, patience_s=1.0, notice=lambda _: None)
    jobs = Jobs(pool, tmp_path)
    never = Request(extra={"requirements": "time() < 0"})
    pool.submit([jobs.spec("span", tmp_path / "never", 60, request=never)])
    subprocess.run([POOL_TOOL, "down", "--dir", own_htcondor], check=True)
    with pytest.raises(PoolError, match="has not answered"):
        for _ in range(20):
            pool.wait(1.0)
    assert not probing.probe().answers


def test_choose(tmp_path: Path, htcondor_pool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(kind: str) -> tuple[str, str]:
        options = PoolOptions(cores=3)
        pool, why = choose(kind, options, run="r", private_folder=tmp_path / "private")
        pool.close()
        return pool.kind, why

    assert chosen("auto")[0] == chosen("htcondor")[0] == "htcondor"
    kind, why = chosen("local")
    assert kind == "local"
    assert why.startswith("pool: local (as asked; ")
    assert "3 cores" in why
    with pytest.raises(PoolError, match="slurm"):
        chosen("slurm")

    monkeypatch.setenv("CONDOR_CONFIG", "/no/such/configuration")
    started = time.monotonic()
    kind, why = chosen("auto")
    assert time.monotonic() - started < 2
    assert kind == "local"
    assert "no HTCondor: " in why
    assert "CONDOR_CONFIG is /no/such/configuration" in why
    assert "\n" not in why
    with pytest.raises(PoolError) as caught:
        chosen("htcondor")
    assert caught.value.hint


def test_the_search_is_silent(htcondor_pool: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONDOR_CONFIG", "/no/such/configuration")
        assert not probing.probe().answers
    assert probing.probe().answers
    assert capfd.readouterr() == ("", "")


def test_a_run_with_an_id_that_needs_quoting_is_refused(
    tmp_path: Path, htcondor_pool: Path
) -> None:
    with pytest.raises(PoolError):
        HTCondorPool(run='a" || true || "', private_folder=tmp_path / "private")


def test_nothing_of_htcondor_is_imported_early() -> None:
    code = (
        "import sys, gitbatch_core.pools.choose, gitbatch_core.pools.htcondor.pool;"
        "print([m for m in sys.modules if m.startswith(('htcondor', 'classad'))])"
    )
    assert condor(sys.executable, "-c", code) == "[]\n"


def test_a_sign_is_an_end_and_close_waits_for_the_rest(tmp_path: Path, htcondor_pool: Path) -> None:
    pool = make(tmp_path)
    jobs = Jobs(pool, tmp_path)
    sign = tmp_path / "signs" / "1"
    sign.parent.mkdir()
    spec = jobs.spec("sign", sign, 2, sign=sign)
    pool.submit([spec])
    ended = jobs.until(State.ENDED, spec)
    assert ended.exit_code == 0
    assert condor("condor_q", "-af", "JobStatus", "-constraint", ours(pool)).split() == ["2"]
    pool.close()
    queued = condor("condor_q", "-af", "JobStatus", "-constraint", ours(pool)).split()
    assert queued in ([], ["4"]), queued
    assert pool.wait(0) == []


def test_what_is_on_hold_after_its_sign_is_removed(tmp_path: Path, htcondor_pool: Path) -> None:
    pool, sign = make(tmp_path), tmp_path / "signs" / "1"
    jobs = Jobs(pool, tmp_path)
    sign.parent.mkdir()
    spec = jobs.spec("sign", sign, 30, sign=sign)
    pool.submit([spec])
    jobs.until(State.ENDED, spec)
    other = make(tmp_path, pool._run)
    assert other.adopt({spec.number: sign})
    condor("condor_hold", "-constraint", ours(pool))
    queued = ("condor_q", "-af", "JobStatus", "-constraint", ours(pool))
    deadline = time.monotonic() + 20
    while condor(*queued).split() != ["5"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    for each in (other, pool):
        each.close()
    assert not condor(*queued)


def test_a_sign_that_is_seen_late_is_not_waited_for(tmp_path: Path, htcondor_pool: Path) -> None:
    pool, sign = make(tmp_path), tmp_path / "signs" / "1"
    jobs = Jobs(pool, tmp_path)
    sign.parent.mkdir()
    spec = jobs.spec("exit", 0, sign=sign)
    pool.submit([spec])
    jobs.until(State.ENDED, spec)
    sign.touch()
    assert pool.wait(0) == []
    begun = time.monotonic()
    pool.close()
    assert time.monotonic() - begun < 5
