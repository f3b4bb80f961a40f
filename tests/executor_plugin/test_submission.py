"""Jobs are handed to a pool together; one that it does not take does not stop the others."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gitbatch_core.errors import PoolError
from gitbatch_core.pools.base import JobSpec, RefusedError
from gitbatch_core.pools.local.pool import LocalPool
from snakemake_executor_plugin_gitbatch.run.submission import submit


class ChoosyPool(LocalPool):
    """Takes no job with this name, and no two of that one together with others."""

    refused = "refused"
    alone = "alone"

    def submit(self, jobs: Sequence[JobSpec]) -> list[str]:
        numbers = [each.number for each in jobs if each.name == self.refused]
        if numbers:
            raise RefusedError(dict.fromkeys(numbers, "It asks for too much."), hint="Ask less.")
        if any(each.name == self.alone for each in jobs):
            raise PoolError("The schedd says no.")
        return super().submit(jobs)


@pytest.fixture
def pool() -> Iterator[ChoosyPool]:
    pool = ChoosyPool(cores=2)
    yield pool
    pool.cancel()
    pool.close()


def specs(folder: Path, *names: str) -> list[JobSpec]:
    found = []
    for number, name in enumerate(names, 1):
        (folder / str(number)).mkdir()
        argv = ("/bin/sh", "-c", "exit 0")
        found.append(JobSpec(number=number, name=name, argv=argv, folder=folder / str(number)))
    return found


def follow(pool: LocalPool, number: int) -> set[int]:
    """Numbers of so many jobs that end."""
    ended = set[int]()
    deadline = time.monotonic() + 40
    while len(ended) < number and time.monotonic() < deadline:
        ended.update(status.number for status in pool.wait(1) if status.state.final)
    return ended


def test_all_are_taken(pool: ChoosyPool, tmp_path: Path) -> None:
    submission = submit(pool, specs(tmp_path, "a", "b"))
    assert submission.ids.keys() == {1, 2} and submission.refusals == {}
    assert follow(pool, 2) == {1, 2}


def test_refused_jobs_do_not_stop_the_others(pool: ChoosyPool, tmp_path: Path) -> None:
    submission = submit(pool, specs(tmp_path, "a", "refused", "b", "refused"))
    assert submission.ids.keys() == {1, 3}
    assert submission.refusals.keys() == {2, 4}
    assert submission.refusals[2] == "It asks for too much.\nAsk less."
    assert follow(pool, 2) == {1, 3}


def test_where_the_pool_names_no_job_each_is_tried(pool: ChoosyPool, tmp_path: Path) -> None:
    submission = submit(pool, specs(tmp_path, "a", "alone", "b"))
    assert submission.ids.keys() == {1, 3}
    assert submission.refusals == {2: "The schedd says no."}
    assert follow(pool, 2) == {1, 3}


def test_nothing_is_handed_over_where_there_is_nothing(pool: ChoosyPool) -> None:
    assert submit(pool, []).ids == {}
