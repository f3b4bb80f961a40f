"""What lies in a work tree at the outputs of runs: links into the archive, folders of them, or
something else. From names and texts of links; no bytes are read."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from gitbatch_core.archive import links, manifests
from gitbatch_core.archive.layout import Address, ObjectName, linked_address, linked_object
from gitbatch_core.archive.store import Archive
from gitbatch_core.archive.walk import below, files_below, link_names_below
from gitbatch_core.errors import GitbatchError

FOREIGN = "something that no run has put there"
"""Stands for the address of what has none: a file, a link to elsewhere."""


@dataclass(kw_only=True)
class FolderLinks:
    """The links of one work tree, as they were when it was looked at."""

    top: Path
    archive: Archive | None
    """None: it is out of reach."""
    links: dict[str, str] = field(default_factory=dict)
    """Path relative to the top -> the address of the object, of all links into an archive."""
    _objects: dict[str, str] = field(default_factory=dict)
    """Where these lie, relative to the archive."""
    _trees: dict[str, str | None] = field(default_factory=dict)

    @classmethod
    def of(cls, top: Path, archive: Archive | None) -> FolderLinks:
        """Look at the whole work tree."""
        links_there = cls(top=top, archive=archive)
        start = len(str(top)) + 1
        for path in link_names_below(top):
            try:
                text = os.readlink(path)
            except OSError:  # gone by now
                continue
            if (linked := linked_address(text)) is not None:
                links_there.links[path[start:]], links_there._objects[path[start:]] = linked
        return links_there

    def address(self, path: str, *, folder: bool = False) -> str | None:
        """Of what lies at the output `path`; FOREIGN where it has none, None where nothing is
        there."""
        if not folder:
            if path not in self.links:
                self._look(path)
            if (address := self.links.get(path)) is not None:
                return address
            return FOREIGN if os.path.lexists(self.top / path) else None
        if path not in self._trees:
            self._trees[path] = self._of_tree(path)
        return self._trees[path]

    def _look(self, path: str) -> None:
        """At what lies behind a link to a folder, maybe."""
        with contextlib.suppress(OSError):
            if (linked := linked_address(os.readlink(self.top / path))) is not None:
                self.links[path], self._objects[path] = linked

    def is_dangling(self, path: str) -> bool:
        """Whether the archive, as far as it can be asked, lacks what a link leads to: this one, or
        one in the folder."""
        if self.archive is None:
            return False
        root = self.archive.root
        if path in self.links:
            return not os.path.exists(f"{root}/{self._objects[path]}")
        inner = self._links_in(path)
        return any(not os.path.exists(f"{root}/{self._objects[each]}") for each in inner)

    def _links_in(self, folder: str) -> Iterator[str]:
        """Paths of those that lie below a folder."""
        here = self.top / folder
        if os.path.realpath(here) != str(here):
            names = [str(inner.relative_to(self.top)) for inner in files_below(here)]
            for name in names:
                self._look(name)
            return iter([name for name in names if name in self.links])
        return below(folder, self._sorted)

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(self.links)

    def _of_tree(self, path: str) -> str | None:
        here = self.top / path
        if not os.path.lexists(here):
            return None
        if self.archive is None or here.is_symlink() or not here.is_dir():
            return FOREIGN
        try:
            address = links.address_of(here, self.archive)
        except (GitbatchError, OSError):
            return FOREIGN
        return FOREIGN if address is None else str(address)

    def is_tree(self, path: str, address: str) -> bool:
        """Whether the folder has just the members of the tree with this address, also where some
        of these are missing in the archive."""
        here = self.top / path
        if self.archive is None:  # nobody knows what its members are
            return here.is_dir() and not here.is_symlink()
        try:
            wanted = {e.path: e for e in self.archive.manifest(Address.parse(address))}
            members = {item.path: item for item in manifests.scan(str(here), self._object_at)}
        except (GitbatchError, OSError):
            return False
        return wanted.keys() == members.keys() and all(
            _is_member(wanted[name], item) for name, item in members.items()
        )

    @staticmethod
    def _object_at(path: str) -> ObjectName | None:
        return linked_object(os.readlink(path))


def _is_member(entry: manifests.Entry, member: manifests.Scanned) -> bool:
    if member.object is not None:
        return (entry.kind, entry.digest) == ("f", member.object.digest)
    if member.target is not None:
        return (entry.kind, entry.target) == ("l", member.target)
    return entry.kind == "d" and not member.file
