"""Results that git tracks as files.

A run puts links in their places; a commit of these links would contain only names of objects. So
the end of the run names them, or makes them files again. See docs/adr/0018.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

from gitbatch_core.archive.freeze import thaw
from gitbatch_core.archive.layout import linked_object
from gitbatch_core.archive.store import Archive
from gitbatch_core.archive.walk import inside
from gitbatch_core.errors import GitbatchError, UsageError, readable
from gitbatch_core.git import index
from gitbatch_core.git.repository import Repository
from gitbatch_core.run import run_commit
from gitbatch_core.wording import count, some, typed

KEY = "gitbatch.trackedResults"
"""In git's configuration: `links`, the default, or `files`."""
_LINKS, _FILES = "links", "files"
_MOST_NAMED = 10
_MOST_RUNS = 20


def linked(repository: Repository, results: Iterable[str]) -> list[str]:
    """Of these paths, relative to the top, and what lies below them: those where git's index has a
    file and the work tree a link into an archive. Raises GitError."""
    is_result = inside(results)
    files = filter(is_result, index.files(repository.top))
    return [path for path in files if _is_link(repository.top / path)]


def linked_of_runs(repository: Repository) -> list[str]:
    """Those of the latest runs. Raises GitError."""
    documents = islice(run_commit.earlier(repository, own_first=True), _MOST_RUNS)
    return linked(repository, (output.path for run in documents for output in run.outputs))


def are_files(repository: Repository) -> bool:
    """Whether the user wants them as files. Raises UsageError for an unknown setting."""
    wish = repository.config(KEY) or _LINKS
    if wish not in (_LINKS, _FILES):
        raise UsageError(f"git config {KEY} is {wish!r}, which is neither {_LINKS} nor {_FILES}.")
    return wish == _FILES


def make_files(archive: Archive, top: Path, paths: Iterable[str]) -> None:
    """Put copies in the places of the links, as old as these. Raises UsageError, DamageError,
    ArchiveError."""
    thaw(archive, top, [top / path for path in paths])


def settle(
    repository: Repository,
    archive: Archive,
    results: Iterable[str],
    *,
    warn: Callable[[str], object],
    say: Callable[[str], object],
) -> None:
    """At the end of a run, turn those of its `results` that git tracks as files back into files if
    the user wants that, or say how to do it. Raises nothing; problems are reported."""
    top = repository.top
    try:
        if not (paths := linked(repository, results)):
            return
        if not are_files(repository):
            warn(
                f"{count(len(paths), 'file')} that git tracks became links into the archive: "
                f"{readable(some(paths))}. A commit would contain only the links. "
                f"To turn them back into files:\n  {readable(command(top, paths))}\n"
                f"To let each run do so: git config {KEY} files"
            )
            return
        make_files(archive, top, paths)
        say(f"Turned back into files: {readable(some(paths))}")
    except (GitbatchError, OSError) as error:
        warn(f"Results that git tracks as files are still links: {error}")


def command(top: Path, paths: list[str]) -> str:
    """The shell command that turns them into files."""
    if len(paths) > _MOST_NAMED:
        return "gitbatch thaw --tracked"
    return f"gitbatch thaw {' '.join(typed(top / path) for path in paths)}"


def _is_link(path: Path) -> bool:
    try:
        return linked_object(os.readlink(path)) is not None
    except OSError:
        return False
