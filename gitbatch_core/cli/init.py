"""Create the archive of this repository, or show where it is. Running it twice changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core.archive.layout import DEFAULT_ALGORITHM, DIGEST_LENGTHS
from gitbatch_core.archive.store import Archive
from gitbatch_core.cli import output
from gitbatch_core.cli.main import add_archive_option
from gitbatch_core.errors import UsageError
from gitbatch_core.git.repository import Repository
from gitbatch_core.run import archive_location

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_archive_option(parser)
    parser.add_argument(
        "--hash",
        choices=sorted(DIGEST_LENGTHS),
        help=f"hash algorithm that names objects (default: {DEFAULT_ALGORITHM}); blake3 also "
        "protects against forged files, and needs the Python package blake3",
    )


def run(arguments: argparse.Namespace) -> int:
    """Create or open it, and remember it in git's configuration where it is not embedded."""
    output.root_notice()
    repository = Repository.find(Path.cwd())
    algorithm = arguments.hash or DEFAULT_ALGORITHM
    archive = archive_location.open_archive(
        repository, arguments.archive, create=True, algorithm=algorithm
    )
    Archive.create(archive.root, archive.algorithm, exist_ok=True)  # folders that it has lost, too
    if arguments.hash and arguments.hash != archive.algorithm:
        raise UsageError(
            f"The archive {archive.root} uses {archive.algorithm}, not {arguments.hash}.",
            hint="An archive keeps its hash; choose another folder for another hash.",
        )
    if archive.root != archive_location.embedded(repository):
        repository.configure(archive_location.CONFIG_KEY, str(archive.root))
    elif arguments.archive and repository.config(archive_location.CONFIG_KEY):
        repository.configure(archive_location.CONFIG_KEY, None)
    output.table(
        [
            ("archive", output.printable(archive.root)),
            ("id", archive.id),
            ("hash", archive.algorithm),
        ]
    )
    return 0
