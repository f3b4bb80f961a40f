"""A writable name of the storage plugin: what `gitbatch://name/PREFIX/PATH` means just now."""

from __future__ import annotations

from typing import ClassVar

from gitbatch_core.model.documents import StoredDocument


class StorageName(StoredDocument):
    """In the archive: names/PREFIX/PATH."""

    FORMAT: ClassVar[str] = "gitbatch-name"
    VERSION: ClassVar[int] = 1

    name: str
    """`PREFIX/PATH`."""
    address: str
    object: str | None
    """Path of the object in the archive; None for a tree."""
    size: int
    """Bytes of the file, or of all members of the tree."""
    changed_ns: int
    """When it last got another content, in nanoseconds since 1970."""
    stored_ns: int
    """When it was last written, also with the same content."""
