"""Links into the archive, wherever the user's folder has them, in the worktree too."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from gitbatch_core.archive import manifests
from gitbatch_core.archive.layout import linked_object
from gitbatch_core.archive.walk import link_names_below
from gitbatch_core.errors import NotInArchiveError
from gitbatch_core.log import suppressed
from gitbatch_core.run.mirror import linked_folders
from gitbatch_core.run.mirror.paths import Mirror


def bring(mirror: Mirror, dead: Sequence[Path] = (), *, is_new: bool = True) -> None:
    """Link everything into the worktree that is a link into the archive for the user, and mark
    the folders that Snakemake has marked: what Snakefiles look for when they are parsed may be
    anything.

    In a worktree that is not new, what jobs have written there stays. A link into one of the
    `dead` worktrees is a temporary output that its run finished: it goes into the archive,
    before the worktree goes.
    """
    if not mirror.looks_at_all_links:
        return
    saved = []
    opened = {f"{mirror.top}/{name}" for name in mirror.linked.opened}
    for link in link_names_below(mirror.top, opened, besides=manifests.IGNORED):
        try:
            text, mtime_ns = os.readlink(link), os.lstat(link).st_mtime_ns
        except OSError:  # gone by now, or replaced: another run works in this folder
            _bring_mark(mirror, link)
            continue
        if dead:
            target = Path(os.path.normpath(os.path.join(os.path.dirname(link), text)))
            if any(map(target.is_relative_to, dead)):
                saved.append((Path(link), target))
                continue
        relative = link[len(str(mirror.top)) + 1 :]
        if linked_object(text) is None and relative in mirror.tracked:
            linked_folders.bring_tracked(mirror, relative, text)
            continue
        written = not is_new and relative not in mirror.tracked
        # Snakemake names what is not there, where a job needs it.
        with suppressed(NotInArchiveError, FileNotFoundError):
            if (name := mirror.archive.object_at(link)) is None:
                linked_folders.bring_other(mirror, relative)
            elif written and _is_file(mirror.worktree / relative):
                mirror.note_outdated(relative, str(name.address))
            else:
                mirror.bring_link(relative, name, mtime_ns)
    for here, target in saved:
        _save(mirror, here, target)


def _save(mirror: Mirror, here: Path, target: Path) -> None:
    """Put what a dead run's worktree has at `target` in the place of the link to it."""
    mtime_ns = here.lstat().st_mtime_ns
    if target.is_symlink():  # within a folder, or to an object
        text = os.readlink(target)
        if (name := linked_object(text)) is None:
            mirror.replace(here, lambda place: os.symlink(text, place))
            return
    elif target.is_file():
        name = mirror.archive.put([target])[0].name
    else:
        return
    mirror.link(here, name, mtime_ns)
    mirror.bring_link(str(here.relative_to(mirror.top)), name, mtime_ns)


def _bring_mark(mirror: Mirror, mark: str) -> None:
    """The file by which Snakemake dates an output folder, at the absolute path `mark`."""
    relative = mark[len(str(mirror.top)) + 1 :]
    if os.path.basename(mark) != manifests.IGNORED or relative in mirror.tracked:
        return
    with contextlib.suppress(OSError):
        mtime_ns = os.lstat(mark).st_mtime_ns
        mirror.replace(mirror.worktree / relative, Path.touch)
        os.utime(mirror.worktree / relative, ns=(mtime_ns, mtime_ns))


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
