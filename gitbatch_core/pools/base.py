"""The interface of a pool: it takes jobs as plain data and reports what became of them.

A pool starts one process per job, the runner, and does not know what that runs. It reports how the
process ended, never whether the job's results are good: the runner's own record says that.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gitbatch_core.errors import PoolError
from gitbatch_core.model.check import Check

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a job requests. None: nothing was requested, and the pool's default holds."""

    cpus: int = 1
    memory_mb: int | None = None
    """MiB of memory."""
    disk_mb: int | None = None
    """MiB of scratch disk."""
    runtime_s: int | None = None
    """Seconds after which the pool may end the job."""
    gpus: int | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    """The pool's own keys and expressions, verbatim (HTCondor: `requirements`, `rank` ...)."""
    memory_steps: tuple[str, ...] = ()
    """HTCondor: what to ask for after each time that the job took more memory than it had, ClassAd
    expressions in MiB. None given: the pool doubles `memory_mb` a few times."""


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """One job as the pool sees it."""

    number: int
    """Counts the executions of a run from 1; a retry has a new number."""
    name: str
    """For people: the rule, with wildcards where there are any. May hold any character."""
    argv: tuple[str, ...]
    """The process to start, without a shell. The pool appends `--private FILE`, or `--private -`
    (standard input): one JSON object, the job's secrets. Where it is standard input, its end means
    that the controller is gone."""
    folder: Path
    """The job's own folder, which exists on the pool's machines; `process.log` in it takes what the
    process itself prints (the runner's last words, not the job's output)."""
    request: Request = field(default_factory=Request)
    private: Mapping[str, str] = field(default_factory=dict)
    """Secrets by name. Never in an argument, the job ad, a log or a file that others can read."""
    sign: Path | None = None
    """A file that the process makes when it has done all its work, and ends with 0 then: the pool
    may take it for its end."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """For queries: run, rule, wildcards, commit, key. HTCondor: `MY.Gitbatch*` in the job ad."""


class RefusedError(PoolError):
    """Some of the jobs handed over cannot be taken; the others could be, without them."""

    def __init__(self, refused: Mapping[int, str], *, hint: str | None = None) -> None:
        """`refused`: by job number, why; each names its job."""
        super().__init__("\n".join(refused.values()), hint=hint)
        self.refused = refused


class State(enum.Enum):
    QUEUED = "queued"
    RUNNING = "running"
    ENDED = "ended"
    """The process ended by itself; `exit_code` or `signal` says how."""
    FAILED = "failed"
    """The pool could not run it or lost it; `reason` says why. Never guessed: unknown is not
    success."""

    @property
    def final(self) -> bool:
        return self in (State.ENDED, State.FAILED)


@dataclass(frozen=True, kw_only=True)
class JobStatus:
    """A change in what is known about one job. A final status comes exactly once per job."""

    number: int
    state: State
    exit_code: int | None = None
    signal: int | None = None
    reason: str | None = None
    """For people: hold reason with code, who removed it, what to do."""
    host: str | None = None
    """Where it ran, as the pool names it."""
    usage: Mapping[str, float] = field(default_factory=dict)
    """What the pool measured: cpu_s, memory_mb, disk_mb, wall_s; missing where unknown."""


class Pool(Protocol):
    """Where jobs run. All methods may be called from different threads."""

    kind: str
    """The name of its `PoolKind`."""

    @property
    def cores(self) -> int | None:
        """A job gets no more than so many, whatever it asks for; None: what it asks for."""
        ...

    def describe(self) -> str:
        """One line for people: which machine or schedd it is, and its size."""
        ...

    def facts(self) -> Mapping[str, str]:
        """What to record: versions, names. No secrets."""
        ...

    def check(self, request: Request, name: str) -> None:
        """Raise PoolError, with the job's name, if the pool would certainly refuse a job with this
        request."""
        ...

    def submit(self, jobs: Sequence[JobSpec]) -> list[str]:
        """Hand over all jobs together; the pool's own id for each (`12.0`), in their order.

        All are taken or none. Raises PoolError, RefusedError where single jobs are at fault (ask
        for more than any machine has, say).
        """
        ...

    def adopt(self, jobs: Mapping[int, Path | None]) -> dict[int, str]:
        """Of these jobs (number -> sign), which another process has handed over for the same run:
        those that the pool still has, with its own ids; from now on as if they had been submitted
        here. To be called before `wait`. Raises PoolError."""
        ...

    def wait(self, timeout: float) -> list[JobStatus]:
        """What has changed since the last call. Returns at once if there is news, otherwise waits
        for at most `timeout` seconds. Raises PoolError if the pool is gone for good."""
        ...

    def cancel(self, numbers: Iterable[int] | None = None) -> bool:
        """End these jobs, or all of this run's and no others, with everything they started.
        Returns whether they are gone; if not, they certainly will be. Cancelled jobs get no
        further status."""
        ...

    def hurry(self) -> None:
        """Make a `cancel` in progress, and any later one, wait no longer than necessary. Called
        from signal handlers."""
        ...

    def close(self) -> None:
        """Release everything that the pool holds; cancels nothing that runs in a remote pool."""
        ...


@dataclass(frozen=True, kw_only=True)
class Availability:
    """Whether a kind of pool can be used here."""

    answers: bool
    text: str
    """For people: which pool it is, or why there is none."""


@dataclass(frozen=True, kw_only=True)
class PoolOptions:
    """The user's options for a run's pool. Each kind uses those that concern it."""

    cores: int | None = None
    """Of this machine; None: all."""
    unmatched: str = "refuse"
    """`refuse` or `wait`: what becomes of a job that no machine of the pool can run."""
    held_timeout_s: int = 14400
    """Seconds for which somebody may release a job that they have put on hold."""
    notice: Callable[[str], None] = _log.warning
    """Takes what a person should know while it goes on."""


class PoolKind(Protocol):
    """One kind of pool: everything that the rest of the program asks before there is a pool, or
    about jobs' resources. It imports what it needs when it is asked."""

    name: str
    """As in `--gitbatch-pool NAME` and in records."""
    label: str
    """For people, within a sentence."""
    on_this_machine: bool
    """Whether its jobs are processes of this machine, which end when the controller does."""
    can_refuse: bool
    """Whether there are jobs that it does not take: see `Pool.check`."""
    hint: str
    """What to do where it does not answer; may be empty."""

    def probe(self) -> Availability:
        """Whether there is such a pool. Answers within seconds, and prints nothing."""
        ...

    def open(
        self, options: PoolOptions, *, run: str, private_folder: Path, availability: Availability
    ) -> Pool:
        """The pool for `run`; `private_folder`: for this user alone, on this machine's disk.
        `availability`: what `probe` has answered. Raises PoolError."""
        ...

    def checks(self, availability: Availability) -> Iterator[Check]:
        """Check the pool that answers, for `gitbatch doctor`. Queues nothing."""
        ...

    def gate(self, options: PoolOptions) -> Callable[[Request, str], None] | None:
        """`Pool.check` for a run that has not started; None: the pool takes all jobs. Raises
        UsageError."""
        ...

    def heeds(self, resource: str) -> bool:
        """Whether this kind alone understands a resource of that name."""
        ...

    def only_places(self, resource: str) -> bool:
        """Whether such a resource only says where and when a job can run, and does not affect its
        outputs."""
        ...

    def request(
        self,
        plain: Request,
        resources: Mapping[str, object],
        *,
        title: str,
        secrets: Mapping[str, str],
        in_worktree: Callable[[str], Path],
    ) -> Request:
        """What a job requests: `plain` has the resources that any pool understands. `title`: the
        job's; `secrets`: values by name, which nobody may see; `in_worktree`: where a path of the
        workflow lies. Raises RunError, with job and resource, for what cannot be honoured."""
        ...

    def has_jobs(self, run: str) -> bool:
        """Whether jobs of a lost run are queued or running in the pool. Raises PoolError if the
        pool cannot be asked."""
        ...

    def remove_jobs(self, run: str) -> None:
        """Remove all jobs of a lost run, and wait until they are gone. Raises PoolError."""
        ...

    def controller_submit(self) -> SubmitController | None:
        """Starts a program that is restarted after a crash or a reboot of the machine; None: the
        pool has no such thing."""
        ...


class SubmitController(Protocol):
    """Starts `argv` in `folder`, a job called `name`; returns its id. Raises PoolError."""

    def __call__(self, argv: Sequence[str], *, folder: Path, name: str) -> str: ...
