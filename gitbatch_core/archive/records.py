"""Documents as files of the archive: written once, never overwritten, listed by name.

These are job records, documents of ended runs, and attempts to reproduce runs. Their content is
none of this module's business.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from gitbatch_core import fs
from gitbatch_core.archive import layout
from gitbatch_core.archive.staging import staging, storing_error
from gitbatch_core.errors import ArchiveError, FormatError
from gitbatch_core.log import suppressed
from gitbatch_core.model import documents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitbatch_core.model.ended_run import EndedRun
    from gitbatch_core.model.reproduction import Reproduction


def write(root: Path, relative: str, document: documents.Document) -> Path:
    """Keep a document, durably; its file. Writing the same again is fine. `relative`: where, as
    `layout` says.

    Raises ArchiveError, also where there is another document with this name.
    """
    data = documents.dumps(document)
    path = root / relative
    try:
        with staging(root) as folder:
            temporary = folder / path.name
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), layout.FILE_MODE)
                os.fsync(file.fileno())
            fs.make_folder(path.parent)
            fs.create_exclusive(path, temporary)
        for folder in path.parents:
            fs.sync_folder(folder)
            if folder == root:
                break
    except FileExistsError:
        if path.read_bytes() != data:
            raise ArchiveError(
                f"The archive {root} already has another document {relative}.",
                hint="Documents are never overwritten; a run id was used twice.",
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


def write_run(root: Path, ended: EndedRun) -> Path:
    """Store how a run has ended. See `write`."""
    return write(root, layout.run_path(ended.run), ended.to_dict())


def read_run(root: Path, run: str) -> EndedRun | None:
    """How a run has ended; None where it has not, or where nobody knows. Raises FormatError,
    OSError."""
    from gitbatch_core.model.ended_run import EndedRun  # nothing for the runner

    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return EndedRun.read(root / layout.run_path(run))
    return None


def write_reproduction(root: Path, attempt: Reproduction) -> Path:
    """Store what became of an attempt to make the outputs of a run again. See `write`."""
    return write(root, layout.reproduction_path(attempt.run, attempt.again), attempt.to_dict())


def reproductions(root: Path, run: str | None = None) -> Iterator[Reproduction]:
    """The attempts to make the outputs of a run, or of all runs, again, sorted by name. Those that
    cannot be read are passed over: `verify` names them."""
    from gitbatch_core.model.reproduction import Reproduction

    for name in _names(root / layout.REPRODUCTIONS) if run is None else [run]:
        folder = root / layout.REPRODUCTIONS / name
        for path in (folder / each for each in _names(folder)):
            with suppressed(FormatError, OSError):
                yield Reproduction.read(path)


def _in_folder(root: Path, folder: str) -> Iterator[Path]:
    for name in _names(root / folder):
        with suppressed(FormatError):
            layout.parse_record_path(f"{folder}/{name}")
            yield root / folder / name


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
