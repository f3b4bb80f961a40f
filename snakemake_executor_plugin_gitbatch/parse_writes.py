"""What this process writes while the workflow is read: rendered configurations, sample sheets and
environments, say. Nobody declares such files, and jobs need them.

Python tells of all that it opens for writing (`sys.addaudithook`). What programs write that a
Snakefile starts it cannot tell: see `parse_time`.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR
_NAMES_PLACE = {"os.rename": 1, "os.link": 1, "os.symlink": 1, "os.mkdir": 0}
"""Events of what comes to be at a path, and which argument that is."""


@dataclass(kw_only=True)
class _Writes:
    paths: dict[str, None] = field(default_factory=dict)
    """Absolute ones, in the order in which they were written first; not what was only appended to:
    that is a log, which nobody reads."""
    is_on: bool = False
    is_hooked: bool = False

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.is_on:
            return
        if event == "open":
            path, _, flags = args
            if not flags & _WRITES or flags & os.O_APPEND:
                return
        elif (number := _NAMES_PLACE.get(event)) is not None:
            path = args[number]
        else:
            return
        if isinstance(path, (str, bytes, os.PathLike)):
            with contextlib.suppress(OSError, ValueError):  # a folder that is gone
                self.paths.setdefault(os.path.abspath(os.fsdecode(path)))


_writes = _Writes()


def listen() -> None:
    """From now on until `stop`, note what is written. Before, nothing is noted."""
    _writes.paths.clear()
    if not _writes.is_hooked:  # nothing takes a hook away again
        sys.addaudithook(_writes.hear)
        _writes.is_hooked = True
    _writes.is_on = True


def stop() -> None:
    """What is written from now on is not the workflow's doing."""
    _writes.is_on = False


def is_on() -> bool:
    """Whether it is still noted."""
    return _writes.is_on


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """What is written meanwhile is not the workflow's doing."""
    before, _writes.is_on = _writes.is_on, False
    try:
        yield
    finally:
        _writes.is_on = before


def paths() -> list[str]:
    """Absolute paths of files, links and folders that were written, whether or not they are there
    still."""
    return list(_writes.paths)
