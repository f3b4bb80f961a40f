"""Which archive a repository uses, and the link `.gitbatch/archive` that leads there."""

from __future__ import annotations

import os
from pathlib import Path

from gitbatch_core import fs
from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import ArchiveError, GitbatchError
from gitbatch_core.git.repository import Repository
from gitbatch_core.log import suppressed

ENVIRONMENT_VARIABLE = "GITBATCH_ARCHIVE"
CONFIG_KEY = "gitbatch.archive"
OWN = ".gitbatch"
"""The folder in a work tree that is ours."""
_EXCLUDE = f"/{OWN}/"


def embedded(repository: Repository) -> Path:
    """The folder of the archive that lies in the repository itself, where `git clean -ffdx`,
    `git stash -a` and checkouts cannot harm it."""
    return repository.common_dir / "gitbatch" / "archive"


def chosen_place(repository: Repository, chosen: Path | None = None) -> Path:
    """The archive's folder: `chosen`, else GITBATCH_ARCHIVE, else git config gitbatch.archive,
    else the embedded one. A relative path in git's configuration starts at the top of the
    repository's main work tree, for all of its work trees."""
    if chosen is not None:
        return chosen.expanduser().absolute()
    if named := os.environ.get(ENVIRONMENT_VARIABLE):
        return Path(named).expanduser().absolute()
    if named := repository.config(CONFIG_KEY):
        main = repository.common_dir
        top = main.parent if main.name == ".git" else repository.top
        return Path(os.path.normpath(top / named))
    return embedded(repository)


def open_archive(
    repository: Repository,
    chosen: Path | None = None,
    *,
    create: bool = True,
    algorithm: str = "xxh3",
) -> Archive:
    """The repository's archive, with its link in place.

    The embedded archive, and with `create` any other, is created where there is none yet.
    Raises ArchiveError where it cannot be reached, FormatError where it is of a later version.
    """
    place = chosen_place(repository, chosen)
    if _has_archive(place) or not (create or place == embedded(repository)):
        archive = Archive.open(place)
    else:
        archive = Archive.create(place, algorithm, exist_ok=True)
    link(repository.top, archive.root, repository.common_dir)
    exclude(repository)
    return archive


def _has_archive(place: Path) -> bool:
    try:
        return (place / "ARCHIVE").exists()
    except OSError:
        return True  # whoever opens it learns why it cannot be reached


def link_existing(folder: Path, chosen: Path | None = None) -> None:
    """Create the link to the archive of the repository that `folder` lies in, if both exist; a
    fresh clone or worktree lacks it. Never raises GitbatchError."""
    with suppressed(GitbatchError):
        repository = Repository.find(folder)
        place = chosen_place(repository, chosen)
        if _has_archive(place):
            link(repository.top, place, repository.common_dir)
            exclude(repository)


def link(top: Path, archive: Path, common_dir: Path | None = None) -> None:
    """Make `<top>/.gitbatch/archive` lead to the folder `archive`.

    Into the repository itself the link is relative, so that the repository can be moved.
    """
    path = top / OWN / "archive"
    inside = common_dir is not None and common_dir.parent == top
    target = (
        os.path.relpath(archive, path.parent)
        if inside and archive.is_relative_to(top)
        else str(archive)
    )
    if path.is_symlink() and os.readlink(path) == target and (top / OWN / ".gitignore").exists():
        return
    try:
        own_folder(top)
        temporary = path.with_name(f".archive.{os.getpid()}")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target)
        os.replace(temporary, path)
    except OSError as error:
        raise ArchiveError(
            f"The link {path} cannot be made: {error.strerror}.",
            hint="It leads to the archive; nothing else may lie there.",
        ) from error


def own_folder(top: Path) -> Path:
    """The folder `.gitbatch` in a work tree, in which git ignores all that it does not track: its
    own `.gitignore` goes before any other one, such as one that says `!.git*`. Raises OSError."""
    folder = top / OWN
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ".gitignore").exists():
        fs.replace_with_bytes(folder / ".gitignore", b"*\n")
    return folder


def exclude(repository: Repository) -> None:
    """Have git ignore `.gitbatch/` in all work trees of the repository, by .git/info/exclude."""
    path = repository.common_dir / "info" / "exclude"
    try:
        text = path.read_text(errors="surrogateescape") if path.exists() else ""
        if _EXCLUDE not in text.splitlines():
            path.parent.mkdir(exist_ok=True)
            with path.open("a", errors="surrogateescape") as file:
                file.write(("" if not text or text.endswith("\n") else "\n") + _EXCLUDE + "\n")
    except OSError as error:
        raise ArchiveError(f"{path} cannot be written: {error.strerror}.") from error
