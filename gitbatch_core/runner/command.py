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
    asked: list[int] = []
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda n, _frame: asked.append(n) if n != signal.SIGCHLD else None)
    with log.open("wb", buffering=0) as file:
        try:
            command = subprocess.Popen(
                argv,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            return Ended(exit_code=127, reason=f"{argv[0]} cannot be started: {error}")
        assert command.stdout is not None
        output = command.stdout.fileno()
        watched = {output, wake_read} | ({sys.stdin.fileno()} if follow_stdin else set())
        reason = None
        memory = FamilyMemory(lambda: [os.getpid(), *_descendants(os.getpid())])
        while command.poll() is None:
            for ready in select.select(list(watched), [], [], memory.look_sometimes())[0]:
                data = os.read(ready, 1 << 16)
                if ready == output:
                    file.write(mask.piece(data))
                    if not data:
                        watched.discard(output)
                elif ready != wake_read and not data:
                    watched.discard(ready)
                    asked.append(signal.SIGTERM)
                    reason = "ended because the controller has died"
            if asked:
                reason = reason or f"ended by {signal.Signals(asked[0]).name}"
                _end_descendants()
                command.wait()
        _end_descendants()
        os.set_blocking(output, False)
        with contextlib.suppress(BlockingIOError):
            while data := os.read(output, 1 << 16):
                file.write(mask.piece(data))
        file.write(mask.rest())
    status = command.returncode
    return Ended(
        exit_code=status if status >= 0 else None,
        signal=-status if status < 0 else None,
        reason=reason,
        usage=_usage(time.monotonic() - started, memory.peak_mb()),
    )


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
