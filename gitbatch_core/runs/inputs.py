"""Inputs of jobs: what the worktree has to have of them, and what is to be known of them."""

from __future__ import annotations

import os
from pathlib import Path

from gitbatch_core.archive import tree
from gitbatch_core.archive.store import Take
from gitbatch_core.errors import RunError
from gitbatch_core.git import pointers
from gitbatch_core.runs import linked_folders
from gitbatch_core.runs.twin import Twin
from gitbatch_core.wording import typed

FREEZE = "Put it into the archive: gitbatch freeze"
"""How the hint begins that ends in paths."""


def bring(twin: Twin, path: str, rule: str) -> None:
    """See to it that the worktree has the existing input `path` of `rule`.

    Raises RunError for what is neither in the commit nor in the archive.
    """
    relative = twin.relative(path)
    if relative is None:
        _bring_outside(twin, path)
    elif relative not in twin.addresses:
        if (twin.top / relative).is_dir():
            _bring_input_folder(twin, relative, path, rule)
        else:
            _bring_file(twin, relative, path, rule)


def _bring_input_folder(twin: Twin, relative: str, path: str, rule: str) -> None:
    here = twin.top / relative
    real = os.path.realpath(here)
    if real == str(here):
        for name in twin.bring_folder(here):
            _bring_file(twin, name, path, rule)
    elif (inner := twin.inner(real)) is not None:
        _bring_input_folder(twin, inner, path, rule)
        linked_folders.lead(twin, relative, str(twin.worktree / inner))
    else:
        twin.addresses[relative] = twin.outside.bring(Path(real), path, relative)
        linked_folders.bring_folder(twin, relative, real)


def _bring_file(twin: Twin, relative: str, path: str, rule: str) -> None:
    here, there = twin.top / relative, twin.worktree / relative
    if relative in twin.addresses:
        return
    if here.name == tree.IGNORED and here.is_file() and there.is_file():
        return
    is_tracked = relative in twin.tracked and relative not in twin.changed
    if is_tracked and not here.is_symlink():
        if (pointer := twin.withheld.get(relative)) is not None:
            raise RunError(
                f"The input {path} of rule {rule} cannot be read: {relative} is "
                f"{pointer.name} whose content was not fetched.",
                hint=f"Fetch it: {pointer.command}",
            )
        return
    if relative in twin.logs:
        is_older = relative in twin.changed and relative not in twin.placed
        if is_older or not there.exists():
            [stored] = twin.archive.put([here], take=Take.COPY)
            twin.link(there, stored.name, stored.mtime_ns)
        return
    real = twin.real(here)
    if here.is_symlink():
        if (name := twin.archive.object_at(here)) is not None:
            twin.bring_link(relative, name, here.lstat().st_mtime_ns)
            return
        real = os.path.realpath(here)
    if twin.is_in_worktree(real) and os.path.exists(real):
        return
    if is_tracked and pointers.CONTENTS in real:  # the commit has its hash
        return
    inner = twin.inner(real)
    if here.is_symlink():
        twin.linked.files[relative] = real
    if inner is not None and inner != relative:  # through links within the work tree
        if inner not in twin.linked.products:
            _bring_file(twin, inner, path, rule)
        if (known := twin.addresses.get(inner)) is not None:
            twin.addresses[relative] = known
        linked_folders.lead(twin, relative, str(twin.worktree / inner))
        return
    if inner is None and os.path.isfile(real):
        twin.addresses[relative] = twin.outside.bring(Path(real), path, relative)
        linked_folders.lead(twin, relative, real)
        return
    if is_tracked:
        return
    raise RunError(
        f"The input {path} of rule {rule} is neither in the commit nor in the archive"
        + ("." if relative == twin.relative(path) else f": {relative}."),
        hint=f"{FREEZE} {typed(here)}",
    )


def _bring_outside(twin: Twin, path: str) -> None:
    absolute = Path(os.path.normpath(twin.folder / path))
    if not os.path.isabs(path):
        raise RunError(
            f"The input {path} lies outside of the repository {twin.top}.",
            hint="Name it by its absolute path, or put it into the repository and freeze it.",
        )
    twin.addresses[str(absolute)] = twin.outside.bring(absolute, path)
