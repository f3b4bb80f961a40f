"""What every pool must do: one class of tests, run for each implementation with real processes."""

from __future__ import annotations

import json
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gitbatch_core.errors import PoolError
from gitbatch_core.pools import choose
from gitbatch_core.pools.base import JobSpec, JobStatus, Pool, Request, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

STANDIN = Path(__file__).parent / "standin.py"
LONGEST_S = 40.0

HURTING = (
    "",
    " ",
    "a b",
    " edge ",
    "it's",
    "''",
    'say "x"',
    '\\"',
    '"\\',
    "tab\t",
    "$(x)",
    "$$(y)",
    "$$([1 + 1])",
    "$",
    "$$",
    "${HOME}",
    "$ENV(HOME)",
    "$(DOLLAR)(x)",
    "$RANDOM_INTEGER(1,2)",
    "%d%s",
    "back\\slash",
    "\\",
    "\\n",
    "-x",
    "--private",
    "--",
    "ünï 🐍 \u2028",
    "#c",
    "// /* */",
    "a,b;c|d&e>f<g`h`!",
    "*?[a]~",
    "\x01\x02\x7f",
)


class Jobs:
    """Makes the specs of a test and follows them to their ends."""

    def __init__(self, pool: Pool, folder: Path) -> None:
        self.pool = pool
        self.folder = folder
        self.number = 0
        self.ended: dict[int, JobStatus] = {}

    def spec(self, verb: str, *words: object, **fields: object) -> JobSpec:
        """A job that runs the stand-in."""
        fields.setdefault(
            "argv", (sys.executable, "-S", "-E", str(STANDIN), verb, *map(str, words))
        )
        self.number += 1
        folder = self.folder / f"job {self.number}"
        folder.mkdir()
        fields.setdefault("request", Request(memory_mb=64, disk_mb=16))
        return JobSpec(number=self.number, name=f"rule{self.number}", folder=folder, **fields)  # type: ignore[arg-type]

    def hear(self) -> list[JobStatus]:
        """The next news. A final status may not come twice, nor anything after it."""
        news = self.pool.wait(1.0)
        for status in news:
            assert status.number not in self.ended, status
            if status.state.final:
                self.ended[status.number] = status
        return news

    def follow(self, jobs: Sequence[JobSpec]) -> dict[int, JobStatus]:
        """Wait until all have ended."""
        deadline = time.monotonic() + LONGEST_S
        while missing := sorted({spec.number for spec in jobs} - self.ended.keys()):
            assert time.monotonic() < deadline, f"no news of {missing}"
            self.hear()
        return self.ended

    def run(self, *jobs: JobSpec) -> list[JobStatus]:
        self.pool.submit(jobs)
        final = self.follow(jobs)
        return [final[spec.number] for spec in jobs]

    def until(self, state: State, spec: JobSpec) -> JobStatus:
        """Wait for the next time that a job is in a state."""
        deadline = time.monotonic() + LONGEST_S
        while time.monotonic() < deadline:
            for status in self.hear():
                if status.number == spec.number and status.state is state:
                    return status
        raise AssertionError(f"job {spec.number} is never {state}")


def appears(file: Path, longest_s: float = LONGEST_S) -> object:
    """What a job told, once it did."""
    holds(file.exists, longest_s)
    return json.loads(file.read_text())


def holds(condition: Callable[[], bool], longest_s: float = LONGEST_S) -> None:
    """Wait until it does."""
    deadline = time.monotonic() + longest_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


class PoolConformance:
    """Subclasses provide the fixture `pool`."""

    not_carried: ClassVar[str] = "\0"
    """Characters that no argument may have: submitting such a job is a PoolError."""

    @pytest.fixture
    def pool(self, tmp_path: Path) -> Iterator[Pool]:
        raise NotImplementedError

    @pytest.fixture
    def jobs(self, pool: Pool, tmp_path: Path) -> Jobs:
        folder = tmp_path / "jobs, of a 'run'"
        folder.mkdir()
        return Jobs(pool, folder)

    def traces(self, pool: Pool) -> bytes:
        """All that others could read of jobs that run or ran."""
        raise NotImplementedError

    def test_many_jobs_end_as_they_end(self, pool: Pool, jobs: Jobs) -> None:
        many = [jobs.spec("exit", n % 3) for n in range(100)]
        ids = pool.submit(many)
        assert len(set(ids)) == 100
        assert ids == sorted(ids, key=lambda text: int(text.rpartition(".")[2]))
        final = jobs.follow(many)
        for n, spec in enumerate(many):
            status = final[spec.number]
            assert (status.state, status.exit_code, status.signal) == (State.ENDED, n % 3, None)
            assert status.host
        assert pool.wait(0.3) == []

    def test_what_any_machine_could_run_is_not_refused(self, pool: Pool) -> None:
        pool.check(Request(cpus=1, memory_mb=64, disk_mb=16), "a job")

    def test_signals_logs_and_work_before_the_first_wait(self, pool: Pool, jobs: Jobs) -> None:
        killed = jobs.spec("signal", int(signal.SIGKILL))
        terminated = jobs.spec("signal", int(signal.SIGTERM))
        talker = jobs.spec("print", "last", "words")
        pool.submit([killed, terminated])
        pool.submit([talker])
        log = talker.folder / "process.log"
        holds(lambda: log.exists() and log.read_text() == "last words\n")
        final = jobs.follow([killed, terminated, talker])
        assert final[killed.number].state is State.ENDED
        assert final[killed.number].signal == signal.SIGKILL
        assert final[terminated.number].signal == signal.SIGTERM
        assert final[talker.number].exit_code == 0
        assert final[talker.number].usage["wall_s"] < LONGEST_S

    def test_words_names_and_labels_that_hurt_arrive(self, pool: Pool, jobs: Jobs) -> None:
        told = jobs.folder / "told"
        nasty = "rule \"x\" 'y' $(z) $$(a) \\ \n 🐍"
        spec = jobs.spec("show", told, *HURTING, labels={"rule": nasty, "job key": "\0"})
        (status,) = jobs.run(spec)
        assert status.exit_code == 0
        assert appears(told)["words"] == list(HURTING)  # type: ignore[index,call-overload]

    def test_random_words_arrive(self, pool: Pool, jobs: Jobs) -> None:
        samples: list[list[str]] = []
        hurting = "$()[]{}'\"\\ \t%#,;-/=x"
        word = st.text(alphabet=st.sampled_from(hurting), max_size=8) | st.text(
            st.characters(exclude_categories=["Cs"], exclude_characters=self.not_carried)
        )

        # What matters are many different words in few jobs, not the smallest that fails.
        @settings(
            max_examples=4,
            phases=[Phase.generate],
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(word, min_size=200, max_size=300))
        def collect(words: list[str]) -> None:
            samples.append(words)

        collect()
        told = [jobs.folder / f"told {n}" for n in range(len(samples))]
        jobs.run(
            *(jobs.spec("show", file, *words) for file, words in zip(told, samples, strict=True))
        )
        for file, words in zip(told, samples, strict=True):
            assert json.loads(file.read_text())["words"] == words

    def test_words_that_cannot_be_carried_are_refused(self, pool: Pool, jobs: Jobs) -> None:
        for character in self.not_carried:
            good, bad = jobs.spec("exit", 0), jobs.spec("print", f"a{character}b")
            with pytest.raises(PoolError, match=f"(?i)job {bad.number} "):
                pool.submit([good, bad])
        assert pool.wait(0.5) == []

    def test_secrets_reach_the_job_and_nothing_else(
        self, pool: Pool, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("STRAY_TOKEN", "stray-7f3a")
        secret = "hidden-91c2"
        told, stay = jobs.folder / "told", jobs.folder / "stay"
        private = {"TOKEN": secret, 'odd "name"': "line\nbreak $(x) ü"}
        shows = jobs.spec("show", told, private=private)
        stays = jobs.spec("span", stay, 1, private=private)
        pool.submit([shows, stays])
        jobs.until(State.RUNNING, stays)
        assert secret.encode() not in self.traces(pool)
        jobs.follow([shows, stays])
        found = json.loads(told.read_text())
        assert found["secrets"] == private
        assert secret not in json.dumps(found["environment"])
        assert "STRAY_TOKEN" not in found["environment"]
        assert found["environment"]["PATH"]
        told.unlink()
        assert secret.encode() not in self.traces(pool)
        for file in jobs.folder.rglob("*"):
            assert not file.is_file() or secret.encode() not in file.read_bytes()

    def test_big_secrets(self, pool: Pool, jobs: Jobs) -> None:
        told = jobs.folder / "told"
        jobs.run(jobs.spec("big-secret", told, private={"A": "x" * 1_000_000}))
        assert appears(told) == {"A": 1_000_000}

    def test_cancel_ends_all_that_a_job_started(self, pool: Pool, jobs: Jobs) -> None:
        files = [jobs.folder / f"family {n}" for n in range(2)]
        first, second = (jobs.spec("family", file) for file in files)
        pool.submit([first, second])
        families = [appears(file) for file in files]
        pool.cancel([first.number])
        holds(lambda: not any(map(alive, families[0])), 10)  # type: ignore[arg-type]
        assert all(map(alive, families[1]))  # type: ignore[arg-type]
        pool.cancel()
        holds(lambda: not any(map(alive, families[1])), 10)  # type: ignore[arg-type]
        numbers = {status.number for status in pool.wait(0.5) if status.state.final}
        assert not numbers

    def test_cancel_takes_waiting_jobs_and_leaves_the_others(self, pool: Pool, jobs: Jobs) -> None:
        waiting = [
            jobs.spec("span", jobs.folder / f"never {n}", 1, request=self.never()) for n in range(3)
        ]
        pool.submit(waiting)
        pool.cancel([])
        pool.cancel([999])
        pool.cancel([spec.number for spec in waiting])
        assert not [s for s in pool.wait(0.2) if s.state.final]
        (status,) = jobs.run(jobs.spec("exit", 0))
        assert status.exit_code == 0
        assert not list(jobs.folder.glob("never*"))

    def test_one_thread_hands_over_while_another_waits(self, pool: Pool, jobs: Jobs) -> None:
        wanted = [jobs.spec("exit", n % 2) for n in range(24)]
        unwanted = [
            jobs.spec("span", jobs.folder / f"never {n}", 1, request=self.never()) for n in range(6)
        ]

        def hand_over() -> None:
            for n, spec in enumerate(unwanted):
                pool.submit([*wanted[4 * n : 4 * n + 4], spec])
                pool.cancel([spec.number])

        with ThreadPoolExecutor(1) as other:
            done = other.submit(hand_over)
            final = jobs.follow(wanted)
            done.result()
        assert [final[spec.number].exit_code for spec in wanted] == [0, 1] * 12
        assert not final.keys() & {spec.number for spec in unwanted}
        assert not [status for status in pool.wait(0.2) if status.state.final]

    def never(self) -> Request:
        """What is asked for by a job that does not start while the test looks."""
        raise NotImplementedError

    def test_a_command_that_cannot_start_fails_alone(self, pool: Pool, jobs: Jobs) -> None:
        missing = jobs.spec("", argv=("/no/such/command", "x"))
        status, good = jobs.run(missing, jobs.spec("exit", 0))
        assert status.state is State.FAILED
        assert "/no/such/command" in (status.reason or "")
        assert good.exit_code == 0

    def test_runtime_ends_a_job(self, pool: Pool, jobs: Jobs) -> None:
        request = Request(memory_mb=64, disk_mb=16, runtime_s=1)
        (status,) = jobs.run(jobs.spec("span", jobs.folder / "never", 50, request=request))
        assert status.state is State.FAILED
        assert "1 s" in (status.reason or "") or "duration of 00:01" in (status.reason or "")
        assert status.exit_code is None

    def test_wait_keeps_its_time(self, pool: Pool, jobs: Jobs) -> None:
        for timeout in (0.0, 0.3):
            started = time.monotonic()
            assert pool.wait(timeout) == []
            assert timeout <= time.monotonic() - started < timeout + 0.5
        started = time.monotonic()
        pool.submit([jobs.spec("exit", 0)])
        while not any(status.state.final for status in pool.wait(LONGEST_S)):
            pass
        assert time.monotonic() - started < LONGEST_S / 2

    def test_a_closed_pool_takes_nothing(self, pool: Pool, jobs: Jobs) -> None:
        pool.close()
        pool.close()
        with pytest.raises(PoolError):
            pool.submit([jobs.spec("exit", 0)])

    def test_it_says_what_it_is(self, pool: Pool) -> None:
        assert pool.kind in choose.KINDS
        assert "\n" not in pool.describe()
        assert pool.facts()["kind"] == pool.kind
        assert all(isinstance(value, str) for value in pool.facts().values())
