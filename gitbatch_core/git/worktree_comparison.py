"""Whether the worktree of a run has the same content as the user's folder where git reports no
change: git compares what a file *would be* in a commit, not what it is."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gitbatch_core import fs
from gitbatch_core.git import index, objects, work_tree_status
from gitbatch_core.git.content_filters import Conversions
from gitbatch_core.git.repository import Repository
from gitbatch_core.git.worktree import Worktree

_PROGRAMS = (b"#!", b"\x7fELF")


@dataclass(frozen=True, kw_only=True)
class Unlike:
    """Paths relative to the top."""

    differing: dict[str, str]
    """Files whose bytes, or kind, are not those of the user's: by what."""
    programs: list[str]
    """Executable for the user, and now in the worktree, but not in the commit."""


def compare(worktree: Worktree) -> Unlike:
    """Look at all files; read those only that can differ in the same size. Where git was told not
    to heed the x-bit, the worktree gets the user's. Raises GitError."""
    differing: dict[str, str] = {}
    programs: list[str] = []
    for part, conversions in worktree.conversions:
        replaced, overlooked = (
            _replaced(part.repository),
            work_tree_status.overlooked(part.repository),
        )
        for entry in index.entries(part.path):
            if entry.is_submodule or entry.tag in "Ss" or entry.path in overlooked:
                continue
            here, there = f"{part.repository.top}/{entry.path}", f"{part.path}/{entry.path}"
            try:
                own, fresh = os.lstat(here), os.lstat(there)
            except (FileNotFoundError, NotADirectoryError):
                continue  # left out by a sparse checkout
            is_link = stat.S_ISLNK(own.st_mode)
            reason = "git replace" if entry.blob in replaced else ""
            reason = reason or conversions.others.get(entry.path, "")
            if stat.S_IFMT(own.st_mode) != stat.S_IFMT(fresh.st_mode):
                differing[part.prefix + entry.path] = "core.symlinks"
            elif (not is_link and own.st_size != fresh.st_size) or (
                reason and not fs.same_content(Path(here), Path(there))
            ):
                differing[part.prefix + entry.path] = reason or "line endings"
            elif (
                not is_link
                and own.st_mode & ~fresh.st_mode & stat.S_IXUSR
                and not part.repository.has_modes
            ):
                os.chmod(there, fresh.st_mode | 0o111)
                with open(there, "rb") as file:
                    if file.read(4).startswith(_PROGRAMS):
                        programs.append(part.prefix + entry.path)
    return Unlike(differing=differing, programs=programs)


def unlike_fresh(repository: Repository, commit: str, paths: Iterable[str]) -> dict[str, str]:
    """Of these files, those that a fresh checkout of the commit has with other bytes, by what
    converts them; without a checkout. Of submodules, nothing. Raises GitError."""
    differences = {}
    names = {path: f"{commit}:{path}" for path in paths if "\n" not in path}
    reasons = Conversions.of(repository, repository.top, names).others
    if replaced := _replaced(repository):
        ids = objects.ids(repository, names.values())
        reasons |= {p: "git replace" for p, name in names.items() if ids.get(name) in replaced}
    sizes = objects.sizes(repository, names.values())
    for path, name in names.items():
        own = repository.top / path
        if name not in sizes or own.is_symlink() or not own.is_file():
            continue
        if path in reasons or own.stat().st_size != sizes[name]:
            fresh = repository.read("cat-file", "--filters", name)
            if fresh != own.read_bytes():
                differences[path] = reasons.get(path, "line endings")
    return differences


def _replaced(repository: Repository) -> set[str]:
    """Objects that `git replace` has put others in the place of."""
    listing = repository.read("for-each-ref", "--format=%(refname)", "refs/replace/")
    return {name.rpartition("/")[2] for name in listing.decode().split()}
