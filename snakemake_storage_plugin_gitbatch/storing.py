"""Stores a local copy in the archive: what a link leads to is there already, everything else
becomes links."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gitbatch_core.archive import links
from gitbatch_core.archive.layout import Address, ObjectName
from gitbatch_core.archive.store import Stored, Take
from gitbatch_core.errors import UsageError
from snakemake_storage_plugin_gitbatch.place import Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Put:
    """What a name can mean."""

    address: Address
    object: ObjectName | None
    """None for a folder."""
    size: int
    """Bytes, of all files."""
    made_ns: int
    """The time of the file or folder."""


def put(place: Place, path: Path) -> Put:
    """Store the file or folder at `path`, with links in its place.

    Raises UsageError where there is none, ArchiveError; then it is as it was.
    """
    if not os.path.exists(path):
        raise UsageError(f"{path} cannot be stored: it does not exist.")
    made_ns = links.time_of(path)
    if path.is_dir():
        tree = place.archive.put_tree(path, take=Take.SHARE)
        _place(place, tree.files)
        return Put(address=tree.address, object=None, size=tree.size, made_ns=made_ns)
    [stored] = place.archive.put([path], take=Take.SHARE)
    if place.archive.object_at(path) is None:
        _place(place, [stored])
    return Put(address=stored.address, object=stored.name, size=stored.size, made_ns=made_ns)


def _place(place: Place, files: Iterable[Stored]) -> None:
    """Replace all sources by links, or leave them as they were; then raises the first error."""
    failure: BaseException | None = None
    for stored in files:
        try:
            links.place_link(stored.source, stored.name, top=place.top, mtime_ns=stored.mtime_ns)
        except BaseException as error:
            failure = failure or error
            place.archive.take_back(stored)
    if failure is not None:
        raise failure
