"""What the tree of a commit has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gitbatch_core.git import objects
from gitbatch_core.git.repository import Repository, decode

LINK, SUBMODULE = "120000", "160000"
REGULAR = ("100644", "100755")


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeEntry:
    """Of one path."""

    mode: str
    id: str
    """git's name for the content; of a submodule its commit."""
    path: str
    """Relative to the top."""


def entries(repository: Repository, commit: str, *pathspecs: str) -> Iterator[TreeEntry]:
    """All that a commit has, or what these patterns of git match. Raises GitError."""
    words = ("ls-tree", "-r", "-z", "--full-tree", commit, "--", *pathspecs)
    for line in repository.git(*words).split(b"\0"):
        if line:
            head, _, path = line.partition(b"\t")
            mode, _, id = head.decode().split(" ")
            yield TreeEntry(mode=mode, id=id, path=decode(path))


def links(repository: Repository, commit: str) -> dict[str, str]:
    """The symbolic links of a commit: path -> text. Raises GitError."""
    ids = {each.path: each.id for each in entries(repository, commit) if each.mode == LINK}
    texts = objects.contents(repository, ids.values())
    return {path: decode(texts[id]) for path, id in ids.items() if id in texts}
