"""Inputs of jobs: brings them into the worktree and notes their addresses."""

from __future__ import annotations

import os
from pathlib import Path

from gitbatch_core.archive import manifests
from gitbatch_core.archive.store import Take
from gitbatch_core.errors import RunError
from gitbatch_core.git import content_pointers
from gitbatch_core.run.mirror import linked_folders
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.wording import typed

FREEZE = "Put it into the archive: gitbatch freeze"
"""How the hint begins that ends in paths."""


def bring(mirror: Mirror, path: str, rule: str) -> None:
    """Bring the existing input `path` of `rule` into the worktree. Raises RunError if it is neither
    in the commit nor in the archive."""
    relative = mirror.relative(path)
    if relative is None:
        _bring_outside(mirror, path)
    elif relative not in mirror.addresses:
        if (mirror.top / relative).is_dir():
            _bring_input_folder(mirror, relative, path, rule)
        else:
            _bring_file(mirror, relative, path, rule)


def _bring_input_folder(mirror: Mirror, relative: str, path: str, rule: str) -> None:
    here = mirror.top / relative
    real = os.path.realpath(here)
    if real == str(here):
        for name in mirror.bring_folder(here):
            _bring_file(mirror, name, path, rule)
    elif (inner := mirror.inner(real)) is not None:
        _bring_input_folder(mirror, inner, path, rule)
        linked_folders.lead(mirror, relative, str(mirror.worktree / inner))
    else:
        mirror.note_address(relative, mirror.outside.bring(Path(real), path, relative))
        linked_folders.bring_folder(mirror, relative, real)


def _bring_file(mirror: Mirror, relative: str, path: str, rule: str) -> None:
    here, there = mirror.top / relative, mirror.worktree / relative
    if relative in mirror.addresses:
        return
    if here.name == manifests.IGNORED and here.is_file() and there.is_file():
        return
    is_tracked = relative in mirror.tracked and relative not in mirror.changed
    if is_tracked and not here.is_symlink():
        if (pointer := mirror.withheld.get(relative)) is not None:
            raise RunError(
                f"The input {path} of rule {rule} cannot be read: {relative} is "
                f"{pointer.name} whose content was not fetched.",
                hint=f"Fetch it: {pointer.command}",
            )
        return
    if relative in mirror.logs:
        is_older = relative in mirror.changed and relative not in mirror.placed
        if is_older or not there.exists():
            [stored] = mirror.archive.put([here], take=Take.COPY)
            mirror.link(there, stored.name, stored.mtime_ns)
        return
    real = mirror.real(here)
    if here.is_symlink():
        if (name := mirror.archive.object_at(here)) is not None:
            mirror.bring_link(relative, name, here.lstat().st_mtime_ns)
            return
        real = os.path.realpath(here)
    if mirror.is_in_worktree(real) and os.path.exists(real):
        return
    if is_tracked and content_pointers.CONTENTS in real:  # the commit has its hash
        return
    inner = mirror.inner(real)
    if here.is_symlink():
        mirror.linked.note_file(relative, real)
    if inner is not None and inner != relative:  # through links within the work tree
        if inner not in mirror.linked.products:
            _bring_file(mirror, inner, path, rule)
        if (address := mirror.addresses.get(inner)) is not None:
            mirror.note_address(relative, address)
        linked_folders.lead(mirror, relative, str(mirror.worktree / inner))
        return
    if inner is None and os.path.isfile(real):
        mirror.note_address(relative, mirror.outside.bring(Path(real), path, relative))
        linked_folders.lead(mirror, relative, real)
        return
    if is_tracked:
        return
    raise RunError(
        f"The input {path} of rule {rule} is neither in the commit nor in the archive"
        + ("." if relative == mirror.relative(path) else f": {relative}."),
        hint=f"{FREEZE} {typed(here)}",
    )


def _bring_outside(mirror: Mirror, path: str) -> None:
    absolute = Path(os.path.normpath(mirror.folder / path))
    if not os.path.isabs(path):
        raise RunError(
            f"The input {path} lies outside of the repository {mirror.top}.",
            hint="Name it by its absolute path, or put it into the repository and freeze it.",
        )
    mirror.note_address(str(absolute), mirror.outside.bring(absolute, path))
