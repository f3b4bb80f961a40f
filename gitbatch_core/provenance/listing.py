"""What an archive has: objects and trees with the paths that jobs gave them, addresses by a prefix.

Names are known from the job records alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal

from gitbatch_core.archive import layout, manifests
from gitbatch_core.archive.layout import Address, ObjectName
from gitbatch_core.errors import FormatError, GitbatchError, NotInArchiveError, UsageError
from gitbatch_core.log import suppressed
from gitbatch_core.provenance.job_index import JobIndex

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gitbatch_core.archive.store import Archive

SHORTEST_PREFIX = 6
"""Hex digits that an abbreviated address must have."""

_PREFIX = re.compile(r"(?:([a-z0-9]+):)?([0-9a-f]+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedObject:
    """An object or a tree of the archive."""

    address: Address
    kind: Literal["file", "tree"]
    size: int | None
    """Bytes of one variant, or of all members; None where it cannot be read."""
    names: tuple[str, ...]
    """Paths of outputs with this address, also as members of trees; sorted."""


def is_prefix(text: str) -> bool:
    """Whether `text` can be an address or the beginning of one (maybe too short)."""
    return _PREFIX.fullmatch(text) is not None


def resolve(archive: Archive, text: str) -> Address:
    """The one address that begins with `text`: `xxh3:ab12cd...` or only the hex digits.

    Raises UsageError where it is no such beginning, too short, or fits several; NotInArchiveError.
    """
    match = _PREFIX.fullmatch(text)
    if match is None or (match[1] and match[1] not in layout.DIGEST_LENGTHS):
        raise UsageError(
            f"{text} is neither an address nor a file.",
            hint=f"An address looks like {archive.algorithm}:1f3c...",
        )
    digits = match[2]
    if len(digits) < SHORTEST_PREFIX:
        raise UsageError(f"{text} is too short: give at least {SHORTEST_PREFIX} hex digits.")
    digests = set()
    if match[1] in (None, archive.algorithm):
        for folder in (layout.OBJECTS, layout.MANIFESTS):
            names = _names(archive.root / folder / digits[:2])
            for path in (f"{folder}/{digits[:2]}/{name}" for name in names):
                digest = _digest(path)
                if digest and digest.startswith(digits):
                    digests.add(digest)
    if not digests:
        raise NotInArchiveError(f"The archive {archive.root} has nothing that begins with {text}.")
    if len(digests) > 1:
        raise UsageError(
            f"{text} fits {len(digests)} addresses.", hint="\n".join(sorted(digests)[:10])
        )
    return Address(algorithm=archive.algorithm, digest=digests.pop())


def items(archive: Archive, prefixes: tuple[str, ...] = ()) -> Iterator[ListedObject]:
    """Trees, then objects, each sorted by address: all, or those one of whose names, or whose
    address (with or without algorithm), begins with one of `prefixes`."""
    names: dict[Address, set[str]] = defaultdict(set)
    for job in JobIndex.read(archive).jobs:
        for output in job.outputs:
            if not output.temporary:  # the archive never had it
                with suppressed(FormatError):
                    names[Address.parse(output.address)].add(output.path)
    trees = []
    for digest in _all_digests(archive, layout.MANIFESTS):
        address = Address(algorithm=archive.algorithm, digest=digest)
        size: int | None = None
        with suppressed(GitbatchError):
            entries = archive.manifest(address)
            size = sum(entry.size for entry in entries)
            for entry in entries:
                if entry.kind == "f":
                    member = Address.of_digest(entry.digest)
                    names[member].update(f"{name}/{entry.path}" for name in names[address])
        trees.append(
            ListedObject(address=address, kind="tree", size=size, names=_sorted(names, address))
        )
    for item in chain(trees, _objects(archive, names)):
        spelled = (str(item.address), item.address.digest, *item.names)
        if not prefixes or any(text.startswith(prefixes) for text in spelled):
            yield item


def holding(archive: Archive, address: Address) -> Iterator[tuple[Address, str]]:
    """The trees that have the file as a member, and its path in each, sorted by address."""
    needle = address.digest.encode()
    for digest in _all_digests(archive, layout.MANIFESTS):
        path = archive.root / layout.manifest_path(digest)
        with suppressed(OSError, GitbatchError):
            data = path.read_bytes()
            if needle not in data:
                continue
            for entry in manifests.parse(data):
                if entry.kind == "f" and entry.digest == address.digest:
                    yield Address(algorithm=archive.algorithm, digest=digest), entry.path


def _objects(archive: Archive, names: Mapping[Address, set[str]]) -> Iterator[ListedObject]:
    last = ""
    for name in _all_objects(archive):
        if name.digest == last:
            continue
        last = name.digest
        size = None
        with suppressed(GitbatchError):
            size = archive.size(name)
        address = Address(algorithm=archive.algorithm, digest=name.digest)
        yield ListedObject(address=address, kind="file", size=size, names=_sorted(names, address))


def _all_objects(archive: Archive) -> Iterator[ObjectName]:
    for shard in _names(archive.root / layout.OBJECTS):
        for name in _names(archive.root / layout.OBJECTS / shard):
            with suppressed(FormatError):
                yield ObjectName.parse(f"{layout.OBJECTS}/{shard}/{name}")


def _all_digests(archive: Archive, folder: str) -> Iterator[str]:
    for shard in _names(archive.root / folder):
        for name in _names(archive.root / folder / shard):
            if digest := _digest(f"{folder}/{shard}/{name}"):
                yield digest


def _digest(path: str) -> str | None:
    with suppressed(FormatError):
        if path.startswith(layout.MANIFESTS):
            return layout.parse_manifest_path(path)
        return ObjectName.parse(path).digest
    return None


def _sorted(names: Mapping[Address, set[str]], address: Address) -> tuple[str, ...]:
    return tuple(sorted(names.get(address, ())))


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
