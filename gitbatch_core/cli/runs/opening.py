"""Opens the runs of this repository, and its archive if there is one."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import ArchiveError
from gitbatch_core.git.repository import Repository
from gitbatch_core.history.run_names import Runs
from gitbatch_core.run import archive_location

if TYPE_CHECKING:
    import argparse


def runs_here() -> Runs:
    """The runs of the repository that the current folder is in. Raises GitError."""
    return Runs.of(Repository.find(Path.cwd()))


def archive_of(runs: Runs, arguments: argparse.Namespace) -> Archive | None:
    """The archive, which is never created here; None where it is not there."""
    with contextlib.suppress(ArchiveError):
        return Archive.open(archive_location.chosen_place(runs.repository, arguments.archive))
    return None
