"""Objects in git's store, by name: many by one call of `git cat-file`. GitPython takes three to
eight times as long."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from gitbatch_core.errors import GitError
from gitbatch_core.git.repository import Repository, decode


def contents(repository: Repository, names: Iterable[str]) -> dict[str, bytes]:
    """The bytes of git's objects by name; missing ones are left out. No name may contain a space or
    a line break. Raises GitError."""
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return {}
    answer = repository.read("cat-file", "--batch", input="\n".join([*wanted, ""]).encode())
    data, position = {}, 0
    for name in wanted:
        end = answer.index(b"\n", position)
        head, position = answer[position:end], end + 1
        if head.endswith(b" missing"):
            continue
        try:
            size = int(head.rsplit(b" ", 1)[1])
        except (IndexError, ValueError) as error:
            raise GitError(f"git cat-file said {decode(head)!r} of {name}.") from error
        data[name] = answer[position : position + size]
        position += size + 1
    return data


def blob(repository: Repository, name: str) -> bytes:
    """The bytes of a file, such as `COMMIT:PATH`. Raises GitError."""
    return repository.read("cat-file", "blob", name)


def ids(repository: Repository, names: Iterable[str]) -> dict[str, str]:
    """The ids of git's objects by name, such as `COMMIT:PATH`; those that are not there are left
    out. No name may have a line break. Raises GitError."""
    return {name: answer[0] for name, answer in _described(repository, names)}


def sizes(repository: Repository, names: Iterable[str]) -> dict[str, int]:
    """The sizes of git's objects, as `ids` names them."""
    return {name: int(answer[-1]) for name, answer in _described(repository, names)}


def _described(repository: Repository, names: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Name, and id, type and size, of those that are there."""
    wanted = list(dict.fromkeys(names))
    text = "".join(f"{name}\n" for name in wanted).encode(errors="surrogateescape")
    listing = repository.read("cat-file", "--batch-check", input=text) if wanted else b""
    answers = (line.split() for line in decode(listing).splitlines())
    for name, answer in zip(wanted, answers, strict=True):
        if answer[-1] != "missing":
            yield name, answer


def hashes(repository: Repository, names: Sequence[str]) -> dict[str, str]:
    """What the files of these paths, from the top, would be called as git's objects. No path may
    have a line break. Raises GitError."""
    text = b"".join(os.fsencode(name) + b"\n" for name in names)
    listing = repository.git("hash-object", "--stdin-paths", input=text) if names else b""
    return dict(zip(names, listing.decode().split(), strict=True))
