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
from itertools import islice

from gitbatch_core import fs
from gitbatch_core.archive import manifests
from gitbatch_core.archive.layout import linked_object
from gitbatch_core.archive.walk import NOT_DATA
from gitbatch_core.errors import RunError
from gitbatch_core.git import content_pointers
from gitbatch_core.run.mirror.paths import Mirror

MOST = 5_000
"""Files and folders behind one link for which the worktree has links and folders of its own."""


def open_folders(mirror: Mirror, inputs: Iterable[str], products: Iterable[str]) -> None:
    """Open the links to folders that these paths, as the workflow names them, lead through.
    `products`: outputs, logs and benchmarks. Raises RunError for a dangling link."""
    written = [name for path in products if (name := mirror.relative(path)) is not None]
    mirror.linked.note_products(written)
    for name in written:
        for link in above(mirror, name):
            if link not in mirror.linked.opened:
                _open(mirror, link)
        _clear_way(mirror, os.path.dirname(name))
    for path in inputs:
        if (name := mirror.relative(path)) is not None and name not in mirror.addresses:
            _clear_way(mirror, name)
            for link in above(mirror, name):
                _bring(mirror, link)
            if os.path.islink(f"{mirror.top}/{name}"):
                _bring(mirror, name)


def above(mirror: Mirror, name: str) -> tuple[str, ...]:
    """The links on the way to `name` in the user's folder, all relative to the top."""
    folder = os.path.dirname(name)
    if not folder:
        return ()
    if (way := mirror.linked.above.get(folder)) is None:
        itself = (folder,) if os.path.islink(f"{mirror.top}/{folder}") else ()
        way = (*above(mirror, folder), *itself)
        mirror.linked.note_way(folder, way)
    return way


def _clear_way(mirror: Mirror, folder: str) -> None:
    """Where the user has a folder in the place of the commit's link to one, so has the worktree."""
    if folder and folder not in mirror.linked.writable:
        mirror.linked.note_writable(folder)
        _clear_way(mirror, os.path.dirname(folder))
        there = f"{mirror.worktree}/{folder}"
        if os.path.islink(there) and not os.path.islink(f"{mirror.top}/{folder}"):
            os.unlink(there)
            _note(mirror, folder)


def _open(mirror: Mirror, link: str) -> None:
    """Have a real folder in its place, as jobs write there."""
    here = mirror.top / link
    real = os.path.realpath(here)
    if not os.path.isdir(real):
        raise RunError(
            f"{link} is a link to a folder that does not exist: {os.readlink(here)}.",
            hint=f"Make the folder: mkdir -p {shlex.quote(real)}",
        )
    mirror.linked.note_folder(link, real)
    entries = list(islice(_entries(mirror, link, real), MOST + 1))
    _mirror(mirror, link, entries[:MOST])
    if len(entries) > MOST:
        mirror.warn(
            f"{link} leads to {real}, which holds more than {MOST} files and folders: jobs find "
            "only some of them there, beside their inputs and what runs have made."
        )


def _bring(mirror: Mirror, link: str) -> None:
    """Have the folder to which it leads in the worktree, for jobs to read from."""
    if link in mirror.linked.opened or link in mirror.linked.folders:
        return
    here = f"{mirror.top}/{link}"
    if not os.path.isdir(here):  # a file; and what is not there, Snakemake names
        return
    real = os.path.realpath(here)
    if (inner := mirror.inner(real)) is not None:
        mirror.linked.note_folder(link, real)
        lead(mirror, link, str(mirror.worktree / inner))
    else:
        bring_folder(mirror, link, real, most=MOST)


def bring_folder(mirror: Mirror, name: str, real: str, *, most: int | None = None) -> None:
    """See to it that the worktree has at `name` what is in the folder `real`, outside of the work
    tree: where that is more than so much, by one link."""
    if (mirror.top / name).is_symlink():
        mirror.linked.note_folder(name, real)
    if not mirror.is_in_worktree(os.path.realpath((mirror.worktree / name).parent)):
        return  # a link further up leads there
    entries = list(islice(_entries(mirror, name, real), None if most is None else most + 1))
    if most is None or len(entries) <= most:
        _mirror(mirror, name, entries)
    else:
        lead(mirror, name, real)


def _entries(mirror: Mirror, link: str, real: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """What the worktree is to have of a folder, with its path there: but what archives have, which
    comes otherwise, and what jobs make."""
    waiting = deque([(link, real)])
    while waiting:
        folder, where = waiting.popleft()
        with contextlib.suppress(FileNotFoundError, PermissionError), os.scandir(where) as items:
            for item in items:
                name = f"{folder}/{item.name}"
                if (
                    name in mirror.linked.products
                    or item.name in NOT_DATA
                    or item.name == manifests.IGNORED
                    or fs.is_temporary(item.name)
                ):
                    continue
                if item.is_dir(follow_symlinks=False):
                    waiting.append((name, item.path))
                elif item.is_symlink() and linked_object(os.readlink(item.path)) is not None:
                    continue
                yield name, item


def _mirror(mirror: Mirror, link: str, entries: Iterable[tuple[str, os.DirEntry[str]]]) -> None:
    mirror.linked.note_opened(link)
    there = mirror.worktree / link
    if there.is_symlink():
        there.unlink()
        _note(mirror, link)
    there.mkdir(parents=True, exist_ok=True)
    for name, item in entries:
        if item.is_dir(follow_symlinks=False):
            (mirror.worktree / name).mkdir(exist_ok=True)
            continue
        target = os.path.realpath(item.path) if item.is_symlink() else item.path
        inner = mirror.inner(target)
        lead(mirror, name, target if inner is None else str(mirror.worktree / inner))


def lead(mirror: Mirror, name: str, target: str) -> None:
    """Make `name` in the worktree lead to `target`, by a link if necessary; a real folder stays."""
    there = mirror.worktree / name
    if there.is_symlink():
        if os.path.realpath(there) == os.path.realpath(target):
            return
    elif there.is_dir() or os.path.realpath(there) == target:
        return
    inside = target.startswith(f"{mirror.worktree}/") or target == str(mirror.worktree)
    text = os.path.relpath(target, there.parent) if inside else target
    mirror.replace(there, lambda place: os.symlink(text, place))
    _note(mirror, name)


def bring_tracked(mirror: Mirror, name: str, text: str) -> None:
    """The worktree has the tracked link `name` with this text. Where that leads elsewhere from
    there, or back into the user's folder, it is to lead where it leads the user."""
    if content_pointers.CONTENTS in text:
        return
    folder = os.path.dirname(mirror.top / name)
    target = os.path.normpath(os.path.join(folder, text))
    if not text.startswith("/") and mirror.inner(target) is not None:
        return  # so git's does
    if name in mirror.linked.folders or not os.path.exists(target):
        return
    real = os.path.realpath(target)
    if (inner := mirror.inner(real)) is not None:
        lead(mirror, name, str(mirror.worktree / inner))
    elif ".git" in real.split("/"):
        return
    elif os.path.isdir(real):
        bring_folder(mirror, name, real, most=MOST)
    elif not text.startswith("/"):
        lead(mirror, name, real)


def bring_other(mirror: Mirror, name: str) -> None:
    """Give the worktree the user's link `name`, if it leads to a folder outside of the work tree:
    Snakefiles look into such when they are read. Only where there is a folder for it, and if it is
    not hidden: what the user alone has, such as a virtual environment, is no part of the worktree.
    """
    there = mirror.worktree / name
    if os.path.lexists(there) or "/." in f"/{name}" or not there.parent.is_dir():
        return
    real = os.path.realpath(mirror.top / name)
    if mirror.inner(real) is None and ".git" not in real.split("/") and os.path.isdir(real):
        bring_folder(mirror, name, real, most=MOST)


def settle(mirror: Mirror) -> None:
    """Have git, in the worktree, not look at what is in the place of tracked links by now."""
    if replaced := mirror.linked.replaced:
        mirror.overlook(replaced)
        mirror.linked.forget_replaced()


def _note(mirror: Mirror, name: str) -> None:
    if name in mirror.tracked:
        mirror.linked.note_replaced(name)
