"""Job records as files of the archive: written once, never overwritten, listed by name.

What stands in a record is none of this module's business.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from gitbatch_core import fsutil, jsonio
from gitbatch_core.archive import layout
from gitbatch_core.archive.staging import staging, storing_error
from gitbatch_core.errors import ArchiveError, FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def write(root: Path, key: str, run: str, number: int, document: jsonio.Document) -> Path:
    """Keep a record, durably; its file. Writing the same again is fine.

    Raises ArchiveError, also where there is another record with this name.
    """
    data = jsonio.dumps(document)
    relative = layout.record_path(key, run, number)
    path = root / relative
    try:
        with staging(root) as folder:
            temporary = folder / path.name
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), layout.FILE_MODE)
                os.fsync(file.fileno())
            fsutil.make_folder(path.parent)
            fsutil.create_exclusive(path, temporary)
        for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
            fsutil.sync_folder(folder)
    except FileExistsError:
        if path.read_bytes() != data:
            raise ArchiveError(
                f"there is another record {relative} in the archive {root} already",
                hint="Records are never overwritten; a run id was used twice.",
            ) from None
    except OSError as error:
        raise storing_error(root, relative, error) from error
    return path


def paths(root: Path, key: str | None = None) -> Iterator[Path]:
    """The files of the records of one job key, or of all, sorted by name. Raises OSError."""
    if key is not None:
        yield from _in_folder(root, layout.record_folder(key))
        return
    for shard in _names(root / layout.RECORDS):
        for rest in _names(root / layout.RECORDS / shard):
            yield from _in_folder(root, f"{layout.RECORDS}/{shard}/{rest}")


def _in_folder(root: Path, folder: str) -> Iterator[Path]:
    for name in _names(root / folder):
        with contextlib.suppress(FormatError):
            layout.parse_record_path(f"{folder}/{name}")
            yield root / folder / name


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
