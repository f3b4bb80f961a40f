"""Read-only questions: what is there, what is it called, where did it come from.

Names are known from the job records alone. Records are read leniently: one that cannot be read is
`verify`'s business and is left out here.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from gitbatch_core.archive import layout
from gitbatch_core.archive.layout import Address, ObjectName
from gitbatch_core.errors import FormatError, GitbatchError, NotInArchiveError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gitbatch_core.archive.store import Archive

SHORTEST_PREFIX = 6
"""Hex digits that an abbreviated address must have."""

_PREFIX = re.compile(r"(?:([a-z0-9]+):)?([0-9a-f]+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """One job that wrote an object or a tree."""

    path: str
    """The path of the output, log or benchmark in the repository."""
    run: str
    rule: str
    created: str
    """ISO 8601; empty where the record does not tell."""
    key: str
    """The job key."""
    record: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """An object or a tree of the archive."""

    address: Address
    kind: Literal["file", "tree"]
    size: int | None
    """Bytes of one variant, or of all members; None where it cannot be read."""
    names: tuple[str, ...]
    """Paths of outputs with this address, also as members of trees; sorted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Details:
    """All that is known about one address."""

    address: Address
    kind: Literal["file", "tree"]
    size: int
    files: int
    """Members of a tree that are files; 1 for an object."""
    paths: tuple[Path, ...]
    """The object's variants, or the manifest."""
    origins: tuple[Origin, ...]


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
            f"{text} is neither an address nor a file",
            hint=f"An address looks like {archive.algorithm}:1f3c...",
        )
    digits = match[2]
    if len(digits) < SHORTEST_PREFIX:
        raise UsageError(f"{text} is too short: give at least {SHORTEST_PREFIX} hex digits")
    found = set()
    if match[1] in (None, archive.algorithm):
        for folder in (layout.OBJECTS, layout.MANIFESTS):
            names = _names(archive.root / folder / digits[:2])
            for path in (f"{folder}/{digits[:2]}/{name}" for name in names):
                digest = _digest(path)
                if digest and digest.startswith(digits):
                    found.add(digest)
    if not found:
        raise NotInArchiveError(f"the archive {archive.root} has nothing that begins with {text}")
    if len(found) > 1:
        raise UsageError(f"{text} fits {len(found)} addresses", hint="\n".join(sorted(found)[:10]))
    return Address(algorithm=archive.algorithm, digest=found.pop())


def origins(archive: Archive) -> Mapping[Address, list[Origin]]:
    """Which jobs wrote what, from all records, in their order by name."""
    found: dict[Address, list[Origin]] = defaultdict(list)
    for path in archive.record_paths():
        with contextlib.suppress(OSError, ValueError, GitbatchError):
            document = json.loads(path.read_bytes())
            key = layout.parse_record_path(str(path.relative_to(archive.root)))[0]
            written = [*_dicts(document.get("outputs")), *_dicts(document.get("logs"))]
            for output in written:
                if output.get("temporary"):  # the archive never had it
                    continue
                with contextlib.suppress(GitbatchError):
                    address = Address.parse(str(output.get("address")))
                    found[address].append(
                        Origin(
                            path=str(output.get("path", "")),
                            run=str(document.get("run", "")),
                            rule=str(document.get("rule", "")),
                            created=str(document.get("ended", "")),
                            key=key,
                            record=path,
                        )
                    )
    return found


def items(archive: Archive, prefixes: tuple[str, ...] = ()) -> Iterator[Item]:
    """Trees, then objects, each sorted by address: all, or those one of whose names, or whose
    address (with or without algorithm), begins with one of `prefixes`."""
    names: dict[Address, set[str]] = defaultdict(set)
    for address, jobs in origins(archive).items():
        names[address].update(job.path for job in jobs)
    trees = []
    for digest in _all_digests(archive, layout.MANIFESTS):
        address = Address(algorithm=archive.algorithm, digest=digest)
        size: int | None = None
        with contextlib.suppress(GitbatchError):
            entries = archive.manifest(address)
            size = sum(entry.size for entry in entries)
            for entry in entries:
                if entry.kind == "f":
                    member = Address.of_digest(entry.digest)
                    names[member].update(f"{name}/{entry.path}" for name in names[address])
        trees.append(Item(address=address, kind="tree", size=size, names=_sorted(names, address)))
    for item in chain(trees, _objects(archive, names)):
        spelled = (str(item.address), item.address.digest, *item.names)
        if not prefixes or any(text.startswith(prefixes) for text in spelled):
            yield item


def details(archive: Archive, address: Address) -> Details:
    """All about one address. Raises NotInArchiveError, DamageError."""
    jobs = tuple(origins(archive).get(address, ()))
    if archive.has_tree(address):
        entries = archive.manifest(address)
        return Details(
            address=address,
            kind="tree",
            size=sum(entry.size for entry in entries),
            files=sum(entry.kind == "f" for entry in entries),
            paths=(archive.root / layout.manifest_path(address.digest),),
            origins=jobs,
        )
    first = archive.find(address)
    return Details(
        address=address,
        kind="file",
        size=archive.size(first),
        files=1,
        paths=tuple(archive.path(name) for name in archive.variants(address)),
        origins=jobs,
    )


def _objects(archive: Archive, names: Mapping[Address, set[str]]) -> Iterator[Item]:
    last = ""
    for name in _all_objects(archive):
        if name.digest == last:
            continue
        last = name.digest
        size = None
        with contextlib.suppress(GitbatchError):
            size = archive.size(name)
        address = Address(algorithm=archive.algorithm, digest=name.digest)
        yield Item(address=address, kind="file", size=size, names=_sorted(names, address))


def _all_objects(archive: Archive) -> Iterator[ObjectName]:
    for shard in _names(archive.root / layout.OBJECTS):
        for name in _names(archive.root / layout.OBJECTS / shard):
            with contextlib.suppress(FormatError):
                yield ObjectName.parse(f"{layout.OBJECTS}/{shard}/{name}")


def _all_digests(archive: Archive, folder: str) -> Iterator[str]:
    for shard in _names(archive.root / folder):
        for name in _names(archive.root / folder / shard):
            if digest := _digest(f"{folder}/{shard}/{name}"):
                yield digest


def _digest(path: str) -> str | None:
    with contextlib.suppress(FormatError):
        if path.startswith(layout.MANIFESTS):
            return layout.parse_manifest_path(path)
        return ObjectName.parse(path).digest
    return None


def _sorted(names: Mapping[Address, set[str]], address: Address) -> tuple[str, ...]:
    return tuple(sorted(names.get(address, ())))


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    yield from (item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
