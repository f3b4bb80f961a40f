"""The index of a work tree: what it says about each file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gitbatch_core.git.repository import call, decode
from gitbatch_core.git.trees import SUBMODULE


@dataclass(frozen=True, kw_only=True)
class IndexEntry:
    """Of one path."""

    tag: str
    """As `git ls-files -v` has it: `S`: git was told to skip it; in lower case: told to take it for
    unchanged."""
    mode: str
    blob: str
    path: str
    """Relative to the top."""

    @property
    def is_submodule(self) -> bool:
        return self.mode == SUBMODULE


def entries(
    top: Path, env: Mapping[str, str] | None = None, *, submodules: bool = False
) -> Iterator[IndexEntry]:
    """All; with `submodules` also what those have that are there, else they are entries themselves.
    By git in the environment `env`. Raises GitError."""
    inner = ("--recurse-submodules",) if submodules else ()
    for line in call(top, "ls-files", "-v", "--stage", "-z", *inner, env=env).split(b"\0"):
        if line:
            head, path = line.split(b"\t", 1)
            tag, mode, blob, _ = head.decode().split(" ")
            yield IndexEntry(tag=tag, mode=mode, blob=blob, path=decode(path))


def skip(top: Path, paths: Iterable[str]) -> None:
    """Have git take no notice of these files being absent from the work tree. Raises GitError."""
    if names := b"".join(os.fsencode(path) + b"\0" for path in paths):
        call(top, "update-index", "--skip-worktree", "-z", "--stdin", input=names)


def files(top: Path) -> list[str]:
    """All regular files, by their paths relative to the top."""
    return [entry.path for entry in entries(top) if entry.mode.startswith("100")]
