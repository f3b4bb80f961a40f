"""What lies below a folder, on disk or by name. Links are not followed, unless they are named."""

from __future__ import annotations

import contextlib
import os
from bisect import bisect_left
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from pathlib import Path

from gitbatch_core import fs, snakemake_files
from gitbatch_core.archive import manifests

NOT_DATA = frozenset({".git", ".gitbatch", snakemake_files.FOLDER})
"""Folders that are git's, ours or Snakemake's."""


def links_below(top: Path) -> Iterator[Path]:
    """Links in a work tree, where the user and the workflow put them."""
    return map(Path, link_names_below(top))


def link_names_below(
    top: Path, through: Container[str] = (), *, besides: str = ""
) -> Iterator[str]:
    """The same, as absolute names: of many, making paths takes a while. `through`: links to folders
    that are looked into. Also files that are called `besides`."""
    waiting = [str(top)]
    while waiting:
        # Others may work in the same folder: what is gone by now is no part of it.
        gone = (FileNotFoundError, NotADirectoryError, PermissionError)
        with contextlib.suppress(*gone), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if fs.is_temporary(entry.name):
                    continue
                is_link = entry.is_symlink() and entry.path not in through
                if is_link or entry.name == besides:
                    yield entry.path
                elif entry.is_dir() and entry.name not in NOT_DATA:
                    waiting.append(entry.path)


def files_below(folder: Path) -> Iterator[Path]:
    """Files and links in a folder and its subfolders."""
    for inner, folders, files in os.walk(folder):
        linked = [name for name in folders if Path(inner, name).is_symlink()]
        yield from (Path(inner, name) for name in (*files, *linked) if name != manifests.IGNORED)


def folders_below(folder: Path) -> Iterator[Path]:
    """The folder and its subfolders."""
    yield folder
    for inner, folders, _ in os.walk(folder):
        yield from (Path(inner, name) for name in folders if not Path(inner, name).is_symlink())


def below(folder: str, names: Sequence[str]) -> Iterator[str]:
    """Of `names`, which are sorted, those that lie below the folder."""
    before = f"{folder}/"
    for number in range(bisect_left(names, before), len(names)):
        if not names[number].startswith(before):
            return
        yield names[number]


def inside(paths: Iterable[str]) -> Callable[[str], bool]:
    """Whether a path is one of `paths` or lies below one; all relative to the same folder."""
    roots = frozenset(paths)

    def test(path: str) -> bool:
        if path in roots or "." in roots:
            return True
        end = path.rfind("/")
        while end > 0:
            if path[:end] in roots:
                return True
            end = path.rfind("/", 0, end)
        return False

    return test


def folders_above(path: str) -> list[tuple[str, str]]:
    """The folders above a relative path, each with the rest of it, the nearest first."""
    parts = path.split("/")
    return [("/".join(parts[:n]), "/".join(parts[n:])) for n in range(len(parts) - 1, 0, -1)]
