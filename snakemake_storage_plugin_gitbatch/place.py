"""The archive that queries use, and the folder from which links lead into it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gitbatch_core.archive import layout
from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import GitError, UsageError
from gitbatch_core.git.repository import Repository
from gitbatch_core.history.run_outputs import RunOutputs
from gitbatch_core.run import archive_location


@dataclass(frozen=True, kw_only=True)
class Place:
    """An archive, and the working directory's repository."""

    archive: Archive
    runs: RunOutputs | None
    """None: not in a repository."""
    top: Path
    """At or above the local copies; links in it lead to the archive by its `.gitbatch/archive`."""

    @classmethod
    def open(cls, local_prefix: Path, chosen: str | os.PathLike[str] | None) -> Place:
        """The place for local copies below `local_prefix`, with the archive `chosen`, else the
        repository's.

        Only the repository's own archive is created where there is none yet. Raises UsageError,
        ArchiveError, FormatError, GitError.
        """
        try:
            repository = Repository.find(Path.cwd())
        except GitError as error:
            if chosen is None:
                raise UsageError(
                    f"No archive was found: {error.message}",
                    hint="Name it: --storage-gitbatch-archive DIR, or $GITBATCH_ARCHIVE.",
                ) from error
            archive = open_named(chosen)
            return cls(archive=archive, runs=None, top=_own_top(local_prefix, archive))
        root = archive_location.chosen_place(repository, None if chosen is None else Path(chosen))
        if root == archive_location.embedded(repository):
            archive = Archive.create(root, exist_ok=True)
        else:
            archive = Archive.open(root)
        top = _top(repository, local_prefix, archive) or _own_top(local_prefix, archive)
        return cls(archive=archive, runs=RunOutputs(repository=repository), top=top)


def open_named(chosen: str | os.PathLike[str]) -> Archive:
    """The archive that a storage's setting names. Raises UsageError, ArchiveError, FormatError."""
    if not os.path.isabs(chosen):
        raise UsageError(
            f"The archive {chosen} of a storage is not an absolute path.",
            hint="Jobs work in other folders than the one the path starts from.",
        )
    return Archive.open(Path(chosen))


def _top(repository: Repository, local_prefix: Path, archive: Archive) -> Path | None:
    """The work tree, where local copies lie in it and its links lead to this archive."""
    if not Path(os.path.realpath(local_prefix)).is_relative_to(repository.top):
        return None
    link = repository.top / layout.LINK_PATH
    if not os.path.lexists(link):
        archive_location.link(repository.top, archive.root, repository.common_dir)
        archive_location.exclude(repository)
    # Where it leads elsewhere, it is the run's, or the other commands': theirs to change.
    same = os.path.realpath(link) == os.path.realpath(archive.root)
    return repository.top if same else None


def _own_top(local_prefix: Path, archive: Archive) -> Path:
    local_prefix.mkdir(parents=True, exist_ok=True)
    archive_location.link(local_prefix.absolute(), archive.root)
    return local_prefix.absolute()
