"""Whether a run could create the folders that it needs, checked without creating anything."""

from __future__ import annotations

import os
from pathlib import Path

from gitbatch_core.archive import layout
from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import ArchiveError, GitError, RunError, UsageError
from gitbatch_core.git.repository import Repository


def check_archive(root: Path) -> None:
    """Raise ArchiveError, FormatError where a run cannot have its archive in this folder."""
    if (root / layout.ARCHIVE).exists():
        Archive.open(root)
        for name in layout.FOLDERS:
            if (why := _why_not(root / name)) is not None:
                raise ArchiveError(
                    f"The archive cannot be added to: {why}.",
                    hint="Ask its owner for permission (group, set-group-id folders), or choose "
                    "another one: --gitbatch-archive DIR.",
                )
    elif (why := _why_not(root)) is not None:
        raise ArchiveError(
            f"There can be no archive in {root}: {why}.",
            hint="Choose another folder: --gitbatch-archive DIR.",
        )
    elif root.exists() and any(root.iterdir()):
        raise ArchiveError(
            f"There can be no archive in {root}: the folder is not empty.",
            hint="Choose a folder that is empty or does not exist yet.",
        )


def check_folders(repository: Repository, worktrees: Path | None) -> None:
    """Raise GitError, ArchiveError, RunError where a run cannot have its own folders."""
    if (why := _why_not(repository.common_dir)) is not None:
        raise GitError(
            f"The repository cannot be written to: {why}.",
            hint="A run needs a worktree and leaves a commit: clone it to a folder of your own.",
        )
    link = repository.top / layout.LINK_PATH
    if os.path.lexists(link) and not link.is_symlink():
        raise ArchiveError(
            f"The link {link} cannot be made: something else is there.",
            hint="It must lead to the archive: move away what lies there.",
        )
    if worktrees is not None and (why := _why_not(worktrees.expanduser())) is not None:
        raise RunError(
            f"There can be no worktrees in {worktrees}: {why}.",
            hint="Choose another folder: --gitbatch-worktrees DIR.",
        )


def check_file(path: Path, *, of: str, option: str) -> None:
    """Raise UsageError where a run cannot write the file that an option names."""
    why = "it is a folder" if path.is_dir() else _why_not(path.parent)
    if why is not None:
        raise UsageError(f"{of} {path} cannot be written: {why}.", hint=f"Choose another {option}.")


def _why_not(folder: Path) -> str | None:
    """Why nothing can be made in a folder, which may have to be made itself."""
    nearest = folder.absolute()
    while not os.path.lexists(nearest):
        nearest = nearest.parent
    if not nearest.is_dir():
        return f"{nearest} is no folder"
    if not os.access(nearest, os.W_OK | os.X_OK):
        return f"you may not write to {nearest}"
    return None
