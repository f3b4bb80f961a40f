"""Replace links into the archive by writable copies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core.archive.freeze import thaw
from gitbatch_core.cli import output
from gitbatch_core.cli.main import add_archive_option
from gitbatch_core.errors import UsageError
from gitbatch_core.git.repository import Repository
from gitbatch_core.run.archive_location import open_archive
from gitbatch_core.run.mirror import tracked_results

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_archive_option(parser)
    parser.add_argument(
        "paths", metavar="PATH", nargs="*", type=Path, help="links, or folders that contain links"
    )
    parser.add_argument(
        "--tracked", action="store_true", help="thaw all results that git tracks as files"
    )


def run(arguments: argparse.Namespace) -> int:
    """Thaw; one line per file."""
    repository = Repository.find(Path.cwd())
    archive = open_archive(repository, arguments.archive, create=False)
    paths = [*arguments.paths]
    if arguments.tracked:
        paths += [repository.top / path for path in tracked_results.linked_of_runs(repository)]
    elif not paths:
        raise UsageError(
            "No files to thaw were named.", hint="Name links or folders, or --tracked."
        )
    with output.progress(None, "thaw") as progress:
        done = thaw(archive, repository.top, paths, progress=progress)
    here = Path.cwd()
    for path in done:
        shown = path.relative_to(here) if path.is_relative_to(here) else path
        print(output.printable(shown))
    return 0
