"""Commits made by plumbing: source tree plus links and documents, in one `git fast-import`. And
what commits are called."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gitbatch_core.git.repository import Repository
from gitbatch_core.git.work_tree_status import identity


@dataclass(frozen=True, kw_only=True)
class Additions:
    """What a commit has beyond its parent's tree; all paths relative to the top."""

    remove: Iterable[str] = ()
    """Files or folders of the parent's tree that make room."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Path -> text of the symbolic link."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Path -> content."""


def write(
    repository: Repository, *, ref: str, parent: str, overlay: Additions, message: str
) -> str:
    """Commit the tree of `parent` with `overlay` to `ref`, whatever that led to before; returns the
    commit.

    Neither index nor HEAD nor a branch is touched. Raises GitError.
    """
    author, committer = identity(repository)
    stream = [
        b"feature done\n",
        b"feature force\n",
        b"commit %s\n" % os.fsencode(ref),
        b"author %s\n" % author.encode(),
        b"committer %s\n" % committer.encode(),
        _data(message.encode(errors="surrogateescape")),
        b"from %s\n" % parent.encode(),
    ]
    stream += [b"D %s\n" % _quote(path) for path in sorted(overlay.remove)]
    for mode, contents in (
        (b"120000", {path: os.fsencode(text) for path, text in overlay.links.items()}),
        (b"100644", overlay.files),
    ):
        for path, content in sorted(contents.items()):
            stream += [b"M %s inline %s\n" % (mode, _quote(path)), _data(content)]
    stream.append(b"done\n")
    repository.git("fast-import", "--quiet", "--date-format=raw", "--done", input=b"".join(stream))
    return repository.commit_of(ref)


def tag(repository: Repository, name: str, commit: str) -> None:
    """A lightweight tag; raises GitError where the name exists already."""
    repository.git("update-ref", f"refs/tags/{name}", commit, "0" * len(commit))


def subjects(repository: Repository, commits: Iterable[str]) -> dict[str, str]:
    """The first line of the message of each of these commits that the repository has, by their
    ids. Raises GitError."""
    wanted = "".join(f"{commit}\n" for commit in dict.fromkeys(commits) if commit.isalnum())
    answer = repository.git("cat-file", "--batch", input=wanted.encode()) if wanted else b""
    found = {}
    while answer:
        head, _, answer = answer.partition(b"\n")
        words = head.split()
        if len(words) != 3:  # missing
            continue
        size = int(words[2])
        data, answer = answer[:size], answer[size + 1 :]
        if words[1] == b"commit":
            message = data.partition(b"\n\n")[2]
            found[words[0].decode()] = message.partition(b"\n")[0].decode(errors="replace")
    return found


def _data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)


def _quote(path: str) -> bytes:
    name = os.fsencode(path)
    for character, escape in ((b"\\", b"\\\\"), (b'"', b'\\"'), (b"\n", b"\\n")):
        name = name.replace(character, escape)
    return b'"' + name + b'"'
