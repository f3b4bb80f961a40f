"""The memory of a job's processes together, at its peak."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from gitbatch_core.runner.memory_peak import FamilyMemory

MIB = 1 << 20


@contextmanager
def process(mib: int) -> Iterator[int]:
    """One that has so much memory, and holds it."""
    code = f"held = b'x' * ({mib} * {MIB}); print(flush=True); input()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as started:
        assert started.stdout is not None
        started.stdout.readline()
        yield started.pid
        started.communicate(b"\n")


def look(memory: FamilyMemory) -> None:
    memory._next = 0  # now
    memory.look_sometimes()


def test_it_is_the_largest_sum_of_all_of_them_at_one_time() -> None:
    family: list[int] = []
    memory = FamilyMemory(lambda: family)
    with process(60) as first:
        with process(60) as second:
            family[:] = [first, second]
            look(memory)
        both = memory.peak_mb()
        assert both > 120
        look(memory)  # the second is gone, and still listed
    family[:] = []
    look(memory)
    assert memory.peak_mb() == both


def test_a_process_that_nobody_has_seen_counts_by_itself() -> None:
    memory = FamilyMemory(lambda: ())
    with process(150):
        pass
    assert memory.peak_mb() > 150


def test_it_is_not_looked_at_all_the_time() -> None:
    looks: list[int] = []

    def family() -> list[int]:
        looks.append(1)
        return []

    memory = FamilyMemory(family)
    waits = [memory.look_sometimes() for _ in range(5)]
    assert looks == [] and all(0 < wait <= 0.5 for wait in waits), "a short job has no look"
    look(memory)
    assert looks == [1] and 0.5 < memory.look_sometimes() <= 1
