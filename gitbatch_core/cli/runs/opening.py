"""Opens what an action works on: this repository's runs, one that has not ended, the archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import ArchiveError
from gitbatch_core.git.repository import Repository
from gitbatch_core.history import run_names
from gitbatch_core.history.run_names import Runs
from gitbatch_core.log import suppressed
from gitbatch_core.run import archive_location
from gitbatch_core.run.lease import Owner, owners

if TYPE_CHECKING:
    import argparse


def runs_here() -> Runs:
    """The runs of the repository that the current folder is in. Raises GitError."""
    return Runs.of(Repository.find(Path.cwd()))


def archive_of(runs: Runs, arguments: argparse.Namespace) -> Archive | None:
    """The archive, which is never created here; None where it is not there."""
    with suppressed(ArchiveError):
        return Archive.open(archive_location.chosen_place(runs.repository, arguments.archive))
    return None


def open_run(repository: Repository, name: str) -> Owner:
    """The run that has not ended and that `name` means; the only one, if empty. Raises
    UsageError."""
    return run_names.open_run(owners(repository), name, what="run that has not ended")


def goes_on(repository: Repository, owner: Owner) -> bool:
    """Whether the run's controller is still at work."""
    return any(each.run == owner.run and not each.is_dead for each in owners(repository))
