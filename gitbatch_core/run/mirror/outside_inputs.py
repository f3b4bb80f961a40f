"""Inputs outside of the work tree: hashed when they are brought, and checked again when a job that
has read one ends."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from gitbatch_core import fs
from gitbatch_core.archive import hashing, manifests
from gitbatch_core.archive.layout import Address
from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import RunError
from gitbatch_core.run.mirror.outside_addresses import HashedBefore
from gitbatch_core.wording import count, listed

_MOST_NAMED = 5
_SAFE = "Copy it into the repository and freeze it there: gitbatch freeze PATH"


@dataclass(kw_only=True)
class OutsideInputs:
    """Those of one run."""

    archive: Archive
    before: HashedBefore = field(default_factory=HashedBefore)
    cache: Path | None = None
    """What lies there only this process makes."""
    addresses: dict[str, str] = field(default_factory=dict)
    """By absolute path."""
    _stamps: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """What tells whether one was changed."""
    _places: dict[str, str] = field(default_factory=dict)
    """Where those lie that are called by a name in the work tree, by that name."""
    _writable: list[str] = field(default_factory=list)
    """For people: those that the user could change, and that nobody was told of yet."""

    def bring(self, place: Path, path: str, relative: str | None = None) -> str:
        """The address of the file or folder at `place`, which the workflow calls `path`: in the
        work tree `relative`. Raises RunError."""
        key = str(place)
        if relative is not None:
            self._places[relative] = key
        if (address := self.addresses.get(key)) is not None:
            return address
        try:
            self._stamps[key] = fs.stamp(place)
            if place.is_dir():
                entries = self.archive.describe_tree(place, self._hash)
                address = str(manifests.address(entries, self.archive.algorithm))
            else:
                address = str(self._hash(place)[0])
        except OSError as error:
            raise RunError(f"The input {path} cannot be read: {error.strerror}.") from error
        self.addresses[key] = address
        ours = self.cache is not None and place.is_relative_to(self.cache)
        if os.access(place, os.W_OK) and os.getuid() != 0 and not ours:
            self._writable.append(path if path == key else f"{path}  ({key})")
        return address

    def _hash(self, place: Path) -> tuple[Address, int]:
        """Address and size of a file. Raises OSError."""
        stamp = fs.stamp(place)
        address_before = self.before.find(str(place), stamp, self.archive.algorithm)
        if address_before is not None:
            return Address.parse(address_before), stamp[1]
        address, size = hashing.hash_file(place, self.archive.algorithm)
        self.before.add(str(place), stamp, str(address))
        return address, size

    def check(self, name: str, path: str) -> None:
        """Raise RunError where the input `path` is not what it was when it was brought; `name`:
        relative to the top, absolute outside of it."""
        if not self._stamps:
            return
        key = self._places.get(name, name)
        if key in self._stamps and self._stamps[key] != _stamp(Path(key)):
            raise RunError(
                f"The input {path} was changed during the run: it is unknown what the job "
                "has read.",
                hint=_SAFE,
            )

    def tell(self) -> str | None:
        """Keep the addresses for the next start, and tell people, once, which inputs can be
        changed."""
        self.before.write()
        some, self._writable = self._writable, []
        if not some:
            return None
        if len(some) == 1:
            text = f"The input {some[0]} lies outside of the repository and can be changed while "
            return text + "jobs read it; its present content is recorded. " + _SAFE
        return (
            f"{count(len(some), 'input')} lie outside of the repository and can be changed while "
            "jobs read them; their present content is recorded. "
            f"{_SAFE}\n{listed(some, _MOST_NAMED)}"
        )


def _stamp(place: Path) -> tuple[int, ...] | None:
    try:
        return fs.stamp(place)
    except OSError:
        return None
