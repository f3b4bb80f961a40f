"""Run one command: all it prints into a log without secrets, all it started ended with it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

from gitbatch_core.model.masking import Mask
from gitbatch_core.runner.memory_peak import FamilyMemory

_PR_SET_CHILD_SUBREAPER = 36
_GRACE_S = 5.0
"""Between asking what the command started to end and ending it."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended."""

    exit_code: int | None = None
    signal: int | None = None
    reason: str | None = None
    usage: dict[str, float] = field(default_factory=dict)
    """wall_s, cpu_s, memory_mb (MiB; all processes together, at the peak), read_mb, written_mb."""

    @property
    def succeeded(self) -> bool:
        return self.exit_code == 0 and self.reason is None


def run(
    argv: Sequence[str],
    *,
    folder: str,
    environment: Mapping[str, str],
    log: Path,
    mask: Mask,
    follow_stdin: bool,
) -> Ended:
    """Run `argv` in `folder` to its end, and end what it left running.

    SIGTERM, SIGINT and SIGHUP, and with `follow_stdin` the end of standard input, end the command
    and everything it started; `reason` then says so.
    """
    _adopt_orphans()
    started = time.monotonic()
    signals = _catch_signals()
    with log.open("wb", buffering=0) as file:
        try:
            command = _start(argv, folder, environment)
        except OSError as error:
            return Ended(exit_code=127, reason=f"{argv[0]} cannot be started: {error}")
        memory = FamilyMemory(lambda: [os.getpid(), *_descendants(os.getpid())])
        reason = _follow(command, file, mask, signals, memory, follow_stdin=follow_stdin)
        _end_descendants()
        _log_rest(command, file, mask)
    status = command.returncode
    return Ended(
        exit_code=status if status >= 0 else None,
        signal=-status if status < 0 else None,
        reason=reason,
        usage=_usage(time.monotonic() - started, memory.peak_mb()),
    )


@dataclass(frozen=True, kw_only=True)
class _Signals:
    """Those that this process gets from now on."""

    wake: int
    """A descriptor that is readable when one has come, SIGCHLD included."""
    requests: list[int] = field(default_factory=list)
    """Those that ask to end, in their order."""


def _catch_signals() -> _Signals:
    wake_read, wake_write = os.pipe()
    signals = _Signals(wake=wake_read)
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(
            number, lambda n, _frame: signals.requests.append(n) if n != signal.SIGCHLD else None
        )
    return signals


def _start(
    argv: Sequence[str], folder: str, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start the command in a session of its own. Raises OSError."""
    return subprocess.Popen(
        argv,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _follow(
    command: subprocess.Popen[bytes],
    file: FileIO,
    mask: Mask,
    signals: _Signals,
    memory: FamilyMemory,
    *,
    follow_stdin: bool,
) -> str | None:
    """Log what the command prints until it has ended, or end it when that is asked for; why."""
    output = _output_of(command)
    watched = {output, signals.wake} | ({sys.stdin.fileno()} if follow_stdin else set())
    reason = None
    while command.poll() is None:
        for ready in select.select(list(watched), [], [], memory.look_sometimes())[0]:
            data = os.read(ready, 1 << 16)
            if ready == output:
                file.write(mask.piece(data))
                if not data:
                    watched.discard(output)
            elif ready != signals.wake and not data:
                watched.discard(ready)
                signals.requests.append(signal.SIGTERM)
                reason = "ended because the controller has died"
        if signals.requests:
            reason = reason or f"ended by {signal.Signals(signals.requests[0]).name}"
            _end_descendants()
            command.wait()
    return reason


def _log_rest(command: subprocess.Popen[bytes], file: FileIO, mask: Mask) -> None:
    """Log what was printed last, and lies in the pipe still."""
    output = _output_of(command)
    os.set_blocking(output, False)
    with contextlib.suppress(BlockingIOError):
        while data := os.read(output, 1 << 16):
            file.write(mask.piece(data))
    file.write(mask.rest())


def _output_of(command: subprocess.Popen[bytes]) -> int:
    assert command.stdout is not None
    return command.stdout.fileno()


def _adopt_orphans() -> None:
    """Processes whose parent ends become ours, so that none can hide from us."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_descendants() -> None:
    """Ask everything below this process to end, then make it; returns when all are gone."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + _GRACE_S
        living = _signal_descendants(number)
        while living and time.monotonic() < deadline:
            time.sleep(0.01)
            living = list(_descendants(os.getpid()))
        if not living:
            return


def _signal_descendants(number: int) -> list[int]:
    processes = list(_descendants(os.getpid()))
    for pid in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
    return processes


def _descendants(pid: int) -> Iterator[int]:
    """Living descendants of a process, parents first; the dead that nobody has waited for not."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except FileNotFoundError:
        return
    for task in tasks:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z":
                    yield int(child)
                yield from _descendants(int(child))


def _usage(wall_s: float, memory_mb: float) -> dict[str, float]:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "wall_s": round(wall_s, 3),
        "cpu_s": round(children.ru_utime + children.ru_stime, 3),
        "memory_mb": round(memory_mb, 1),
        "read_mb": round(children.ru_inblock * 512 / 1e6, 1),
        "written_mb": round(children.ru_oublock * 512 / 1e6, 1),
    }
