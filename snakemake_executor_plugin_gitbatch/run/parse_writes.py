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
_LEAVES_PLACE = ("os.rename", "os.remove", "shutil.rmtree")
"""Events of what is no longer at a path, which is the first argument."""


@dataclass(kw_only=True)
class _Writes:
    paths: dict[str, None] = field(default_factory=dict)
    """Absolute ones, in the order in which they were written first; not what was only appended to:
    that is a log, which nobody reads."""
    left: set[str] = field(default_factory=set)
    """Absolute ones, from which something was moved away or removed."""
    is_on: bool = False
    is_hooked: bool = False

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.is_on:
            return
        if event == "open":
            path, _, flags = args
            if flags & _WRITES and not flags & os.O_APPEND:
                self.paths.update(_absolute(path))
        elif (number := _NAMES_PLACE.get(event)) is not None:
            self.paths.update(_absolute(args[number]))
        if event in _LEAVES_PLACE:
            self.left.update(_absolute(args[0]))


def _absolute(path: Any) -> dict[str, None]:
    if isinstance(path, (str, bytes, os.PathLike)):
        with contextlib.suppress(OSError, ValueError):  # a folder that is gone
            return {os.path.abspath(os.fsdecode(path)): None}
    return {}


_writes = _Writes()


def listen() -> None:
    """From now on until `stop`, note what is written. Before, nothing is noted."""
    _writes.paths.clear()
    _writes.left.clear()
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


def passing() -> list[str]:
    """Of these, what was moved away or removed again, by this process itself: under the same name
    each time, mostly, and then moved to the place where others look for it."""
    return [
        path
        for path in _writes.paths
        if not os.path.lexists(path)
        and any(f"{path}/".startswith(f"{left}/") for left in _writes.left)
    ]
