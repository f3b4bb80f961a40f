"""The local pool: each job is a process, never more at once than the machine can take.

A thread of its own starts the jobs, waits for their ends and reaps them; the methods, which any
thread may call, only leave it messages.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import resource
import selectors
import socket
import threading
import time
import weakref
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitbatch_core.errors import PoolError
from gitbatch_core.pools import processes
from gitbatch_core.pools.base import JobSpec, JobStatus, State
from gitbatch_core.pools.local import machine
from gitbatch_core.pools.local.queue import Queue, Share
from gitbatch_core.pools.local.runner_process import RunnerProcess

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from gitbatch_core.pools.base import Request

_GRACE_S = 15.0
"""Between asking a runner to end and ending its whole tree: the runner takes up to 10 s itself."""

_HURRIED_S = 0.5
"""What is left of it when the user asks again."""

_POLL_S = 0.05
"""Only where the kernel has no pidfd."""

_SPARE_DESCRIPTORS = 256
"""Left to the rest of the program; each running job holds two."""

_NOT_NOW = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN})
"""Starting failed for want of something that other jobs give back when they end."""


@dataclass(kw_only=True, slots=True, eq=False)
class _Running:
    process: RunnerProcess
    share: Share
    runtime_s: int | None
    act_at: float | None
    """By time.monotonic(): when its runtime is over, or after that or a cancel, its grace."""
    ending: bool = False
    """It was asked to end."""
    failed: str | None = None
    """Why we end it, where that is the job's own failure."""


class LocalPool:
    """Runs jobs on this machine, with `cores` and `memory_mb` (MiB) at most, by default all it has.

    A job that asks for more than that runs alone, with all there is; its RUNNING status says so.
    """

    kind = "local"

    def __init__(
        self,
        *,
        cores: int | None = None,
        memory_mb: int | None = None,
        grace_s: float = _GRACE_S,
    ) -> None:
        self.cores = cores or machine.cores()
        self._memory_mb = memory_mb or machine.memory_mb()
        self._grace_s = grace_s
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = max(16, (soft - _SPARE_DESCRIPTORS) // 2) if soft > 0 else 1 << 30

        self._lock = threading.RLock()
        """Of all below. Taken itself, not by `_changed`: Ctrl-C cannot come between the taking of a
        lock of C and its `with` block."""
        self._changed = threading.Condition(self._lock)
        self._queue = Queue(cores=self.cores, memory_mb=self._memory_mb)
        self._running: dict[int, _Running] = {}
        self._cancelled: set[int] = set()
        """Running, and not to be heard of again."""
        self._to_end: set[int] = set()
        """Word for the thread: ask these to end."""
        self._news: list[JobStatus] = []
        self._hurried = False
        self._stalled = False
        """Nothing can be started before something ends."""
        self._closed = False
        self._broken: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        _pools.add(self)

    def describe(self) -> str:
        return f"{socket.gethostname()}, {self.cores} cores, {self._memory_mb} MiB of memory"

    def facts(self) -> Mapping[str, str]:
        return {
            "kind": self.kind,
            "host": socket.gethostname(),
            "system": platform.platform(),
            "cores": str(self.cores),
            "memory_mb": str(self._memory_mb),
        }

    def check(self, request: Request, name: str) -> None:
        """A job gets what this machine has."""

    def submit(self, jobs: Sequence[JobSpec]) -> list[str]:
        for spec in jobs:
            if not spec.argv or any("\0" in word for word in spec.argv):
                raise PoolError(
                    f"Job {spec.number} ({spec.name}): its command has a null character"
                )
        with self._lock:
            if self._closed:
                raise PoolError("The local pool is closed and takes no more jobs.")
            self._queue.add(jobs)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._serve, name="gitbatch-local-pool", daemon=True
                )
                self._thread.start()
        self._wake()
        return [f"local.{spec.number}" for spec in jobs]

    def adopt(self, jobs: Mapping[int, Path | None]) -> dict[int, str]:
        return {}  # they ended with the process that had started them

    def wait(self, timeout: float) -> list[JobStatus]:
        with self._lock:
            self._changed.wait_for(lambda: self._news or self._broken or self._closed, timeout)
            news, self._news = self._news, []
            if self._broken and not news:
                why = f"{type(self._broken).__name__}: {self._broken}"
                raise PoolError(f"The local pool broke: {why}") from self._broken
            return news

    def cancel(self, numbers: Iterable[int] | None = None) -> bool:
        wanted = None if numbers is None else frozenset(numbers)
        with self._lock:
            self._queue.drop(wanted)
            self._news = [s for s in self._news if wanted is not None and s.number not in wanted]
            ending = {n for n in self._running if wanted is None or n in wanted}
            if not ending:
                return True
            self._cancelled |= ending
            self._to_end |= ending
            self._wake()
            self._changed.wait_for(
                lambda: self._broken or not ending & self._running.keys(),
                self._grace_s + 10,
            )
            return not ending & self._running.keys()

    def hurry(self) -> None:
        self._hurried = True
        self._wake()

    def close(self) -> None:
        """End everything that runs, and release all resources."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self.cancel()
        self._wake()
        if self._thread:
            self._thread.join(10)
        if not (self._thread and self._thread.is_alive()):
            self._selector.close()
            # A signal handler may still hurry, when the number is another file's.
            wake_write, self._wake_write = self._wake_write, -1
            os.close(self._wake_read)
            os.close(wake_write)

    def _wake(self) -> None:
        # A full pipe has woken it already, and after its end there is nobody to wake.
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"!")

    # From here on: the thread.

    def _serve(self) -> None:
        try:
            while self._turn():
                pass
        except BaseException as error:
            with self._lock:
                self._broken = error  # `wait` raises it
                self._changed.notify_all()

    def _turn(self) -> bool:
        """Start what can be, wait for what comes next, deal with it; False: closed and done."""
        while self._start_one():
            pass
        with self._lock:
            if self._closed and not self._running:
                return False
            timeout = self._until_next()
        ready = self._selector.select(timeout)
        with self._lock:
            for key, _ in ready:
                if key.data is None:
                    with contextlib.suppress(BlockingIOError):
                        os.read(key.fd, 1 << 16)
                elif key.fd == key.data.process.pipe and not key.data.process.feed():
                    self._selector.unregister(key.fd)
            self._reap()
            self._end()
            self._changed.notify_all()
        return True

    def _until_next(self) -> float | None:
        """Seconds until something is due; None: nothing is."""
        due = [r.act_at - time.monotonic() for r in self._running.values() if r.act_at is not None]
        if any(r.process.pidfd is None for r in self._running.values()):
            due.append(_POLL_S)
        return max(0.0, min(due)) if due else None

    def _start_one(self) -> bool:
        """Start the next job that fits; whether there was one."""
        with self._lock:
            if self._stalled or len(self._running) >= self._most:
                return False
            taken = self._queue.take()
            if taken is None:
                return False
            spec, share = taken
            try:
                process = RunnerProcess(spec)
            except (OSError, ValueError) as error:
                if isinstance(error, OSError) and error.errno in _NOT_NOW and self._running:
                    self._queue.put_back(spec, share)
                    self._stalled = True
                    return False
                self._queue.give_back(share)
                self._tell(_not_started(spec, error))
                return True
            runtime_s = spec.request.runtime_s
            running = self._running[spec.number] = _Running(
                process=process,
                share=share,
                runtime_s=runtime_s,
                act_at=process.started + runtime_s if runtime_s else None,
            )
            if process.pidfd is not None:
                self._selector.register(process.pidfd, selectors.EVENT_READ, running)
            if process.feed():
                self._selector.register(process.pipe, selectors.EVENT_WRITE, running)
            self._tell(
                JobStatus(
                    number=spec.number,
                    state=State.RUNNING,
                    reason=share.notice,
                    host=socket.gethostname(),
                )
            )
            return True

    def _tell(self, status: JobStatus) -> None:
        self._news.append(status)
        self._changed.notify_all()

    def _reap(self) -> None:
        ended = [r for r in self._running.values() if r.process.has_ended()]
        if any(r.process.may_leave_something for r in ended):
            now = processes.table()
            for running in ended:
                if running.process.may_leave_something:
                    running.process.kill(now)
        for running in ended:
            process = running.process
            for descriptor in (process.pidfd, process.pipe):
                with contextlib.suppress(KeyError):
                    if descriptor is not None:
                        self._selector.unregister(descriptor)
            status = process.reap()
            del self._running[process.number]
            self._queue.give_back(running.share)
            self._stalled = False
            if process.number in self._cancelled:
                self._cancelled.discard(process.number)
            elif running.failed:
                self._news.append(
                    replace(
                        status,
                        state=State.FAILED,
                        exit_code=None,
                        signal=None,
                        reason=running.failed,
                    )
                )
            else:
                self._news.append(status)

    def _end(self) -> None:
        """Ask those to end whose time is over or who were cancelled; make those who were asked."""
        time_now = time.monotonic()
        wanted, self._to_end = self._to_end & self._running.keys(), set()
        due = [
            r
            for r in self._running.values()
            if (r.act_at is not None and (r.act_at <= time_now or (r.ending and self._hurried)))
            or (r.process.number in wanted and not r.ending)
        ]
        if not due:
            return
        now = processes.table()
        for running in due:
            if running.ending:
                running.process.kill(now)
            else:
                if running.process.number not in wanted:
                    running.failed = f"ran longer than its runtime of {running.runtime_s} s: ended"
                running.ending = True
                running.process.terminate(now)
            running.act_at = time_now + (_HURRIED_S if self._hurried else self._grace_s)


def _not_started(spec: JobSpec, error: Exception) -> JobStatus:
    return JobStatus(
        number=spec.number,
        state=State.FAILED,
        reason=f"{spec.argv[0]} cannot be started in {spec.folder}: {error}",
        host=socket.gethostname(),
    )


_pools: weakref.WeakSet[LocalPool] = weakref.WeakSet()


def _let_go_in_child() -> None:
    """A forked copy of this process is no sign of life of the jobs' controller."""
    for pool in list(_pools):
        for running in list(pool._running.values()):
            with contextlib.suppress(OSError):
                os.close(running.process.pipe)


os.register_at_fork(after_in_child=_let_go_in_child)
