"""Claims that have no job: when the schedd is to look at them, and that it does, on a pool with
HTCondor's own settings, where it looks by itself every five minutes only."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conformance import Jobs, holds

from gitbatch_core.pools.htcondor.events import Event
from gitbatch_core.pools.htcondor.idle_claims import IdleSlots
from gitbatch_core.pools.htcondor.pool import HTCondorPool


def event(kind: str, proc: int, slot: str = "") -> Event:
    return Event(kind=kind, cluster=1, proc=proc, facts={"SlotName": slot} if slot else {})


def heard(*events: tuple[float, Event]) -> IdleSlots:
    slots = IdleSlots()
    for now, each in events:
        slots.hear(each, now)
    return slots


def test_a_slot_is_idle_between_two_jobs() -> None:
    begins, ends = event("EXECUTE", 0, "slot1@a"), event("JOB_TERMINATED", 0)
    assert not heard((0, begins))
    assert heard((0, begins), (5, ends))
    assert not heard((0, begins), (5, ends), (6, event("EXECUTE", 1, "slot1@a")))
    assert heard((0, begins), (5, ends), (6, event("EXECUTE", 1, "slot2@a")))
    assert heard((0, begins), (5, event("JOB_ABORTED", 0)))
    # What is evicted or on hold has given its claim back; a job that never ran had none.
    assert not heard((0, begins), (5, event("JOB_EVICTED", 0)), (6, event("JOB_ABORTED", 0)))
    assert not heard((0, begins), (5, event("JOB_HELD", 0)), (6, event("JOB_ABORTED", 0)))
    assert not heard((5, event("JOB_ABORTED", 0)))


def test_slots_without_names_are_told_apart() -> None:
    slots = heard((0, event("EXECUTE", 0)), (0, event("EXECUTE", 1)))
    slots.hear(event("JOB_TERMINATED", 0), 5)
    slots.hear(event("EXECUTE", 2), 6)
    assert slots.ends(10, 6) == [11]


def test_when_the_schedd_is_to_look() -> None:
    slots = heard(*((0, event("EXECUTE", n, f"slot{n}@a")) for n in range(2)))
    slots.hear(event("JOB_TERMINATED", 0), 100)
    # Soon, for a job that came too late for the shadow; once.
    assert not slots.missed(100.9) and slots.missed(101)
    slots.looked(10, 101)
    assert slots and not slots.missed(109) and not slots.over(10, 111.9)
    # A look that came before the claim was idle is none.
    slots.hear(event("JOB_TERMINATED", 1), 109)
    slots.looked(10, 109.5)
    assert slots.missed(110)
    # And when its time is over.
    assert slots.over(10, 112)
    slots.looked(10, 112)
    assert slots and not slots.over(10, 120.9) and slots.over(10, 121)
    slots.looked(10, 121)
    assert not slots and not slots.over(10, 200)


def test_in_how_many_seconds_the_schedd_is_to_look_at_last() -> None:
    slots = heard(*((0, event("EXECUTE", n, f"slot{n}@a")) for n in range(5)))
    assert slots.ends(10, 50) == []
    for n, now in enumerate((30, 44, 47, 49.5, 50)):
        slots.hear(event("JOB_TERMINATED", n), now)
    # The last one, those at most four seconds before it with it; what is over, at once.
    assert slots.ends(10, 50) == [12, 6, 0]


OTHERS = """\
accounting_group = others
accounting_group_user = somebody
executable = /bin/sh
transfer_executable = false
should_transfer_files = no
arguments = "-c 'touch $(Process); while [ ! -e 0 ] || [ ! -e 1 ]; do sleep 0.1; done'"
queue 2
"""


def claims() -> list[str]:
    """What each of our slots does."""
    asked = ["condor_status", "-af", "State", "Activity"]
    lines = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.splitlines()
    return sorted(line for line in lines if line.startswith("Claimed"))


def make(folder: Path) -> HTCondorPool:
    return HTCondorPool(
        run=f"idle-{os.getpid()}-{time.monotonic_ns()}",
        private_folder=folder / "private",
        keep_claim_idle_s=2,
    )


@pytest.fixture
def jobs(default_pool: Path, tmp_path: Path) -> Iterator[Jobs]:
    pool = make(tmp_path)
    yield Jobs(pool, tmp_path)
    pool.cancel()
    pool.close()


def test_claims_are_used_and_given_back(jobs: Jobs, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    wait = ("/bin/sh", "-c", f"while [ ! -e '{gate}' ]; do sleep 0.1; done")
    long, short = jobs.spec("", argv=wait), jobs.spec("", argv=("/bin/true",))
    jobs.pool.submit([long, short])
    jobs.follow([short])
    holds(lambda: claims() == ["Claimed Busy", "Claimed Idle"])
    # No slot is free, and no shadow is there to ask for it.
    late = jobs.spec("", argv=("/bin/true",))
    [ended] = jobs.run(late)
    assert ended.exit_code == 0

    def given_back() -> bool:
        jobs.hear()
        return claims() == ["Claimed Busy"]

    holds(given_back)
    gate.touch()
    jobs.follow([long])
    holds(lambda: claims() == ["Claimed Idle"])
    jobs.pool.close()
    # Somebody else's jobs, which need both slots, and cannot run on what is claimed for us.
    folder = tmp_path / "others"
    folder.mkdir()
    (folder / "submit").write_text(OTHERS)
    subprocess.run(["condor_submit", "submit"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    holds(lambda: (folder / "0").exists() and (folder / "1").exists())
    holds(lambda: not claims())


@pytest.fixture
def forbidding(default_pool: Path) -> Iterator[None]:
    """The schedd runs no jobs itself."""

    def told(value: str) -> bool:
        asked = ["condor_status", "-schedd", "-af", "StartSchedulerUniverse"]
        return subprocess.run(asked, capture_output=True, text=True).stdout.strip() == value

    settings = default_pool / "local.conf"
    settings.write_text("START_SCHEDULER_UNIVERSE = False\n")
    subprocess.run(["condor_reconfig"], check=True, stdout=subprocess.DEVNULL)
    holds(lambda: told("false"))
    yield
    settings.unlink()
    subprocess.run(["condor_reconfig"], check=True, stdout=subprocess.DEVNULL)
    holds(lambda: told("true"))


@pytest.mark.usefixtures("forbidding")
def test_where_the_schedd_cannot_be_made_to_look_no_claims_are_kept(jobs: Jobs) -> None:
    [ended] = jobs.run(jobs.spec("", argv=("/bin/true",)))
    assert ended.exit_code == 0
    holds(lambda: not claims())
