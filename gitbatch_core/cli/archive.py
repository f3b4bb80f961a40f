"""Look into the archive, and check it."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core.archive import browse, links, names
from gitbatch_core.archive.store import Archive
from gitbatch_core.cli import output
from gitbatch_core.cli.main import add_archive_option
from gitbatch_core.errors import GitError, UsageError
from gitbatch_core.git.repo import Repository
from gitbatch_core.runs import place

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitbatch_core.archive.layout import Address

_WHAT = "ADDRESS|PATH"
_WHAT_HELP = "an address or its beginning (6 hex digits or more), or a link or folder of links"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs of the verb."""
    add_archive_option(parser)
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    def add(name: str, function: Callable[..., int], text: str) -> argparse.ArgumentParser:
        verb = verbs.add_parser(name, help=text, description=text, allow_abbrev=False)
        verb.set_defaults(function=function)
        # Without a default, or it would hide the one that stands before the verb.
        verb.add_argument("--archive", metavar="PATH", type=Path, default=argparse.SUPPRESS)
        if name != "cat":
            verb.add_argument("--json", action="store_true", help="print JSON")
        return verb

    verb = add("ls", _ls, "list trees and objects, with the names that job records know")
    verb.add_argument("prefixes", metavar="PREFIX", nargs="*", help="of an address or a name")
    verb.add_argument(
        "--names", action="store_true", help="list the storage's names, and what they mean, instead"
    )
    for name, function, text in (
        ("show", _show, "say what is known of an object or a tree: size, where from"),
        ("cat", _cat, "write an object's bytes to standard output"),
        ("tree", _tree, "list a tree's members"),
    ):
        add(name, function, text).add_argument("what", metavar=_WHAT, help=_WHAT_HELP)
    verb = add("verify", _verify, "read everything again and find damage (exit code 1)")
    verb.add_argument("what", metavar=_WHAT, nargs="*", help=_WHAT_HELP + "; default: everything")
    verb.add_argument(
        "--repair",
        action="store_true",
        help="put modes and mtimes right, and move damaged files to damaged/",
    )


def run(arguments: argparse.Namespace) -> int:
    """Open the archive, which is never created here, and do it."""
    function: Callable[[Archive, argparse.Namespace], int] = arguments.function
    return function(_open(arguments.archive), arguments)


def _open(chosen: Path | None) -> Archive:
    """The archive; the repository's own gets its link, which a fresh clone lacks."""
    try:
        repository = Repository.find(Path.cwd())
    except GitError:
        named = chosen or os.environ.get(place.ENVIRONMENT_VARIABLE)
        if not named:
            raise
        return Archive.open(Path(named).expanduser())
    archive = Archive.open(place.chosen_place(repository, chosen))
    if chosen is None:
        place.link(repository.top, archive.root, repository.common_dir)
        place.exclude(repository)
    return archive


def _address(archive: Archive, what: str) -> Address:
    path = Path(what)
    if os.path.lexists(path) and (":" not in what or not browse.is_prefix(what)):
        address = links.address_of(path, archive)
        if address is None:
            raise UsageError(
                f"{what} is not in the archive: it is neither a link there nor a folder of links",
                hint=f"gitbatch freeze {what}",
            )
        return address
    return browse.resolve(archive, what)


def _ls(archive: Archive, arguments: argparse.Namespace) -> int:
    if arguments.names:
        return _ls_names(archive, arguments)
    items = list(browse.items(archive, tuple(arguments.prefixes)))
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


def _show(archive: Archive, arguments: argparse.Namespace) -> int:
    details = browse.details(archive, _address(archive, arguments.what))
    if arguments.json:
        output.print_json(
            {
                "address": str(details.address),
                "kind": details.kind,
                "size": details.size,
                "files": details.files,
                "paths": [str(path) for path in details.paths],
                "origins": [
                    {
                        "path": origin.path,
                        "run": origin.run,
                        "rule": origin.rule,
                        "created": origin.created,
                        "key": origin.key,
                        "record": str(origin.record),
                    }
                    for origin in details.origins
                ],
            }
        )
        return 0
    rows = [("address", str(details.address)), ("kind", details.kind)]
    rows.append(("size", f"{output.human_size(details.size)} ({details.size} bytes)"))
    if details.kind == "tree":
        rows.append(("files", str(details.files)))
    rows += [("stored at", output.printable(path)) for path in details.paths]
    output.table(rows)
    for origin in details.origins:
        print()
        fields = ("path", "rule", "run", "created", "record")
        output.table([(name, output.printable(getattr(origin, name))) for name in fields])
    if not details.origins:
        print("\nNo job record knows it: it was frozen, or is the member of a tree.")
    return 0


def _cat(archive: Archive, arguments: argparse.Namespace) -> int:
    address = _address(archive, arguments.what)
    if archive.has_tree(address) and not archive.variants(address):
        raise UsageError(
            f"{arguments.what} is a tree, which has no bytes of its own",
            hint=f"gitbatch archive tree {address}",
        )
    with archive.open_object(address) as file:
        shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
    return 0


def _tree(archive: Archive, arguments: argparse.Namespace) -> int:
    address = _address(archive, arguments.what)
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


def _verify(archive: Archive, arguments: argparse.Namespace) -> int:
    from gitbatch_core.archive import verify

    addresses = [_address(archive, what) for what in arguments.what] if arguments.what else None
    chosen = verify.plan(archive, addresses)
    with output.progress(chosen.size, "verify") as progress:
        findings = list(verify.check(archive, chosen, repair=arguments.repair, progress=progress))
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
