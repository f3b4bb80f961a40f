"""What git's store holds, by name."""

from __future__ import annotations

from collections.abc import Iterable

from gitbatch_core.errors import GitError
from gitbatch_core.git.repo import Repository, decode


def contents(repository: Repository, names: Iterable[str]) -> dict[str, bytes]:
    """The bytes of git's objects by name; those that are not there are left out. No name may have
    a space or a line break. Raises GitError."""
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return {}
    answer = repository.git("cat-file", "--batch", input="\n".join([*wanted, ""]).encode())
    found, position = {}, 0
    for name in wanted:
        end = answer.index(b"\n", position)
        head, position = answer[position:end], end + 1
        if head.endswith(b" missing"):
            continue
        try:
            size = int(head.rsplit(b" ", 1)[1])
        except (IndexError, ValueError) as error:
            raise GitError(f"git cat-file said {decode(head)!r} of {name}.") from error
        found[name] = answer[position : position + size]
        position += size + 1
    return found
