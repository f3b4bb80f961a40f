"""Trace results, and list and verify what is in the archive."""

from __future__ import annotations

import argparse
import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core.archive.store import Archive
from gitbatch_core.cli.main import add_archive_option
from gitbatch_core.errors import GitError
from gitbatch_core.git.repository import Repository
from gitbatch_core.run import archive_location

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitbatch_core.provenance.resolve import ResolvedReference

    _Verbs = argparse._SubParsersAction[argparse.ArgumentParser]

_WHAT = "PATH|ADDRESS|RUN:PATH"
_WHAT_HELP = (
    "a path, even of a file that no longer exists; an address or its beginning (at least 6 hex "
    "digits); or what a run had at a path. RUN: an id, or its beginning or end; a tag; any commit; "
    "or `last`. PATH after RUN: from the top of the repository, or with ./ from here"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs of the verb."""
    add_archive_option(parser)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    _add_tracing(verbs)
    _add_looking(verbs)


def _add_tracing(verbs: _Verbs) -> None:
    verb = _add(verbs, "show", "show what made an object, from which inputs, and what used it")
    verb.add_argument("what", metavar=_WHAT, help=_WHAT_HELP)
    verb = _add(verbs, "lineage", "show the data and jobs from which an object was made")
    verb.add_argument("what", metavar=_WHAT, help=_WHAT_HELP)
    verb.add_argument(
        "--upstream", action="store_true", help="show what it was made from (default)"
    )
    verb.add_argument("--downstream", action="store_true", help="show what was made from it")
    verb.add_argument("--depth", metavar="N", type=int, help="follow at most N jobs")
    verb.add_argument(
        "--format", choices=("text", "dot", "svg"), default="text", help="svg needs Graphviz"
    )
    verb.add_argument(
        "--all", action="store_true", help="draw each job of a large graph separately"
    )
    verb.add_argument("-o", "--output", metavar="FILE", type=Path, help="write to this file")
    verb = _add(verbs, "log", "list all versions of an output, the latest first")
    verb.add_argument("path", metavar="PATH", help="an output, log, or file in an output folder")
    verb.add_argument(
        "--all", action="store_true", help="include versions of commits that this repository lacks"
    )


def _add_looking(verbs: _Verbs) -> None:
    verb = _add(verbs, "ls", "list trees and objects, with the paths that job records give them")
    verb.add_argument(
        "prefixes", metavar="PREFIX", nargs="*", help="beginning of an address or a name"
    )
    verb.add_argument(
        "--names", action="store_true", help="list the storage plugin's names instead"
    )
    for name, text in (
        ("cat", "write an object's bytes to standard output"),
        ("tree", "list a tree's members"),
    ):
        _add(verbs, name, text).add_argument("what", metavar=_WHAT, help=_WHAT_HELP)
    verb = _add(verbs, "verify", "read everything again and report damage (exit code 1)")
    verb.add_argument("what", metavar=_WHAT, nargs="*", help=_WHAT_HELP + "; default: everything")
    verb.add_argument(
        "--repair",
        action="store_true",
        help="restore modes and mtimes, and move damaged files to damaged/",
    )


def _add(verbs: _Verbs, name: str, text: str) -> argparse.ArgumentParser:
    description = f"{text[0].upper()}{text[1:]}."
    verb = verbs.add_parser(name, help=text, description=description, allow_abbrev=False)
    # Without a default, or it would hide the one that stands before the verb.
    verb.add_argument(
        "--archive",
        metavar="PATH",
        type=Path,
        default=argparse.SUPPRESS,
        help="the archive's folder",
    )
    if name != "cat":
        verb.add_argument("--json", action="store_true", help="print JSON")
    return verb


def run(arguments: argparse.Namespace) -> int:
    """Open the archive, which is never created here, and do it."""
    archive, repository = _open(arguments.archive)
    arguments.repository = repository
    module = importlib.import_module(f"{__name__}.{arguments.verb}")
    function: Callable[[Archive, argparse.Namespace], int] = getattr(module, arguments.verb)
    return function(archive, arguments)


def resolve(archive: Archive, arguments: argparse.Namespace, what: str) -> ResolvedReference:
    """What an argument means. Raises UsageError, NotInArchiveError, GitError."""
    from gitbatch_core.provenance.resolve import Resolver

    resolver = Resolver(archive=archive, repository=arguments.repository, folder=Path.cwd())
    return resolver.resolve(what)


def path_in_folder(arguments: argparse.Namespace, reference: ResolvedReference) -> Path | None:
    """Where it lies in the work tree, if it was found there."""
    return arguments.repository.top / reference.path if reference.in_folder else None


def _open(chosen: Path | None) -> tuple[Archive, Repository | None]:
    """The archive; the repository's own gets its link, which a fresh clone lacks."""
    try:
        repository = Repository.find(Path.cwd())
    except GitError:
        named = chosen or os.environ.get(archive_location.ENVIRONMENT_VARIABLE)
        if not named:
            raise
        return Archive.open(Path(named).expanduser()), None
    archive = Archive.open(archive_location.chosen_place(repository, chosen))
    if chosen is None:
        archive_location.link(repository.top, archive.root, repository.common_dir)
        archive_location.exclude(repository)
    return archive, repository
