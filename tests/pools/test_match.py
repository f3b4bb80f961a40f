"""Jobs that no slot of the pool can ever run."""

from __future__ import annotations

from pathlib import Path

import pytest
from conformance import Jobs
from daemons import condor, make, own_pool

from gitbatch_core.errors import PoolError
from gitbatch_core.pools.base import RefusedError, Request
from gitbatch_core.pools.htcondor.match import Gate, Slots


def why(slots: Slots, requirements: str = "", **asked: int) -> str | None:
    extra = {"requirements": requirements} if requirements else {}
    return slots.why_never(Request(extra=extra, **asked))  # type: ignore[arg-type]


def test_what_the_machines_have_in_all_counts(htcondor_pool: Path) -> None:
    slots = Slots.read()
    assert slots.most_memory_mb and slots.most_memory_mb > 100
    assert why(slots, cpus=1, memory_mb=100, disk_mb=10) is None
    assert why(slots, cpus=4000) == "asks for 4000 CPUs; the largest slot has 8"
    assert why(slots, gpus=2) == "asks for 2 GPUs; the largest slot has none"
    own = Request(extra={"Request_Licences": "2"})
    assert slots.why_never(own) == "asks for licences=2; the largest slot has none"
    assert "asks for 1000000000 MiB of disk; the largest slot has" in str(why(slots, disk_mb=10**9))
    assert why(slots, 'OpSys == "LINUX" && Memory >= RequestMemory', memory_mb=64) is None
    assert "has the requirements HasNoSuchThing; 1 slot" in str(why(slots, "HasNoSuchThing"))
    # What may come true is no reason to say no.
    for maybe in ('State == "Never"', "time() < 0", "LoadAvg < -1", "MY.Some > 1", "$(X) > 1"):
        assert why(slots, maybe) is None, maybe


def test_slots_that_each_lack_something() -> None:
    class Slot:
        def __init__(self, **has: int) -> None:
            self.has = has

        def number(self, name: str) -> float | None:
            return self.has.get(name)

    slots = Slots(ads=(Slot(Cpus=8, Memory=10), Slot(Cpus=1, Memory=99)))  # type: ignore[arg-type]
    assert why(slots, cpus=8, memory_mb=99) == (
        "asks for 8 CPUs and 99 MiB of memory; no slot has all of it"
    )
    assert Slots(ads=()).why_never(Request(cpus=10**6)) is None


def test_what_would_be_refused_is_known_before_there_is_a_job(htcondor_pool: Path) -> None:
    strict = Gate(unmatched="refuse", notice=print)
    strict.check_request(Request(cpus=1), "align")
    with pytest.raises(PoolError, match=r"^align asks for 640 CPUs; the largest slot has 8\n"):
        strict.check_request(Request(cpus=640), "align")
    patient = Gate(unmatched="wait", notice=print)
    patient.check_request(Request(cpus=640), "align")
    with pytest.raises(PoolError, match=r"^align: rank: `\(` is no ClassAd expression$") as caught:
        patient.check_request(Request(extra={"rank": "("}), "align")
    assert caught.value.hint is None


def test_refuse_or_wait(htcondor_pool: Path, tmp_path: Path) -> None:
    said: list[str] = []
    strict = make(tmp_path / "a")
    patient = make(tmp_path / "b", unmatched="wait", notice=said.append)
    jobs = Jobs(strict, tmp_path)
    good, huge = jobs.spec("exit", 0), jobs.spec("exit", 0, request=Request(cpus=640))
    with pytest.raises(RefusedError, match=r"^Job 2 \(rule2\) asks for 640 CPUs") as caught:
        strict.submit([good, huge])
    assert caught.value.refused.keys() == {2}
    assert "--gitbatch-unmatched wait" in (caught.value.hint or "")
    patient.submit([huge])
    assert said == ["Job 2 (rule2) asks for 640 CPUs; the largest slot has 8. It waits for another "
                    "machine."]  # fmt: skip
    patient.cancel()
    patient.close()
    strict.close()


def test_a_pool_without_slots_is_waited_for(htcondor_pool: Path, tmp_path: Path) -> None:
    said: list[str] = []
    with own_pool(htcondor_pool):
        condor("condor_off", "-fast", "-daemon", "startd")
        while Slots.read().ads:
            pass
        pool = make(tmp_path, notice=said.append)
        jobs = Jobs(pool, tmp_path)
        specs = [jobs.spec("exit", 0, request=Request(cpus=2)) for _ in range(2)]
        for spec in specs:
            pool.submit([spec])
        assert said == ["The pool has no slots now: jobs wait until it has some."]
        condor("condor_on", "-daemon", "startd")
        jobs.follow(specs)
        pool.close()
