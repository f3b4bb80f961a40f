"""The local pool: the conformance tests, its limits, and what happens when its controller dies."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conformance import Jobs, PoolConformance, alive, appears, holds
from hypothesis import given
from hypothesis import strategies as st

from gitbatch_core.pools import processes
from gitbatch_core.pools.base import JobSpec, Pool, Request, State
from gitbatch_core.pools.local import machine
from gitbatch_core.pools.local.pool import LocalPool
from gitbatch_core.pools.local.queue import Queue, Share

if TYPE_CHECKING:
    from collections.abc import Iterator


class TestConformance(PoolConformance):
    @pytest.fixture
    def pool(self, tmp_path: Path) -> Iterator[Pool]:
        pool = LocalPool(cores=4, memory_mb=4000)
        yield pool
        pool.close()

    def traces(self, pool: Pool) -> bytes:
        found = b""
        for folder in Path("/proc").glob("[0-9]*"):
            for name in ("cmdline", "environ"):
                try:
                    found += (folder / name).read_bytes()
                except OSError:
                    continue
        return found

    def never(self) -> Request:
        return Request(cpus=4)

    def test_cancel_takes_waiting_jobs_and_leaves_the_others(self, pool: Pool, jobs: Jobs) -> None:
        busy = jobs.spec("span", jobs.folder / "busy", 1)
        pool.submit([busy])
        jobs.until(State.RUNNING, busy)
        super().test_cancel_takes_waiting_jobs_and_leaves_the_others(pool, jobs)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Jobs]:
    pool = LocalPool(cores=3, memory_mb=1000, grace_s=0.3)
    yield Jobs(pool, tmp_path)
    pool.close()


def shell(jobs: Jobs, script: str, **fields: object) -> JobSpec:
    """A job that starts faster than Python does."""
    return jobs.spec("", argv=("/bin/sh", "-c", script, "sh"), **fields)


def most_at_once(spans: list[tuple[list[float], int]]) -> int:
    """The largest sum of what ran at one time."""
    changes = sorted([(s[0], a) for s, a in spans] + [(s[1], -a) for s, a in spans])
    sums, total = [], 0
    for _, amount in changes:
        total += amount
        sums.append(total)
    return max(sums)


def test_no_more_cores_and_memory_than_there_are(small: Jobs) -> None:
    asked = [(1 + n % 3, 100 + 150 * (n % 4)) for n in range(16)]
    files = [small.folder / f"span{n}" for n in range(len(asked))]
    small.run(
        *(
            small.spec("span", file, 0.1, request=Request(cpus=cpus, memory_mb=memory_mb))
            for file, (cpus, memory_mb) in zip(files, asked, strict=True)
        )
    )
    spans = [appears(file) for file in files]
    cores = [(span, cpus) for span, (cpus, _) in zip(spans, asked, strict=True)]
    memory = [(span, memory_mb) for span, (_, memory_mb) in zip(spans, asked, strict=True)]
    assert 2 <= most_at_once(cores) <= 3  # type: ignore[arg-type]
    assert most_at_once(memory) <= 1000  # type: ignore[arg-type]


@pytest.mark.parametrize("request_", [Request(memory_mb=5000), Request(cpus=64)])
def test_a_job_that_asks_for_too_much_runs_alone_and_says_so(
    small: Jobs, request_: Request
) -> None:
    files = [small.folder / name for name in ("before", "big", "after")]
    before, big, after = (
        small.spec("span", file, 0.2, request=request_ if file.name == "big" else Request())
        for file in files
    )
    small.pool.submit([before, big, after])
    assert "runs alone" in (small.until(State.RUNNING, big).reason or "")
    small.follow([big, after])
    spans = [appears(file) for file in files]
    assert most_at_once([(span, 1) for span in (spans[0], spans[1])]) == 1  # type: ignore[misc]
    assert most_at_once([(span, 1) for span in (spans[2], spans[1])]) == 1  # type: ignore[misc]


def test_300_jobs(small: Jobs) -> None:
    many = [shell(small, f"exit {n % 7}") for n in range(300)]
    assert [status.exit_code for status in small.run(*many)] == [n % 7 for n in range(300)]


def test_stubborn_families_are_killed_after_the_grace(small: Jobs) -> None:
    file = small.folder / "family"
    small.pool.submit([small.spec("family", file, "stubborn")])
    family = appears(file)
    small.pool.cancel()
    holds(lambda: not any(map(alive, family)), 5)  # type: ignore[arg-type]


def test_what_a_killed_runner_leaves_in_its_session_is_ended(small: Jobs) -> None:
    file = small.folder / "child"
    spec = shell(small, f"sleep 300 & echo $! > {file}; kill -9 $$")
    (status,) = small.run(spec)
    assert status.signal == signal.SIGKILL
    holds(lambda: not alive(int(file.read_text())), 5)


CONTROLLER = """
import os, sys, time
from pathlib import Path
from gitbatch_core.pools.base import JobSpec
from gitbatch_core.pools.local.pool import LocalPool

standin, folder, fork = sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "fork"
pool = LocalPool()
argv = (sys.executable, standin, "until-alone", str(folder / "pid"), str(folder / "alone"))
pool.submit([JobSpec(number=1, name="rule", argv=argv, folder=folder)])
while not (folder / "pid").exists():
    time.sleep(0.01)
if fork and os.fork() == 0:
    (folder / "copy").write_text(str(os.getpid()))
    time.sleep(20)
    os._exit(0)
time.sleep(60)
"""


@pytest.mark.parametrize("mode", ["plain", "fork"])
def test_jobs_see_the_end_of_a_killed_controller(tmp_path: Path, mode: str) -> None:
    standin = Path(__file__).parent / "standin.py"
    controller = subprocess.Popen(
        [sys.executable, "-c", CONTROLLER, standin, tmp_path, mode],
        stderr=subprocess.DEVNULL,
    )
    appears(tmp_path / "pid")
    if mode == "fork":
        holds((tmp_path / "copy").exists)
    controller.kill()
    controller.wait()
    assert appears(tmp_path / "alone", 5) == "alone"
    if mode == "fork":
        os.kill(int((tmp_path / "copy").read_text()), signal.SIGKILL)


def test_more_jobs_at_once_than_descriptors(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, limits[1]))
    pool = LocalPool(cores=500)
    try:
        jobs = Jobs(pool, tmp_path)
        many = [shell(jobs, "sleep 0.5") for _ in range(500)]
        assert all(status.exit_code == 0 for status in jobs.run(*many))
        before = len(list(Path("/proc/self/fd").iterdir()))
    finally:
        pool.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert before < 100


def test_descriptors_that_run_out_are_waited_for(tmp_path: Path) -> None:
    pool = LocalPool(cores=40)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 30, limits[1]))
    try:
        jobs = Jobs(pool, tmp_path)
        assert all(s.exit_code == 0 for s in jobs.run(*(shell(jobs, "exit 0") for _ in range(40))))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        pool.close()


def test_a_folder_that_is_missing_fails_its_job_only(small: Jobs) -> None:
    bad = shell(small, "exit 0")
    bad.folder.rmdir()
    failed, good = small.run(bad, shell(small, "exit 0"))
    assert failed.state is State.FAILED
    assert str(bad.folder) in (failed.reason or "")
    assert good.exit_code == 0


def test_a_command_line_too_long_fails_its_job_only(small: Jobs) -> None:
    too_long = small.spec("", argv=("/bin/true", "x" * 3_000_000))
    failed, good = small.run(too_long, shell(small, "exit 0"))
    assert (failed.state, good.exit_code) == (State.FAILED, 0)


def test_closing_ends_what_runs(small: Jobs) -> None:
    file = small.folder / "family"
    small.pool.submit([small.spec("family", file)])
    family = appears(file)
    small.pool.close()
    holds(lambda: not any(map(alive, family)), 5)  # type: ignore[arg-type]


def test_hurry_after_the_end_writes_into_nobodys_file(small: Jobs) -> None:
    small.run(shell(small, "exit 0"))
    small.pool.close()
    # The numbers of the pool's descriptors are free for others now.
    files = [(small.folder / str(n)).open("wb") for n in range(8)]
    small.pool.hurry()
    for file in files:
        file.close()
    assert not any((small.folder / str(n)).stat().st_size for n in range(8))


def spec(number: int, cpus: int, memory_mb: int | None = None) -> JobSpec:
    request = Request(cpus=cpus, memory_mb=memory_mb)
    return JobSpec(number=number, name="", argv=("x",), folder=Path("/"), request=request)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.none() | st.integers(0, 120)), max_size=80),
    st.randoms(use_true_random=False),
)
def test_the_queue_serves_all_within_limits(asked, random) -> None:  # type: ignore[no-untyped-def]
    queue = Queue(cores=6, memory_mb=100)
    queue.add([spec(n, *request) for n, request in enumerate(asked)])
    running: list[tuple[int, Share]] = []
    served: list[int] = []
    while len(served) < len(asked):
        while taken := queue.take():
            running.append((taken[0].number, taken[1]))
            served.append(taken[0].number)
        assert running
        assert sum(share.cores for _, share in running) <= 6
        assert sum(share.memory_mb for _, share in running) <= 100
        assert len(running) == 1 or not any(share.notice for _, share in running)
        queue.give_back(running.pop(random.randrange(len(running)))[1])
    assert sorted(served) == list(range(len(asked)))


def test_small_jobs_do_not_starve_a_large_one() -> None:
    queue = Queue(cores=2, memory_mb=100)
    queue.add([spec(0, 1), spec(1, 2), *(spec(n, 1) for n in range(2, 200))])
    running: list[Share] = []
    order: list[int] = []
    while len(order) < 200:
        while taken := queue.take():
            order.append(taken[0].number)
            running.append(taken[1])
        queue.give_back(running.pop(0))
    assert order[:3] == [0, 2, 3]
    assert order.index(1) <= 25


def test_the_machine_is_not_larger_than_it_is() -> None:
    assert 1 <= machine.cores() <= len(os.sched_getaffinity(0))
    assert machine.memory_mb() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20


@pytest.mark.parametrize(
    ("lines", "files", "cores", "memory_mb"),
    [
        ("0::/a/b\n", {"a/cpu.max": "150000 100000", "a/b/memory.max": "1048576000"}, 1, 1000),
        ("0::/a/b\n", {"a/cpu.max": "max 100000", "a/b/memory.max": "max"}, None, None),
        ("0::/elsewhere\n", {"memory.max": "2097152"}, None, 2),
        (
            "4:cpu,cpuacct:/j\n3:memory:/j\n",
            {
                "cpu,cpuacct/j/cpu.cfs_quota_us": "100000",
                "cpu,cpuacct/j/cpu.cfs_period_us": "100000",
                "cpu,cpuacct/cpu.cfs_quota_us": "-1",
                "memory/j/memory.limit_in_bytes": "10485760",
            },
            1,
            10,
        ),
    ],
)
def test_cgroups_count(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lines: str,
    files: dict[str, str],
    cores: int | None,
    memory_mb: int | None,
) -> None:
    (tmp_path / "self").write_text(lines)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path)
    monkeypatch.setattr(machine, "_MEMBERSHIP", tmp_path / "self")
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    assert machine.cores() == (cores or len(os.sched_getaffinity(0)))
    assert machine.memory_mb() == (memory_mb or physical)


def test_a_number_that_was_given_away_is_not_killed() -> None:
    ours = processes.Seen(pid=10, started=1, parent=1, session=10)
    other = processes.Seen(pid=10, started=2, parent=1, session=10)
    its_child = processes.Seen(pid=11, started=2, parent=10, session=10)
    assert not processes.family([ours], {10: other, 11: its_child})
    assert processes.family([other], {10: other, 11: its_child}) == {other, its_child}
