"""The file ARCHIVE: what makes a folder an archive, and says which kind."""

from __future__ import annotations

import contextlib
import stat
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gitbatch_core import fs
from gitbatch_core.archive import layout
from gitbatch_core.errors import ArchiveError, FormatError
from gitbatch_core.model import documents
from gitbatch_core.wording import typed

if TYPE_CHECKING:
    from pathlib import Path

_MOST_BYTES = 64 * 1024
"""More than an ARCHIVE file ever has."""


def create(root: Path, algorithm: str, *, exist_ok: bool) -> None:
    """Make the folder `root`, empty or missing so far, an archive. If many processes do this at
    once, one succeeds; the others fail, or with `exist_ok` find that archive. Raises
    ArchiveError."""
    document = {
        "format": layout.FORMAT,
        "version": layout.VERSION,
        "id": str(uuid.uuid4()),
        "hash": algorithm,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    try:
        _make_root(root)
        names = [path.name for path in root.iterdir()]
        others = [n for n in names if not (n.startswith("ARCHIVE.") or fs.is_temporary(n))]
        # Asked after the listing, during which another process may have created it.
        if not (root / layout.ARCHIVE).exists():
            if others:
                raise ArchiveError(
                    f"Cannot create an archive in {root}: the folder is not empty.",
                    hint="Choose a folder that is empty or does not exist yet.",
                )
            temporary = root / f"ARCHIVE.{uuid.uuid4().hex}"
            documents.write(temporary, document)
            try:
                temporary.chmod(layout.FILE_MODE)  # whatever the umask
                fs.create_exclusive(root / layout.ARCHIVE, temporary)
            finally:
                temporary.unlink(missing_ok=True)
        elif not exist_ok:
            raise ArchiveError(f"There is already an archive in {root}.")
        for name in layout.FOLDERS:
            fs.make_folder(root / name)
        fs.sync_folder(root)
    except FileExistsError as error:
        if not exist_ok or not (root / layout.ARCHIVE).exists():
            raise ArchiveError(
                f"Cannot create an archive in {root}: something else is in the way.",
                hint="Choose a folder that is empty or does not exist yet.",
            ) from error
    except OSError as error:
        raise ArchiveError(f"Cannot create an archive in {root}: {error.strerror}.") from error


def _make_root(root: Path) -> None:
    """Make the archive's folder. In one that is shared by a group, as its set-group-id bit says, it
    is open to the same people; elsewhere the umask decides."""
    with contextlib.suppress(FileNotFoundError):
        if root.parent.stat().st_mode & stat.S_ISGID:
            fs.make_folder(root)
    root.mkdir(parents=True, exist_ok=True)


def read(root: Path) -> documents.Document:
    """What the ARCHIVE file says. Raises ArchiveError, FormatError."""
    path = root / layout.ARCHIVE
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES)
    except FileNotFoundError as error:
        create = f"gitbatch init --archive {typed(root)}"
        if not root.is_dir():
            hint = f"Is its file system mounted here? `{create}` creates a new one."
            raise ArchiveError(f"There is no archive {root}.", hint=hint) from error
        other = "Choose another folder: `gitbatch init --archive DIR` creates an archive there."
        raise ArchiveError(
            f"{root} is not an archive: it has no file ARCHIVE.",
            hint=other if any(root.iterdir()) else f"`{create}` creates one.",
        ) from error
    except OSError as error:
        raise ArchiveError(f"Cannot access the archive {root}: {error.strerror}.") from error
    document = documents.loads(data, format=layout.FORMAT, version=layout.VERSION, source=str(path))
    if document.get("hash") not in layout.DIGEST_LENGTHS:
        raise FormatError(
            f"The archive {root} uses the hash {document.get('hash')!r}, "
            "which this gitbatch does not know.",
            hint="Install a newer gitbatch.",
        )
    return document
