"""A third kind of pool needs one line in `KINDS`, and nothing else knows of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from conformance import Jobs, PoolConformance

from gitbatch_core.errors import PoolError, RunError
from gitbatch_core.pools import choose
from gitbatch_core.pools.base import Availability, Pool, PoolOptions, Request, State
from gitbatch_core.pools.local.kind import LocalKind
from gitbatch_core.pools.local.pool import LocalPool
from snakemake_executor_plugin_gitbatch.job import resources


class PartitionPool(LocalPool):
    """Jobs of a partition, which this machine stands for."""

    kind = "partitions"


class PartitionKind(LocalKind):
    """Has one resource of its own."""

    name = "partitions"
    label = "Partitions"
    hint = "Log in to the head node."
    answers = True

    def probe(self) -> Availability:
        return Availability(answers=self.answers, text="the head node" * self.answers or "no node")

    def open(
        self, options: PoolOptions, *, run: str, private_folder: Path, availability: Availability
    ) -> Pool:
        return PartitionPool(cores=options.cores, memory_mb=4000)

    def heeds(self, resource: str) -> bool:
        return resource == "partition"

    def only_places(self, resource: str) -> bool:
        return resource == "partition"

    def request(
        self,
        plain: Request,
        resources: Mapping[str, object],
        *,
        title: str,
        secrets: Mapping[str, str],
        in_worktree: Callable[[str], Path],
    ) -> Request:
        if "partition" not in resources:
            raise RunError(f"{title}: the resource partition is missing.")
        return replace(plain, extra={"partition": str(resources["partition"])})


@pytest.fixture(autouse=True)
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a line in the source would add it."""
    monkeypatch.setitem(choose.KINDS, "partitions", PartitionKind)


class TestConformance(PoolConformance):
    not_carried = "\0"

    @pytest.fixture
    def pool(self, tmp_path: Path) -> Iterator[Pool]:
        options = PoolOptions(cores=4)
        pool, why = choose.choose("partitions", options, run="r", private_folder=tmp_path)
        assert why.startswith("pool: partitions (the head node; ")
        yield pool
        pool.close()

    def traces(self, pool: Pool) -> bytes:
        commands = (file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline"))
        return b"".join(commands)

    def never(self) -> Request:
        return Request(cpus=4)

    def test_cancel_takes_waiting_jobs_and_leaves_the_others(self, pool: Pool, jobs: Jobs) -> None:
        busy = jobs.spec("span", jobs.folder / "busy", 1)
        pool.submit([busy])
        jobs.until(State.RUNNING, busy)
        super().test_cancel_takes_waiting_jobs_and_leaves_the_others(pool, jobs)


def test_it_can_be_asked_for() -> None:
    assert choose.names() == ("auto", "htcondor", "local", "partitions")
    kind, availability = choose.find("partitions")
    assert (kind.name, availability.text) == ("partitions", "the head node")
    assert [check.ok for check in kind.checks(availability)] == [True]


def test_where_it_does_not_answer_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PartitionKind, "answers", False)
    with pytest.raises(PoolError, match="No Partitions to run on: no node") as refused:
        choose.find("partitions")
    assert refused.value.hint == PartitionKind.hint


class Job:
    """What is read of a Snakemake job."""

    threads = 2
    resources: Mapping[str, object] = {"partition": "long", "rank": "Mips", "mem_mib": 100}


def test_its_resources_reach_it_and_no_other(tmp_path: Path) -> None:
    class Anywhere:
        def there(self, path: str) -> Path:
            return tmp_path / path

    def asked(name: str) -> Request:
        kind = choose.kind_named(name)
        return resources.request(Job(), kind, title="a", secrets={}, mirror=Anywhere())  # type: ignore[arg-type]

    assert asked("partitions") == Request(cpus=2, memory_mb=100, extra={"partition": "long"})
    assert asked("htcondor") == Request(cpus=2, memory_mb=100, extra={"rank": "Mips"})
    assert asked("local") == Request(cpus=2, memory_mb=100)
    assert resources.only_places("partition"), "it is no part of a job's key"


def test_who_runs_elsewhere_hears_what_is_not_heeded() -> None:
    ignored = {name: resources.ignored(Job(), choose.kind_named(name)) for name in choose.KINDS}
    assert ignored == {
        "partitions": {"HTCondor": ["rank"]},
        "htcondor": {"Partitions": ["partition"]},
        "local": {"HTCondor": ["rank"], "Partitions": ["partition"]},
    }
