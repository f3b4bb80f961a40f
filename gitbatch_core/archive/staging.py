"""The folders for unfinished work and for damaged objects, and the error for when neither can be
written."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import uuid
from typing import TYPE_CHECKING

from gitbatch_core import fs
from gitbatch_core.archive import layout
from gitbatch_core.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HINTS = {
    errno.ENOSPC: "Free space there, or choose another archive. Nothing was lost.",
    errno.EDQUOT: "Your quota there is used up. Free space. Nothing was lost.",
    errno.EROFS: "Its file system is mounted read-only here. Nothing was lost.",
    errno.EACCES: "You need permission to write there: ask the owner of the archive.",
    errno.EPERM: "You need permission to write there: ask the owner of the archive.",
    errno.EFBIG: "The file is larger than the file system or a limit (ulimit -f) allows.",
}


@contextlib.contextmanager
def staging(root: Path) -> Iterator[Path]:
    """A new folder in the archive's staging, for this process only; removed at the end.

    What cannot be removed stays: it is in nobody's way. What a killed process has left goes by
    `sweep`.
    """
    fs.make_folder(root / layout.STAGING)
    folder, lock = _locked_folder(root / layout.STAGING)
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):
            fs.remove_tree(folder)
        os.close(lock)


def sweep(root: Path) -> None:
    """Remove what killed processes of this host have left in staging, as far as that can be told:
    the kernel takes their locks away, but not every file system knows locks of folders."""
    own = re.compile(rf"{re.escape(os.uname().nodename)}-\d+-[0-9a-f]{{32}}")
    for folder in (root / layout.STAGING).glob("*-*-*"):
        if not own.fullmatch(folder.name):
            continue
        with contextlib.suppress(OSError), fs.open_folder(folder) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fs.remove_tree(folder)


def _locked_folder(parent: Path) -> tuple[Path, int]:
    while True:
        folder = parent / f"{os.uname().nodename}-{os.getpid()}-{uuid.uuid4().hex}"
        folder.mkdir(mode=0o700)
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # swept before it was locked
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return folder, lock
        os.close(lock)


def set_aside(root: Path, path: str, *, keep: bool = False) -> Path:
    """Give what lies at `path` (relative to the archive) a unique name in damaged/; returns that.

    With `keep` the old name stays too where the file system can do that, for the caller to rename
    something better over it: readers then never find nothing. Raises OSError.
    """
    target = root / layout.DAMAGED / f"{path.replace('/', '-')}-{uuid.uuid4().hex[:8]}"
    fs.make_folder(target.parent)
    if keep:
        with contextlib.suppress(OSError):
            os.link(root / path, target, follow_symlinks=False)
            return target
    (root / path).rename(target)
    return target


def storing_error(root: Path, path: Path | str, error: OSError) -> ArchiveError:
    """The ArchiveError for an OSError while `path` was stored in the archive at `root`."""
    return ArchiveError(
        f"Cannot store {path} in the archive {root}: {error.strerror or error}.",
        hint=_HINTS.get(error.errno or 0, "Nothing was lost. Remove the cause and try again."),
    )
