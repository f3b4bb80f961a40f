"""Move files and folders into the archive and put links in their place. Then commit the links."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core.archive.freeze import Frozen, freeze
from gitbatch_core.archive.walk import inside
from gitbatch_core.cli import output
from gitbatch_core.cli.main import add_archive_option
from gitbatch_core.errors import UsageError
from gitbatch_core.git import work_tree_status
from gitbatch_core.git.repository import Repository
from gitbatch_core.run.archive_location import open_archive
from gitbatch_core.run.mirror import parse_time
from gitbatch_core.wording import listed

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_MOST_SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_archive_option(parser)
    parser.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="files or folders")
    parser.add_argument(
        "--copy", action="store_true", help="leave the files as they are, without links"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list")


def run(arguments: argparse.Namespace) -> int:
    """Freeze; one line `address  path` per path."""
    output.root_notice()
    repository = Repository.find(Path.cwd())
    if not arguments.copy:
        _check_not_written(repository, arguments.paths)
    archive = open_archive(repository, arguments.archive)
    with output.progress(None, "freeze") as progress:
        frozen = freeze(
            archive, repository.top, arguments.paths, copy=arguments.copy, progress=progress
        )
    if arguments.json:
        output.print_json([_as_json(one) for one in frozen])
    else:
        for one in frozen:
            print(f"{one.address}  {output.printable(one.path)}")
    if not arguments.copy:
        _say_what_next(repository, [one.path for one in frozen])
    return 0


def _check_not_written(repository: Repository, paths: Sequence[Path]) -> None:
    """Raise UsageError where the workflow could not write files any more."""
    asked = inside(filter(None, map(repository.relative, paths)))
    written = [path for path in parse_time.recall(repository) if asked(path)]
    if plain := [path for path in written if not (repository.top / path).is_symlink()]:
        raise UsageError(
            "The workflow writes these files while it is read, which it could not do through "
            "links:\n" + listed(map(output.printable, plain), _MOST_SHOWN),
            hint="They need not be frozen: runs take and record them as they are.",
        )


def _as_json(one: Frozen) -> dict[str, object]:
    return {
        "path": str(one.path),
        "address": str(one.address),
        "kind": "tree" if one.folder else "file",
        "size": one.size,
    }


def _say_what_next(repository: Repository, paths: Sequence[Path]) -> None:
    """The commands that commit the links; git ignores some of them, maybe."""
    paths = [path for path in paths if path.parent.resolve().is_relative_to(repository.top)]
    if not paths:
        output.message("These lie outside of the repository: git cannot hold the links there.")
        return
    ignored = work_tree_status.ignored(repository.top, (str(path.absolute()) for path in paths))
    unforced = [path for path in paths if str(path.absolute()) not in ignored]
    forced = [path for path in paths if str(path.absolute()) in ignored]
    output.message("The links belong into git:")
    for command, chosen in (("git add", unforced), ("git add -f", forced)):
        if chosen:
            shown = " ".join(shlex.quote(str(path)) for path in chosen[:_MOST_SHOWN])
            more = f" ... ({len(chosen)} paths)" if len(chosen) > _MOST_SHOWN else ""
            note = "  # git ignores these" if forced and chosen is forced else ""
            output.message(f"  {command} -- {shown}{more}{note}")
    output.message("  git commit")
