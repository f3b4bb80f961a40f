"""One runner as a process of this machine: started, fed its secrets, ended, reaped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time

from gitbatch_core.pools.base import JobSpec, JobStatus, State
from gitbatch_core.pools.base_environment import start_environment
from gitbatch_core.pools.processes import Seen, Table, family, kill_family, send


class RunnerProcess:
    """A started runner. Not thread-safe: whoever holds it sees to that.

    Its standard input is a pipe: one line of JSON, the job's secrets; then it stays open as this
    process's sign of life.
    """

    def __init__(self, spec: JobSpec) -> None:
        """Start it. Raises OSError where that fails."""
        log = os.open(
            spec.folder / "process.log",
            os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC,
            0o644,
        )
        try:
            self._popen = subprocess.Popen(
                [*spec.argv, "--private", "-"],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=spec.folder,
                env=start_environment(),
                start_new_session=True,
            )
        finally:
            os.close(log)
        assert self._popen.stdin is not None
        self._stdin = self._popen.stdin
        self._unsent = json.dumps(dict(spec.private)).encode() + b"\n"
        self._processes: set[Seen] = set()
        self._died = False
        self.number = spec.number
        self.pid = self._popen.pid
        self.started = time.monotonic()
        self.pipe = self._stdin.fileno()
        os.set_blocking(self.pipe, False)
        self.pidfd = _pidfd(self.pid)
        """Readable when it has ended. None where the kernel has no such thing (before 5.3) or no
        descriptor is left: then `has_ended` must be asked from time to time."""

    def feed(self) -> bool:
        """Send what of the secrets the pipe takes now; whether some are left."""
        try:
            while self._unsent:
                self._unsent = self._unsent[os.write(self.pipe, self._unsent) :]
        except BlockingIOError:
            return True
        except BrokenPipeError:
            self._unsent = b""
        return False

    def has_ended(self) -> bool:
        """Whether it ended. It is not reaped yet, so its number stays its own."""
        try:
            ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return True
        self._died = ended is not None and ended.si_code != os.CLD_EXITED
        return ended is not None

    def terminate(self, now: Table) -> None:
        """Ask it to end itself and its job."""
        self._processes |= self._family(now)
        send(self.pid, signal.SIGTERM)

    def kill(self, now: Table) -> None:
        """End it and all that it started, what has a session of its own included."""
        self._processes |= self._family(now)
        kill_family(self._processes, now)

    @property
    def may_leave_something(self) -> bool:
        """After it ended: it was asked to, or had no chance to clean up."""
        return self._died or bool(self._processes)

    def reap(self) -> JobStatus:
        """How it ended, after `has_ended`. Lets go of its descriptors."""
        wall_s = time.monotonic() - self.started
        self._stdin.close()
        if self.pidfd is not None:
            os.close(self.pidfd)
        host = socket.gethostname()
        try:
            _, status, used = os.wait4(self.pid, 0)
        except ChildProcessError:
            self._popen.returncode = 0
            return JobStatus(
                number=self.number,
                state=State.FAILED,
                reason="how its process ended is not known: somebody else waited for it",
                host=host,
            )
        code = self._popen.returncode = os.waitstatus_to_exitcode(status)
        return JobStatus(
            number=self.number,
            state=State.ENDED,
            exit_code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            host=host,
            usage={
                "cpu_s": used.ru_utime + used.ru_stime,
                "memory_mb": used.ru_maxrss / 1024,
                "wall_s": wall_s,
            },
        )

    def _family(self, now: Table) -> set[Seen]:
        return family([now[self.pid]] if self.pid in now else [], now)


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
