"""Links to folders (`data -> /big/disk`, `results -> /scratch/me`), and what the worktree has in
their places. See docs/adr/0019.

Where declared paths lead through one that leaves the work tree, or jobs write behind one, the
worktree has a real folder, and in it a link for each file. So jobs see the same names, in real
folders where the user has such (`glob_wildcards` enters no others), and what they write there lies
in the worktree, until it is known to be an output.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from gitbatch_core import fsutil
from gitbatch_core.archive import tree
from gitbatch_core.archive.layout import linked_object
from gitbatch_core.errors import RunError
from gitbatch_core.git import pointers
from gitbatch_core.runs.walk import NOT_DATA

if TYPE_CHECKING:
    from gitbatch_core.runs.twin import Twin

MOST = 5_000
"""Files and folders behind one link for which the worktree has links and folders of its own."""


@dataclass(kw_only=True)
class LinkedFolders:
    """What a run knows of them. All names are relative to the top."""

    folders: dict[str, str] = field(default_factory=dict)
    """The links that the worktree has, too, and where they lead to."""
    files: dict[str, str] = field(default_factory=dict)
    """The same of links to files that are inputs."""
    opened: set[str] = field(default_factory=set)
    """Those in whose place the worktree has a real folder."""
    products: set[str] = field(default_factory=set)
    """Outputs, logs and benchmarks of all jobs."""
    above: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By folder: the links on the way there, and it itself if it is one."""
    writable: set[str] = field(default_factory=set)
    """Folders of products, seen to in the worktree."""
    replaced: set[str] = field(default_factory=set)
    """Tracked links in whose place the worktree has something else, and git was not told yet."""


def open_folders(twin: Twin, inputs: Iterable[str], products: Iterable[str]) -> None:
    """See to the links to folders that these paths, as the workflow names them, lead through.
    `products`: outputs, logs and benchmarks. Raises RunError for one that leads nowhere."""
    written = [name for path in products if (name := twin.relative(path)) is not None]
    twin.linked.products.update(written)
    for name in written:
        for link in above(twin, name):
            if link not in twin.linked.opened:
                _open(twin, link)
        _clear_way(twin, os.path.dirname(name))
    for path in inputs:
        if (name := twin.relative(path)) is not None and name not in twin.addresses:
            _clear_way(twin, name)
            for link in above(twin, name):
                _bring(twin, link)
            if os.path.islink(f"{twin.top}/{name}"):
                _bring(twin, name)


def above(twin: Twin, name: str) -> tuple[str, ...]:
    """The links on the way to `name` in the user's folder, all relative to the top."""
    folder = os.path.dirname(name)
    if not folder:
        return ()
    if (known := twin.linked.above.get(folder)) is None:
        itself = (folder,) if os.path.islink(f"{twin.top}/{folder}") else ()
        known = twin.linked.above[folder] = (*above(twin, folder), *itself)
    return known


def _clear_way(twin: Twin, folder: str) -> None:
    """Where the user has a folder in the place of the commit's link to one, so has the worktree."""
    if folder and folder not in twin.linked.writable:
        twin.linked.writable.add(folder)
        _clear_way(twin, os.path.dirname(folder))
        there = f"{twin.worktree}/{folder}"
        if os.path.islink(there) and not os.path.islink(f"{twin.top}/{folder}"):
            os.unlink(there)
            _note(twin, folder)


def _open(twin: Twin, link: str) -> None:
    """Have a real folder in its place, as jobs write there."""
    here = twin.top / link
    real = os.path.realpath(here)
    if not os.path.isdir(real):
        raise RunError(
            f"{link} is a link to a folder that is not there: {os.readlink(here)}",
            hint=f"Make the folder: mkdir -p {shlex.quote(real)}",
        )
    twin.linked.folders[link] = real
    entries = list(islice(_entries(twin, link, real), MOST + 1))
    _mirror(twin, link, entries[:MOST])
    if len(entries) > MOST:
        twin.warn(
            f"{link} leads to {real}, which holds more than {MOST} files and folders: jobs find "
            "only some of them there, beside their inputs and what runs have made."
        )


def _bring(twin: Twin, link: str) -> None:
    """Have the folder to which it leads in the worktree, for jobs to read from."""
    if link in twin.linked.opened or link in twin.linked.folders:
        return
    here = f"{twin.top}/{link}"
    if not os.path.isdir(here):  # a file; and what is not there, Snakemake names
        return
    real = os.path.realpath(here)
    if (inner := twin.inner(real)) is not None:
        twin.linked.folders[link] = real
        lead(twin, link, str(twin.worktree / inner))
    else:
        bring_folder(twin, link, real, most=MOST)


def bring_folder(twin: Twin, name: str, real: str, *, most: int | None = None) -> None:
    """See to it that the worktree has at `name` what is in the folder `real`, outside of the work
    tree: where that is more than so much, by one link."""
    if (twin.top / name).is_symlink():
        twin.linked.folders[name] = real
    if not twin.is_in_worktree(os.path.realpath((twin.worktree / name).parent)):
        return  # a link further up leads there
    entries = list(islice(_entries(twin, name, real), None if most is None else most + 1))
    if most is None or len(entries) <= most:
        _mirror(twin, name, entries)
    else:
        lead(twin, name, real)


def _entries(twin: Twin, link: str, real: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """What the worktree is to have of a folder, with its path there: but what archives have, which
    comes otherwise, and what jobs make."""
    waiting = deque([(link, real)])
    while waiting:
        folder, where = waiting.popleft()
        with contextlib.suppress(FileNotFoundError, PermissionError), os.scandir(where) as items:
            for item in items:
                name = f"{folder}/{item.name}"
                if (
                    name in twin.linked.products
                    or item.name in NOT_DATA
                    or item.name == tree.IGNORED
                    or fsutil.is_temporary(item.name)
                ):
                    continue
                if item.is_dir(follow_symlinks=False):
                    waiting.append((name, item.path))
                elif item.is_symlink() and linked_object(os.readlink(item.path)) is not None:
                    continue
                yield name, item


def _mirror(twin: Twin, link: str, entries: Iterable[tuple[str, os.DirEntry[str]]]) -> None:
    twin.linked.opened.add(link)
    there = twin.worktree / link
    if there.is_symlink():
        there.unlink()
        _note(twin, link)
    there.mkdir(parents=True, exist_ok=True)
    for name, item in entries:
        if item.is_dir(follow_symlinks=False):
            (twin.worktree / name).mkdir(exist_ok=True)
            continue
        target = os.path.realpath(item.path) if item.is_symlink() else item.path
        inner = twin.inner(target)
        lead(twin, name, target if inner is None else str(twin.worktree / inner))


def lead(twin: Twin, name: str, target: str) -> None:
    """See to it that `name` in the worktree leads to `target`, by a link if need be; a real folder
    stays."""
    there = twin.worktree / name
    if there.is_symlink():
        if os.path.realpath(there) == os.path.realpath(target):
            return
    elif there.is_dir() or os.path.realpath(there) == target:
        return
    inside = target.startswith(f"{twin.worktree}/") or target == str(twin.worktree)
    text = os.path.relpath(target, there.parent) if inside else target
    twin.replace(there, lambda place: os.symlink(text, place))
    _note(twin, name)


def bring_tracked(twin: Twin, name: str, text: str) -> None:
    """The worktree has the tracked link `name` with this text. Where that leads elsewhere from
    there, or back into the user's folder, it is to lead where it leads the user."""
    if pointers.CONTENTS in text:
        return
    folder = os.path.dirname(twin.top / name)
    target = os.path.normpath(os.path.join(folder, text))
    if not text.startswith("/") and twin.inner(target) is not None:
        return  # so git's does
    if name in twin.linked.folders or not os.path.exists(target):
        return
    real = os.path.realpath(target)
    if (inner := twin.inner(real)) is not None:
        lead(twin, name, str(twin.worktree / inner))
    elif ".git" in real.split("/"):
        return
    elif os.path.isdir(real):
        bring_folder(twin, name, real, most=MOST)
    elif not text.startswith("/"):
        lead(twin, name, real)


def bring_other(twin: Twin, name: str) -> None:
    """Give the worktree the user's link `name`, if it leads to a folder outside of the work tree:
    Snakefiles look into such when they are read. Only where there is a folder for it, and if it is
    not hidden: what the user alone has, such as a virtual environment, is no part of the worktree.
    """
    there = twin.worktree / name
    if os.path.lexists(there) or "/." in f"/{name}" or not there.parent.is_dir():
        return
    real = os.path.realpath(twin.top / name)
    if twin.inner(real) is None and ".git" not in real.split("/") and os.path.isdir(real):
        bring_folder(twin, name, real, most=MOST)


def settle(twin: Twin) -> None:
    """Have git, in the worktree, not look at what is in the place of tracked links by now."""
    if twin.linked.replaced:
        twin.overlook(twin.linked.replaced)
        twin.linked.replaced = set()


def _note(twin: Twin, name: str) -> None:
    if name in twin.tracked:
        twin.linked.replaced.add(name)
