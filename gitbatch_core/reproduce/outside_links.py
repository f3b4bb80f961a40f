"""The links by which the run has read and written elsewhere, in an attempt's work tree."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from gitbatch_core.archive.walk import inside
from gitbatch_core.errors import RunError
from gitbatch_core.git import work_tree_status
from gitbatch_core.git import worktree as worktrees
from gitbatch_core.git.worktree import Worktree
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.run import run_commit


def put(worktree: Worktree, run: RunDocument, inputs: Iterable[str]) -> None:
    """Give the work tree the run's links. In the place of one behind which results lay there is a
    real folder, with links to the inputs: what is there is not the attempt's to change. `inputs`:
    paths relative to the top.

    Raises RunError where what was read is not there any more.
    """
    top, tracked = worktree.path, work_tree_status.tracked(worktree.path)
    links = run.linked
    written = run_commit.products([run]) | set(run.input_links)
    replaced = []
    for link in sorted(links):
        here, is_behind = top / link, inside([link])
        read = sorted(path for path in set(inputs) - written if is_behind(path))
        if os.path.realpath(here.parent) != str(here.parent):
            continue  # another link leads there
        if any(map(is_behind, written)):
            _put_folder(top, link, links[link], read)
        elif not _put_link(top, here, _target(run, links[link], top), read):
            continue
        replaced.append(link)
    worktrees.overlook(worktree, [name for name in replaced if name in tracked])


def _put_folder(top: Path, link: str, real: str, read: Iterable[str]) -> None:
    here = top / link
    if here.is_symlink():
        here.unlink()
    here.mkdir(parents=True, exist_ok=True)
    for name in read:
        there, target = top / name, os.path.join(real, os.path.relpath(name, link))
        # What is not there was temporary, or Snakemake names it.
        if os.path.exists(target) and not os.path.lexists(there):
            there.parent.mkdir(parents=True, exist_ok=True)
            there.symlink_to(target)


def _put_link(top: Path, here: Path, target: str, read: list[str]) -> bool:
    """Whether the link by which these inputs are read was put there: no, where one leads there
    already, or where nothing is read and nothing is there."""
    if not os.path.exists(target) and not Path(target).is_relative_to(top):
        if not read:
            return False
        raise RunError(
            f"The run has read {read[0]} through a link to what does not exist: {target}.",
            hint="Bring it back, or name as targets what is made without it.",
        )
    if os.path.realpath(here) == os.path.realpath(target):
        return False
    here.unlink(missing_ok=True)
    here.parent.mkdir(parents=True, exist_ok=True)
    here.symlink_to(target)
    return True


def _target(run: RunDocument, real: str, top: Path) -> str:
    """Where a link is to lead: to the same folder, or to the attempt's own where it was the work
    tree's."""
    own = run.repository
    inner = own and Path(real).is_relative_to(own)
    return str(top / os.path.relpath(real, own)) if inner else real
