"""The links in a work tree that lead to objects: their text, how they are placed and read.

A link is relative and passes through `.gitbatch/archive` at the top of the work tree, so that it
can be committed and checked out anywhere. What it leads to stands in its text: its address is known
even where the archive is not. Behind a link to a folder outside of the work tree, where no relative
path can lead back, it is absolute, through the same `.gitbatch/archive`.
"""

# Link texts and raw names, which Path normalises.

from __future__ import annotations

import errno
import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core import fs
from gitbatch_core.archive import layout, manifests
from gitbatch_core.archive.layout import linked_object
from gitbatch_core.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitbatch_core.archive.layout import Address, ObjectName
    from gitbatch_core.archive.store import Archive

__all__ = [
    "address_of",
    "entries_of",
    "link_text",
    "linked_object",
    "only_links",
    "place_link",
    "place_tree",
    "time_of",
]


def link_text(path: Path, top: Path, name: ObjectName) -> str:
    """The text of a link at `path`, below the work tree `top`, to the object.

    Looks at names only. Raises ValueError where `path` is not below `top`.
    """
    depth = len(path.relative_to(top).parts) - 1
    return f"{'../' * depth}{layout.LINK_PATH}/{name.path}"


def place_link(
    path: Path, name: ObjectName, *, top: Path, mtime_ns: int, like: Path | None = None
) -> None:
    """Put a link to the object at `path`, below `top`, by rename; makes missing folders.

    The link itself gets the mtime. Replaces a file, a link or an empty folder. `like` may be the
    same link in another work tree: see `fs.replace_with_link`. Raises ArchiveError.
    """
    try:
        if not os.path.isdir(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        text = _text(_real_path(path), _real_top(top), name)
        fs.replace_with_link(path, text, mtime_ns=mtime_ns, like=like)
    except OSError as error:
        raise _placing_error(path, error) from error


def place_tree(
    archive: Archive, path: Path, entries: Iterable[manifests.Entry], *, top: Path, mtime_ns: int
) -> None:
    """Put a tree at `path`, below `top`: a real folder of links with this mtime.

    Replaces a file, a link, an empty folder, or one that holds nothing but links (and Snakemake's
    time stamp); never one with files. It appears complete, by rename. Raises ArchiveError;
    NotInArchiveError where an object is missing, then nothing has changed.
    """
    temporary = fs.temporary_beside(path)
    aside = fs.temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        real, real_top = _real_path(path), _real_top(top)
        temporary.mkdir()
        folders = {temporary}
        for entry in entries:
            inner = temporary / entry.path
            folder = inner if entry.kind == "d" else inner.parent
            if folder not in folders:
                folder.mkdir(parents=True, exist_ok=True)
                folders.add(folder)
            if entry.kind == "d":
                continue
            text = entry.target
            if entry.kind == "f":
                name = _member(archive, entry)
                text = _text(real / entry.path, real_top, name)
            os.symlink(text, inner)
            os.utime(inner, ns=(mtime_ns, mtime_ns), follow_symlinks=False)
        os.utime(temporary, ns=(mtime_ns, mtime_ns))
        if os.path.lexists(path):
            if path.is_dir() and not path.is_symlink() and not only_links(path):
                raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
            path.rename(aside)
        temporary.rename(path)
    except OSError as error:
        if os.path.lexists(aside):
            aside.rename(path)
        raise _placing_error(path, error) from error
    finally:
        fs.remove_tree(temporary)
        if aside.is_dir() and not aside.is_symlink():
            fs.remove_tree(aside)
        else:
            aside.unlink(missing_ok=True)


def address_of(path: Path, archive: Archive | None = None) -> Address | None:
    """The address of what lies at `path` in a work tree, by its links; None if it is not in an
    archive. A link has its object's address, read from its text, without the archive if it has our
    form. A folder that holds nothing but links and empty folders has the address of that tree,
    computed from them and the objects' sizes, not their bytes. Raises ArchiveError."""
    try:
        if path.is_symlink():
            name = linked_object(os.readlink(path))
            if name is None and archive is not None:
                name = archive.object_at(path)
            return name.address if name else None
        if archive is not None and path.is_dir():
            entries = entries_of(path, archive)
            return None if entries is None else manifests.address(entries, archive.algorithm)
    except OSError as error:
        raise ArchiveError(f"Cannot read {path}: {error.strerror}.") from error
    return None


def entries_of(folder: Path, archive: Archive) -> tuple[manifests.Entry, ...] | None:
    """The entries of a folder of links; None where it holds files that are not in the archive.

    Raises ArchiveError, OSError.
    """
    entries = []
    for item in manifests.scan(str(folder), archive.object_at):
        if item.file:
            return None
        entries.append(archive.entry(item))
    return tuple(sorted(entries, key=lambda entry: os.fsencode(entry.path)))


def _member(archive: Archive, entry: manifests.Entry) -> ObjectName:
    address = layout.Address.of_digest(entry.digest)
    suffix = layout.suffix_of(entry.path)
    return archive.find(address, executable=entry.executable, suffix=suffix)


@functools.lru_cache(maxsize=8)
def _real_top(top: Path) -> Path:
    """A work tree's own folder, which does not move while somebody works in it."""
    return Path(os.path.realpath(top))


def _real_path(path: Path) -> Path:
    """`path` with its folder resolved, not itself."""
    return Path(os.path.realpath(path.parent), path.name)


def _text(real: Path, real_top: Path, name: ObjectName) -> str:
    """The text of a link that lies at `real`, which may be outside of the work tree."""
    if real.is_relative_to(real_top):
        return link_text(real, real_top, name)
    return f"{real_top}/{layout.LINK_PATH}/{name.path}"


def time_of(path: Path) -> int:
    """When an output was made, as Snakemake sees it: a link's own time, the time stamp of a
    folder. Raises OSError."""
    stamp = path / manifests.IGNORED
    has_stamp = not path.is_symlink() and stamp.exists()
    return (stamp if has_stamp else path).lstat().st_mtime_ns


def only_links(folder: Path) -> bool:
    """Whether a folder holds nothing but links and folders (and Snakemake's time stamp)."""
    waiting = [str(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as items:
            for item in items:
                if item.is_symlink() or item.name == manifests.IGNORED:
                    continue
                if not item.is_dir():
                    return False
                waiting.append(item.path)
    return True


def _placing_error(path: Path, error: OSError) -> ArchiveError:
    if error.errno == errno.ENOTEMPTY:
        return ArchiveError(
            f"Cannot put a link at {path}: a folder with files is in the way.",
            hint="Move the folder away.",
        )
    return ArchiveError(f"Cannot put a link at {path}: {error.strerror}.")
