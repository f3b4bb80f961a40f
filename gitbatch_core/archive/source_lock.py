"""Opens files to be stored, so that no two processes store the same one at once.

Storing may change a file's mode and mtime, and restores them if it fails: two processes that do
this to one file could undo each other's work, and make an object writable. So each holds a lock on
the source; the archive itself has none.
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
    from collections.abc import Container
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


def open_source(
    path: Path, *, exclusive: bool, strict: bool, ours: Container[tuple[int, int]] = ()
) -> Opened:
    """Open and lock a regular file, or open the one that a link leads to.

    `exclusive` is for a file that will be changed. A file that stays locked by others is opened
    without the lock, or with `strict` is an InUseError. One of `ours` (device, inode), which this
    process has locked under another name, is opened without waiting. Raises ArchiveError.
    """
    deadline = time.monotonic() + PATIENCE
    try:
        while True:
            if not stat.S_ISREG(path.stat().st_mode):
                raise ArchiveError(f"Cannot store {path}: it is not a regular file.")
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                free = not path.is_symlink() and identity(os.fstat(descriptor)) not in ours
                locked = _lock(descriptor, exclusive) if free else False
                if locked is None and time.monotonic() > deadline:
                    if strict:
                        raise InUseError(
                            f"{path} is locked by another process.",
                            hint="Wait until the program that uses it has ended, or end it.",
                        )
                    locked = False
                link, before = path.lstat(), os.fstat(descriptor)
                # Who had the lock may have put something else in its place.
                same = not locked or identity(link) == identity(before)
            except BaseException:
                os.close(descriptor)
                raise
            if locked is not None and same:
                return Opened(
                    descriptor=descriptor,
                    before=before,
                    mtime_ns=link.st_mtime_ns,
                    locked=locked,
                )
            os.close(descriptor)
            time.sleep(_PAUSE)
    except OSError as error:
        raise ArchiveError(f"Cannot read {path}: {error.strerror}.") from error


def identity(status: os.stat_result) -> tuple[int, int]:
    """Device and inode: what stays the same under all names of a file."""
    return status.st_dev, status.st_ino


def _lock(descriptor: int, exclusive: bool) -> bool | None:
    """False: the file system has no locks. None: somebody else holds it."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    except OSError:
        return False
    return True
