"""Opening a file that is to be stored, so that no two processes store the same one at once.

Storing may change a file's mode and mtime, and puts them back where it fails: two that do this to
one file could undo each other's work, and make an object writable. So each holds a lock on the
source; the archive itself has none.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitbatch_core.errors import ArchiveError, InUseError

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 30.0
"""Seconds to wait for another process that stores the same file."""
_PAUSE = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A source, open for reading."""

    descriptor: int
    before: os.stat_result
    """Of the file, after it was locked."""
    mtime_ns: int
    """Of the path itself: of the link where it is one."""
    locked: bool
    """No other process stores it now. False for links, and where the file system has no locks."""


def open_source(path: Path, *, exclusive: bool, strict: bool) -> Opened:
    """Open and lock a regular file, or open the one that a link leads to.

    `exclusive` is for a file that will be changed. A file that stays locked by others is opened
    without the lock, with `strict` it is an InUseError. Raises ArchiveError.
    """
    deadline = time.monotonic() + PATIENCE
    try:
        while True:
            if not stat.S_ISREG(path.stat().st_mode):
                raise ArchiveError(f"cannot store {path}: it is not a regular file")
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                opened = _lock(path, descriptor, exclusive, time.monotonic() > deadline, strict)
            except BaseException:
                os.close(descriptor)
                raise
            if opened is not None:
                return opened
            os.close(descriptor)
            time.sleep(_PAUSE)
    except OSError as error:
        raise ArchiveError(f"cannot read {path}: {error.strerror}") from error


def _lock(path: Path, descriptor: int, exclusive: bool, late: bool, strict: bool) -> Opened | None:
    """None: somebody else has it, or has replaced it meanwhile."""
    locked = False
    if not path.is_symlink():
        try:
            kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            locked = True
        except BlockingIOError:
            if not late:
                return None
            if strict:
                raise InUseError(
                    f"{path} is locked by another process",
                    hint="Wait until the program that uses it has ended, or end it.",
                ) from None
        except OSError:
            pass  # no locks on this file system
    link, before = path.lstat(), os.fstat(descriptor)
    if locked and (link.st_dev, link.st_ino) != (before.st_dev, before.st_ino):
        return None
    return Opened(descriptor=descriptor, before=before, mtime_ns=link.st_mtime_ns, locked=locked)
