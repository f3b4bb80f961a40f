"""The writable names `PREFIX/PATH`: small files that say which object or tree is meant just now.

They are the one thing in an archive that changes. A name is replaced by rename: readers, and what a
killed writer leaves, have the old or the new one. Of many writers the last one wins. What a name
leads to is stored before the name is written, and stays when the name goes.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitbatch_core import fs
from gitbatch_core.archive import layout
from gitbatch_core.archive.layout import Address, ObjectName
from gitbatch_core.archive.staging import storing_error
from gitbatch_core.errors import ArchiveError, FormatError, GitbatchError, UsageError
from gitbatch_core.log import suppressed
from gitbatch_core.model.storage_name import StorageName

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitbatch_core.archive.store import Archive

GRID_NS = 10**9 // 512
"""Times are whole multiples of this: as seconds in a float, and back, they stay what they are."""
_TRIES = 20
"""To write into a folder that others remove, as it is empty."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Name:
    """A name and what it means."""

    name: str
    """`PREFIX/PATH`."""
    address: Address
    object: ObjectName | None
    """None for a tree."""
    size: int
    """Bytes of the file, or of all members of the tree."""
    changed_ns: int
    """When it last got another content, in nanoseconds since 1970."""
    stored_ns: int
    """When it was last written, also with the same content."""


def read(archive: Archive, name: str) -> Name | None:
    """What the name means; None where there is no such name, or what it meant is gone.

    Raises UsageError for what can be no name, FormatError, ArchiveError.
    """
    path = archive.root / layout.name_path(name)
    try:
        meaning = parse(path.read_bytes(), name, source=str(path))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        raise ArchiveError(f"Cannot read {path} in the archive: {error.strerror}.") from error
    return meaning if leads_somewhere(archive, meaning) else None


def write(
    archive: Archive,
    name: str,
    address: Address,
    *,
    object: ObjectName | None,
    size: int,
    stored_ns: int | None = None,
    before: Name | None = None,
) -> Name:
    """Make the name mean what is stored at the address, durably. `object` is None for a tree;
    `stored_ns`: when it was made, if that is not now; `before` is what the name meant if it was
    removed meanwhile. Raises UsageError if it cannot be a name, also because other names lie below
    or above it; ArchiveError."""
    now = time.time_ns() // GRID_NS * GRID_NS
    with suppressed(FormatError):  # what is damaged is replaced
        before = read(archive, name) or before
    same = before is not None and (before.address, before.object) == (address, object)
    meaning = Name(
        name=name,
        address=address,
        object=object,
        size=size,
        changed_ns=before.changed_ns if same and before else now,
        stored_ns=now if stored_ns is None else -(-stored_ns // GRID_NS) * GRID_NS,
    )
    _put(archive, meaning)
    return meaning


def touch(archive: Archive, name: str) -> None:
    """Say that the name was written now. Does nothing where there is none."""
    if (meaning := read(archive, name)) is not None:
        _put(archive, replace(meaning, stored_ns=time.time_ns() // GRID_NS * GRID_NS))


def remove(archive: Archive, name: str) -> None:
    """Remove the name, where it is there; what it means stays. Raises UsageError, ArchiveError."""
    path = archive.root / layout.name_path(name)
    try:
        path.unlink()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return
    except OSError as error:
        raise ArchiveError(f"Cannot remove {path}: {error.strerror}.") from error
    with contextlib.suppress(OSError):  # until one that is not empty
        for above in path.parents[: name.count("/")]:
            above.rmdir()


def listed(archive: Archive, prefix: str = "") -> Iterator[Name]:
    """All names, or those whose first part is `prefix`, in no particular order; unreadable ones,
    and those whose object is gone, are `verify`'s business and are left out."""
    for path in paths(archive, prefix):
        name = path.removeprefix(f"{layout.NAMES}/")
        with suppressed(GitbatchError, OSError):
            meaning = parse((archive.root / path).read_bytes(), name, source=path)
            if leads_somewhere(archive, meaning):
                yield meaning


def paths(archive: Archive, prefix: str = "") -> Iterator[str]:
    """What lies in the names' folder and is no folder, relative to the archive.

    One look per folder. Raises ArchiveError.
    """
    if prefix:
        layout.name_path(f"{prefix}/x")
    waiting = [f"{layout.NAMES}/{prefix}" if prefix else layout.NAMES]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(archive.root / folder) as items:
                for item in items:
                    path = f"{folder}/{item.name}"
                    if item.is_dir(follow_symlinks=False):
                        waiting.append(path)
                    else:
                        yield path
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise ArchiveError(
                f"Cannot read {error.filename} in the archive: {error.strerror}."
            ) from error


def parse(data: bytes, name: str, *, source: str) -> Name:
    """The name's document. Raises FormatError, naming `source`."""
    try:
        document = StorageName.from_bytes(data, source=source)
        if document.name != name:
            raise ValueError("it belongs to another name")
        path = document.object
        return Name(
            name=name,
            address=Address.parse(document.address),
            object=None if path is None else ObjectName.parse(path),
            size=int(document.size),
            changed_ns=int(document.changed_ns),
            stored_ns=int(document.stored_ns),
        )
    except (KeyError, TypeError, ValueError, FormatError) as error:
        raise FormatError(
            f"{source} is damaged: {error}.",
            hint="Remove that file. The rule that writes the name then writes it again.",
        ) from error


def leads_somewhere(archive: Archive, name: Name) -> bool:
    """Whether the object, or the tree's manifest, is there."""
    if name.object is None:
        return archive.has_tree(name.address)
    return os.path.lexists(archive.path(name.object))


def _put(archive: Archive, name: Name) -> None:
    path = archive.root / layout.name_path(name.name)
    data = StorageName(
        name=name.name,
        address=str(name.address),
        object=None if name.object is None else name.object.path,
        size=name.size,
        changed_ns=name.changed_ns,
        stored_ns=name.stored_ns,
    ).to_bytes()
    try:
        with archive.staging() as folder:
            mine = folder / "name"
            with mine.open("xb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), layout.NAME_MODE)
                os.fsync(file.fileno())
            _rename(mine, path)
        with contextlib.suppress(FileNotFoundError):  # somebody has removed it again
            for above in path.parents[: name.name.count("/") + 1]:
                fs.sync_folder(above)
    except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
        raise UsageError(
            f"{name.name} cannot be a name in the archive {archive.root}: there are names above or "
            "below it.",
            hint=f"Choose another name, or remove the others in {archive.root / layout.NAMES}.",
        ) from error
    except OSError as error:
        raise storing_error(archive.root, f"the name {name.name}", error) from error


def _rename(mine: Path, path: Path) -> None:
    for last in [False] * (_TRIES - 1) + [True]:
        try:
            mine.rename(path)
            return
        except FileNotFoundError:
            if last:
                raise
            with contextlib.suppress(FileNotFoundError):
                fs.make_folder(path.parent)
        except IsADirectoryError:
            if last or any(path.iterdir()):
                raise
            with contextlib.suppress(FileNotFoundError):
                path.rmdir()
