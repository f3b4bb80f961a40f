"""The trees of commits, and how two differ: one call of git for a whole tree. GitPython's traversal
takes ten times as long."""

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
    for line in repository.read(*words).split(b"\0"):
        if line:
            head, _, path = line.partition(b"\t")
            mode, _, id = head.decode().split(" ")
            yield TreeEntry(mode=mode, id=id, path=decode(path))


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeChange:
    """One path in which two commits differ; ids and modes are zeros where one lacks it."""

    path: str
    """Relative to the top."""
    modes: tuple[str, str]
    ids: tuple[str, str]


def changes(repository: Repository, old: str, new: str) -> Iterator[TreeChange]:
    """All changes between two commits, without detecting renames. Raises GitError."""
    listing = repository.read("diff-tree", "-r", "-z", "--raw", "--no-renames", old, new)
    fields = listing.split(b"\0")
    for head, name in zip(fields[::2], fields[1::2], strict=False):
        old_mode, new_mode, old_id, new_id, _ = head.decode().lstrip(":").split(" ")
        yield TreeChange(path=decode(name), modes=(old_mode, new_mode), ids=(old_id, new_id))


def diff(repository: Repository, old: str, new: str, *options: str) -> str:
    """What `git diff OPTIONS` says of two commits. Raises GitError."""
    text = repository.read("diff", "--no-ext-diff", "--no-color", *options, old, new)
    return text.decode(errors="surrogateescape")


def links(repository: Repository, commit: str) -> dict[str, str]:
    """The symbolic links of a commit: path -> text. Raises GitError."""
    ids = {each.path: each.id for each in entries(repository, commit) if each.mode == LINK}
    texts = objects.contents(repository, ids.values())
    return {path: decode(texts[id]) for path, id in ids.items() if id in texts}
