"""Files for tests, and forks that die or fail right before a chosen change to the file system."""

from __future__ import annotations

import os
import signal
import stat
import sys
import traceback
from typing import TYPE_CHECKING

from gitbatch_core.archive import layout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitbatch_core.archive.store import Archive

STEPS = frozenset(
    {
        "fcntl.fcntl",
        "open",
        "os.chmod",
        "os.link",
        "os.mkdir",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.symlink",
        "os.utime",
    }
)
"""Python's audit events, raised before the system call: all that publishing does to files."""
TAKING_SPACE = frozenset({"open", "os.link", "os.mkdir", "os.rename", "os.symlink"})
"""What a full disk can refuse."""


def write(path: Path, data: bytes | str = b"data", *, mtime: int | None = None) -> Path:
    """A file with these bytes, and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    if mtime is not None:
        os.utime(path, (mtime, mtime))
    return path


def state(path: Path) -> tuple[bytes, int, int]:
    """Bytes, mode and mtime."""
    found = path.lstat()
    return path.read_bytes(), stat.S_IMODE(found.st_mode), found.st_mtime_ns


def objects(archive: Archive) -> list[Path]:
    return sorted(path for path in (archive.root / layout.OBJECTS).rglob("*") if path.is_file())


def in_child(
    action: Callable[[], object],
    *,
    step: int,
    event: Callable[[], None],
    steps: frozenset[str] = STEPS,
    check: Callable[[BaseException | None], None] | None = None,
    lasting: bool = False,
) -> int | None:
    """Run `action` in a fork where `event` happens right before its `step`-th change to files, and
    with `lasting` before all that follow.

    `check` is told what the action raised; without it the action must not raise. Returns the exit
    code: 0, 9 when it was killed, 1 with the traceback shown; None when it made fewer steps.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        _child(action, step, event, steps, check, lasting)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return None if code == _FEWER_STEPS else abs(code)


_FEWER_STEPS = 77


def _child(
    action: Callable[[], object],
    step: int,
    event: Callable[[], None],
    steps: frozenset[str],
    check: Callable[[BaseException | None], None] | None,
    lasting: bool,
) -> None:
    count = 0
    active = True

    def hook(name: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        if active and name in steps and not str(arguments[0]).endswith((".py", ".pyc")):
            count += 1
            if count == step or (lasting and count > step):
                event()

    try:
        sys.addaudithook(hook)
        raised: BaseException | None = None
        try:
            action()
        except BaseException as error:
            raised = error
        active = False
        if check is not None:
            check(raised)
        elif raised is not None:
            raise raised
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0 if count >= step else _FEWER_STEPS)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
