"""gitbatch archive tree: the members of a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitbatch_core.cli import output
from gitbatch_core.cli.archive import resolve
from gitbatch_core.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from gitbatch_core.archive.store import Archive


def tree(archive: Archive, arguments: argparse.Namespace) -> int:
    """List a tree's members."""
    address = resolve(archive, arguments, arguments.what).address
    if not archive.has_tree(address) and archive.variants(address):
        raise UsageError(f"{arguments.what} is a file, not a tree.")
    entries = archive.manifest(address)
    if arguments.json:
        output.print_json(
            [
                {
                    "kind": entry.kind,
                    "path": entry.path,
                    "executable": entry.executable,
                    "size": entry.size,
                    "address": f"{archive.algorithm}:{entry.digest}" if entry.digest else None,
                    "target": entry.target or None,
                }
                for entry in entries
            ]
        )
        return 0
    rows = []
    for entry in entries:
        name = output.printable(entry.path)
        if entry.kind == "l":
            name += f" -> {output.printable(entry.target)}"
        size = output.human_size(entry.size) if entry.kind == "f" else "-"
        kind = entry.kind + ("x" if entry.executable else "-")
        rows.append((kind, size, entry.digest or "-", name))
    output.table(rows, right=frozenset({1}))
    return 0
