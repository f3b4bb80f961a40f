"""gitbatch archive ls, cat, tree and verify: what the archive has, and whether it is undamaged."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from gitbatch_core.archive import names
from gitbatch_core.cli import output
from gitbatch_core.cli.archive import asked
from gitbatch_core.errors import UsageError
from gitbatch_core.provenance import listing
from gitbatch_core.wording import typed

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
    found = sorted(
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
                for name in found
            ]
        )
        return 0
    rows = []
    for name in found:
        kind = "tree" if name.object is None else "file"
        size = output.human_size(name.size)
        rows.append((str(name.address), kind, size, output.printable(name.name)))
    output.table(rows, right=frozenset({2}))
    return 0


def cat(archive: Archive, arguments: argparse.Namespace) -> int:
    """Write an object's bytes to standard output."""
    address = asked(archive, arguments, arguments.what).address
    if archive.has_tree(address) and not archive.variants(address):
        raise UsageError(
            f"{arguments.what} is a tree, which has no bytes of its own",
            hint=f"gitbatch archive tree --archive {typed(archive.root)} {address}",
        )
    with archive.open_object(address) as file:
        shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
    return 0


def tree(archive: Archive, arguments: argparse.Namespace) -> int:
    """List a tree's members."""
    address = asked(archive, arguments, arguments.what).address
    if not archive.has_tree(address) and archive.variants(address):
        raise UsageError(f"{arguments.what} is a file, not a tree")
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


def verify(archive: Archive, arguments: argparse.Namespace) -> int:
    """Read everything again; 1 where there is damage."""
    from gitbatch_core.archive import verify as checks

    addresses = (
        [asked(archive, arguments, what).address for what in arguments.what]
        if arguments.what
        else None
    )
    chosen = checks.plan(archive, addresses)
    with output.progress(chosen.size, "verify") as progress:
        findings = list(checks.check(archive, chosen, repair=arguments.repair, progress=progress))
    if arguments.json:
        output.print_json(
            [
                {
                    "problem": finding.problem.value,
                    "path": finding.path,
                    "address": str(finding.address) if finding.address else None,
                    "message": finding.message,
                    "repaired": finding.repaired,
                }
                for finding in findings
            ]
        )
    else:
        for finding in findings:
            done = " (repaired)" if finding.repaired else ""
            path = output.printable(finding.path)
            print(f"{finding.problem.value}: {path}: {output.printable(finding.message)}{done}")
    counts = f"{len(chosen.objects)} objects, {len(chosen.manifests)} trees"
    counts += f", {len(chosen.records)} records"
    if chosen.names:
        counts += f", {len(chosen.names)} names"
    counts += f" ({output.human_size(chosen.size)})"
    result = f"{len(findings)} findings" if findings else "no damage"
    output.message(f"checked {counts}: {result}")
    return 1 if findings else 0
