"""Many jobs in one submission, on a real pool: what they are given arrives, and those that the
schedd has not made yet are not lost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conformance import HURTING, Jobs, holds
from daemons import condor, make, ours
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gitbatch_core.errors import PoolError
from gitbatch_core.pools.base import Request, State
from gitbatch_core.pools.htcondor.pool import HTCondorPool
from gitbatch_core.pools.htcondor.submit import string

NEVER = "time() < 0"


@pytest.fixture
def pool(tmp_path: Path, htcondor_pool: Path) -> Iterator[HTCondorPool]:
    pool = make(tmp_path, reconcile_s=0.5, most_at_once=3)
    yield pool
    pool.cancel()
    pool.close()


@pytest.fixture
def jobs(pool: HTCondorPool, tmp_path: Path) -> Jobs:
    return Jobs(pool, tmp_path)


def words(number: int) -> list[str]:
    """Random ones that HTCondor carries, and those that hurt."""
    found: list[str] = []
    hurting = st.text(alphabet=st.sampled_from("$()[]{}'\"\\ \t%#,;=/-x"), max_size=10)
    any_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n\r\x1f"))

    @settings(
        max_examples=number,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(hurting | any_text)
    def collect(word: str) -> None:
        found.append(word)

    collect()
    return [*HURTING, *found]


def test_arguments_environment_and_attributes_arrive_as_they_are(
    tmp_path: Path, htcondor_pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_words = words(120)
    for number, word in enumerate(given_words):
        monkeypatch.setenv(f"LC_{number}", word)
    pool = make(tmp_path)
    jobs = Jobs(pool, tmp_path)
    specs = [
        jobs.spec(
            "show",
            tmp_path / f"told {n}",
            *given_words[n::20],
            labels={"wildcards": given_words[n]},
            request=Request(memory_mb=32, disk_mb=16, extra={"+Site": string(given_words[n + 20])}),
        )
        for n in range(20)
    ]
    ids = pool.submit(specs)
    assert len({identity.partition(".")[0] for identity in ids}) == 1
    ads = pool._schedd.query(pool._constraint(None), ["ProcId", "Site", "GitbatchWildcards"])
    for ad in ads:
        assert ad["GitbatchWildcards"] == given_words[ad["ProcId"]]
        assert ad["Site"] == given_words[ad["ProcId"] + 20]
    jobs.follow(specs)
    for n in range(20):
        told = json.loads((tmp_path / f"told {n}").read_text())
        assert told["words"] == given_words[n::20]
        for number, word in enumerate(given_words):
            assert told["environment"][f"LC_{number}"] == word
    pool.close()


def test_more_than_fit_are_made_late_and_none_is_lost(pool: HTCondorPool, jobs: Jobs) -> None:
    specs = [
        jobs.spec("exit", n % 3, request=Request(extra={"requirements": f"Memory > {1 + n % 2}"}))
        for n in range(14)
    ]
    ids = pool.submit(specs)
    assert len({identity.partition(".")[0] for identity in ids}) == 2
    final = jobs.follow(specs)
    assert [final[spec.number].exit_code for spec in specs] == [n % 3 for n in range(14)]
    assert pool.wait(0.2) == []


def test_those_not_made_yet_wait_and_are_cancelled(pool: HTCondorPool, jobs: Jobs) -> None:
    def queue() -> list[str]:
        printed = condor("condor_q", "-af", "GitbatchNumber", "-constraint", ours(pool))
        return sorted(printed.split())

    request = Request(extra={"requirements": NEVER})
    specs = [jobs.spec("span", jobs.folder / "never", 9, request=request) for _ in range(8)]
    pool.submit(specs)
    assert queue() == ["1", "2", "3"]
    for _ in range(4):  # the queue is asked several times
        assert not [status for status in pool.wait(0.5) if status.state.final]
    pool.cancel([1, 3, 5])
    deadline = time.monotonic() + 20
    while queue() != ["2", "4", "6"]:
        assert time.monotonic() < deadline, queue()
        assert not [status for status in pool.wait(0.5) if status.state.final]
    pool.cancel()
    holds(lambda: not queue())
    time.sleep(1)
    assert not queue()


def test_an_answer_that_was_lost_does_not_queue_late_jobs_twice(
    pool: HTCondorPool, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = pool._schedd.submit

    def submit_and_lose_the_answer(submission):  # type: ignore[no-untyped-def]
        submit(submission)
        raise PoolError("the connection was closed")

    monkeypatch.setattr(pool._schedd, "submit", submit_and_lose_the_answer)
    statuses = jobs.run(*(jobs.spec("exit", n) for n in range(7)))
    assert [status.exit_code for status in statuses] == list(range(7))
    assert {status.state for status in statuses} == {State.ENDED}
    clusters = condor("condor_history", "-constraint", ours(pool), "-af", "ClusterId")
    assert len({*clusters.split()}) == 1


def test_another_process_adopts_what_is_not_made_yet(
    pool: HTCondorPool, jobs: Jobs, tmp_path: Path
) -> None:
    specs = [jobs.spec("span", tmp_path / f"span{n}", 2) for n in range(8)]
    ids = pool.submit(specs)
    other = make(tmp_path, pool._run, reconcile_s=0.5)
    adopted = other.adopt({spec.number: spec.sign for spec in specs})
    assert adopted == {spec.number: id for spec, id in zip(specs, ids, strict=True)}
    jobs.pool = other
    final = jobs.follow(specs)
    assert {final[spec.number].exit_code for spec in specs} == {0}
    other.close()
