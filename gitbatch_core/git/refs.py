"""Refs and notes, with plumbing: list, set, remove."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from gitbatch_core.errors import UsageError
from gitbatch_core.git.identity import identity, identity_environment
from gitbatch_core.git.objects import contents
from gitbatch_core.git.repository import Repository, decode

_OF_GIT = re.compile("(.*_)?HEAD")
"""Refs in the git folder itself, which git takes before all others."""
_OBJECT_ID = re.compile("[0-9a-fA-F]{40}|[0-9a-fA-F]{64}")
_FIELDS = ("refname", "objectname", "objecttype", "contents", "*objectname", "*contents")


@dataclass(frozen=True, kw_only=True)
class Ref:
    """A ref that leads to a commit, through a tag object maybe."""

    name: str
    object: str
    """What it leads to itself."""
    commit: str
    message: str
    """Of the commit."""


def listed(repository: Repository, *prefixes: str) -> list[Ref]:
    """The refs below `prefixes` that lead to commits, sorted by name. Raises GitError."""
    layout = "%00".join(f"%({name})" for name in _FIELDS) + "%00"
    answer = repository.read("for-each-ref", f"--format={layout}", *prefixes).split(b"\0")
    refs = []
    for start in range(0, len(answer) - len(_FIELDS), len(_FIELDS)):
        name, own, kind, message, commit, inner = answer[start : start + len(_FIELDS)]
        if kind in (b"commit", b"tag"):
            refs.append(
                Ref(
                    name=decode(name.lstrip(b"\n")),
                    object=own.decode(),
                    commit=(commit or own).decode(),
                    message=(inner if commit else message).decode(errors="replace"),
                )
            )
    return refs


def commits(repository: Repository, *prefixes: str) -> dict[str, str]:
    """The commits that the refs below `prefixes` lead to, through a tag object maybe, by the names
    of the refs; other objects, where they lead to such. Raises GitError."""
    layout = "--format=%(objectname) %(*objectname) %(refname)"
    targets = {}
    for line in repository.read("for-each-ref", layout, *prefixes).splitlines():
        own, peeled, name = decode(line).split(" ", 2)
        targets[name] = peeled or own
    return targets


def check_tag(repository: Repository, name: str) -> str:
    """The ref of the tag `name`. Raises UsageError where that is no name for a tag."""
    ref = f"refs/tags/{name}"
    if name.startswith("-") or not repository.read("check-ref-format", "--print", ref, check=False):
        raise UsageError(
            f"{name!r} is not a valid name for a tag.",
            hint="A tag may not contain spaces or any of ~ ^ : ? * [ \\ .. // @{, begin with - "
            "or ., or end with . or .lock.",
        )
    if other := _namesake(repository, name):
        raise UsageError(
            f"There is {other}: a tag with that name would be ambiguous to git.",
            hint="Choose another name.",
        )
    return ref


def _namesake(repository: Repository, name: str) -> str | None:
    """What else git may take the name of a tag for, in words; None where there is nothing."""
    if _OF_GIT.fullmatch(name):
        return f"{name}, which is git's own"
    if _OBJECT_ID.fullmatch(name):
        return f"an object {name}, or might be"
    others = {
        f"refs/heads/{name}": f"a branch {name}",
        f"refs/remotes/{name}/HEAD": f"a remote {name}",
        f"refs/remotes/{name}": f"a branch {name}",
        f"refs/{name}": f"a ref {name}",
    }
    there = decode(repository.read("for-each-ref", "--format=%(refname)", *others)).splitlines()
    return next((text for ref, text in others.items() if ref in there), None)


def check_new_tag(repository: Repository, name: str) -> None:
    """Raise UsageError where there can be no new tag of this name."""
    ref = check_tag(repository, name)
    other = obstacle(repository, ref)
    if other == ref:
        raise UsageError(
            f"There is already a tag {name}.",
            hint=f"Choose another name. To see the tag: git show {shlex.quote(name)}",
        )
    if other is not None:
        raise UsageError(
            f"git cannot have a tag {name} beside {other}: one name is a folder of the other.",
            hint="Choose another name.",
        )


def obstacle(repository: Repository, name: str) -> str | None:
    """The ref that keeps a new ref from being called `name`: itself, or one of which one would be
    a folder of the other. Loose or packed."""
    parts = name.split("/")
    for end in range(len(parts), 1, -1):
        above = "/".join(parts[:end])
        if repository.read("show-ref", "--verify", "--hash", above, check=False):
            return above
    below = repository.read("for-each-ref", "--count=1", "--format=%(refname)", f"{name}/")
    return decode(below).strip() or None


def point(repository: Repository, name: str, commit: str) -> None:
    """Make a ref point to `commit`, whatever it pointed to before. Raises GitError."""
    repository.git("update-ref", name, commit)


def remove(repository: Repository, refs: Iterable[Ref]) -> None:
    """Remove refs, all or none; none if one has changed meanwhile. Raises GitError."""
    orders = b"".join(f"delete {ref.name}\0{ref.object}\0".encode() for ref in refs)
    repository.git("update-ref", "--stdin", "-z", input=orders)


def notes(repository: Repository, ref: str) -> dict[str, str]:
    """The notes of commits, by commit."""
    listing = repository.read("notes", f"--ref={ref}", "list", check=False).decode().split()
    blobs = dict(zip(listing[1::2], listing[::2], strict=True))
    texts = contents(repository, blobs.values())
    return {
        commit: texts[blob].decode(errors="replace")
        for commit, blob in blobs.items()
        if blob in texts
    }


def write_note(repository: Repository, ref: str, commit: str, text: str) -> None:
    """Replace the note of a commit. Raises GitError."""
    data = text.encode(errors="surrogateescape")
    blob = repository.git("hash-object", "-w", "--stdin", input=data).decode().strip()
    env = identity_environment(*identity(repository))
    repository.git("notes", f"--ref={ref}", "add", "-f", "-C", blob, commit, env=env)


def remove_note(repository: Repository, ref: str, commit: str) -> None:
    """Remove the note of a commit, if there is one. Raises GitError."""
    env = identity_environment(*identity(repository))
    repository.git("notes", f"--ref={ref}", "remove", "--ignore-missing", commit, env=env)
