"""gitbatch archive ls: the trees and objects of the archive, or the storage plugin's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitbatch_core.archive import names
from gitbatch_core.cli import output
from gitbatch_core.provenance import listing

if TYPE_CHECKING:
    import argparse

    from gitbatch_core.archive.store import Archive


def ls(archive: Archive, arguments: argparse.Namespace) -> int:
    """List trees and objects, or names."""
    if arguments.names:
        return _ls_names(archive, arguments)
    items = list(listing.items(archive, tuple(arguments.prefixes)))
    if arguments.json:
        output.print_json(
            [
                {
                    "address": str(item.address),
                    "kind": item.kind,
                    "size": item.size,
                    "names": item.names,
                }
                for item in items
            ]
        )
        return 0
    rows = []
    for item in items:
        more = f" (and {len(item.names) - 1} more)" if len(item.names) > 1 else ""
        name = output.printable(item.names[0]) + more if item.names else "-"
        rows.append((str(item.address), item.kind, output.human_size(item.size), name))
    output.table(rows, right=frozenset({2}))
    return 0


def _ls_names(archive: Archive, arguments: argparse.Namespace) -> int:
    prefixes = tuple(prefix.removeprefix("gitbatch://name/") for prefix in arguments.prefixes)
    listed = sorted(
        (name for name in names.listed(archive) if not prefixes or name.name.startswith(prefixes)),
        key=lambda name: name.name,
    )
    if arguments.json:
        output.print_json(
            [
                {
                    "name": name.name,
                    "address": str(name.address),
                    "kind": "tree" if name.object is None else "file",
                    "size": name.size,
                    "changed_ns": name.changed_ns,
                    "stored_ns": name.stored_ns,
                }
                for name in listed
            ]
        )
        return 0
    rows = []
    for name in listed:
        kind = "tree" if name.object is None else "file"
        size = output.human_size(name.size)
        rows.append((str(name.address), kind, size, output.printable(name.name)))
    output.table(rows, right=frozenset({2}))
    return 0
