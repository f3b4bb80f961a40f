"""The file or folder in the archive to which a query leads, and its properties."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from gitbatch_core.archive import layout, manifests, names
from gitbatch_core.archive.layout import Address, ObjectName
from gitbatch_core.archive.names import Name
from gitbatch_core.errors import NotInArchiveError, UsageError
from gitbatch_core.history.run_outputs import RunOutputs
from gitbatch_core.wording import typed
from snakemake_storage_plugin_gitbatch.place import Place
from snakemake_storage_plugin_gitbatch.query import SCHEME, Query, QueryKind

_MOST_LINKS = 40
"""That one member of a tree may lead through to another."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """A file, or a folder."""

    address: Address
    object: ObjectName | None = None
    """Of a file."""
    entries: tuple[manifests.Entry, ...] = ()
    """Of a folder."""


@dataclass(kw_only=True)
class Reader:
    """Answers queries; what cannot change is looked up once."""

    place: Place
    _trees: dict[Address, dict[str, manifests.Entry]] = field(default_factory=dict)

    def find(self, query: Query) -> Content:
        """What the query leads to.

        Raises NotInArchiveError where there is none, UsageError, GitError, FormatError,
        ArchiveError.
        """
        if query.kind is QueryKind.NAME:
            name = self.name(query)
            if name is None:
                root = self.place.archive.root
                raise NotInArchiveError(
                    f"The archive {root} has no name {query.path}.",
                    hint=f"gitbatch archive ls --names --archive {typed(root)} shows those that it "
                    "has.",
                )
            return self._at(name.address, "", name.object)
        if query.kind is QueryKind.ADDRESS:
            return self._at_address(Address.parse(query.head), query.path)
        return self._of_run(query)

    def name(self, query: Query) -> Name | None:
        """The meaning of a query for a name; None: there is no such name."""
        return names.read(self.place.archive, query.path)

    def matches(self, query: Query) -> Iterator[str]:
        """Queries for all files that there are below the constant beginning of one with wildcards,
        and for the folders that were stored as such."""
        if query.kind is QueryKind.NAME:
            prefix, slash, _ = _constant(query.path).partition("/")
            for name in names.listed(self.place.archive, prefix if slash else ""):
                yield f"{SCHEME}name/{name.name}"
        elif query.kind is QueryKind.ADDRESS:
            for path in self._members(Address.parse(query.head)):
                yield f"{SCHEME}{query.head}/{path}"
        else:
            runs = self._runs(query)
            run, _ = runs.split(_constant(query.path))
            for output in runs.outputs(run).values():
                yield f"{SCHEME}{run}/{output.path}"
                if output.folder:
                    for path in self._members(output.address):
                        yield f"{SCHEME}{run}/{output.path}/{path}"

    def _of_run(self, query: Query) -> Content:
        runs = self._runs(query)
        name, path = runs.split(query.path)
        outputs = runs.outputs(name)
        parts = path.split("/")
        for end in range(len(parts), 0, -1):
            output = outputs.get("/".join(parts[:end]))
            if output is not None and output.folder:
                return self._at(output.address, "/".join(parts[end:]))
            if output is not None and end == len(parts):
                suffix = layout.suffix_of(path)
                return self._at(
                    output.address, "", self.place.archive.find(output.address, suffix=suffix)
                )
        raise NotInArchiveError(
            f"{name} in {runs.repository.top} has no output {path!r}.",
            hint=f"gitbatch runs show {shlex.quote(name)} shows what it made.",
        )

    def _runs(self, query: Query) -> RunOutputs:
        if self.place.runs is None:
            raise UsageError(
                f"{SCHEME}{query.path} names an output of a run, but this is no git repository.",
                hint="Outside of the run's repository, name it by its address.",
            )
        return self.place.runs

    def _at_address(self, address: Address, path: str) -> Content:
        archive = self.place.archive
        if address.algorithm != archive.algorithm:
            raise NotInArchiveError(
                f"The archive {archive.root} has no {address}: its addresses are "
                f"{archive.algorithm}:…"
            )
        if archive.has_tree(address):
            return self._at(address, path)
        object = archive.find(address, suffix=layout.suffix_of(path))
        if not path:
            raise UsageError(
                f"{SCHEME}{address} is a file, which needs a name.",
                hint=f"{SCHEME}{address}/data.csv, for example.",
            )
        return self._at(address, "", object)

    def _at(self, address: Address, path: str, object: ObjectName | None = None) -> Content:
        """The object itself; without one, what the tree has at `path`."""
        if object is not None:
            return Content(address=address, object=object)
        archive = self.place.archive
        members = self._tree(address)
        for _ in range(_MOST_LINKS):
            entry = members.get(path)
            if entry is None or entry.kind != "l":
                break
            path = posixpath.normpath(posixpath.join(posixpath.dirname(path), entry.target))
        if entry is not None and entry.kind == "f":
            member = archive.find(
                Address.of_digest(entry.digest),
                executable=entry.executable,
                suffix=layout.suffix_of(path),
            )
            return Content(address=member.address, object=member)
        below = f"{path}/" if path else ""
        inner = tuple(
            replace(each, path=each.path.removeprefix(below))
            for each in members.values()
            if each.path.startswith(below)
        )
        if path and not inner and entry is None:
            raise NotInArchiveError(
                f"The tree {address} in the archive {archive.root} has no {path!r}.",
                hint=f"gitbatch archive tree --archive {typed(archive.root)} {address} shows what "
                "it has.",
            )
        return Content(
            address=manifests.address(inner, archive.algorithm) if path else address, entries=inner
        )

    def _members(self, address: Address) -> Iterator[str]:
        for entry in self._tree(address).values():
            if entry.kind != "d":
                yield entry.path

    def _tree(self, address: Address) -> dict[str, manifests.Entry]:
        if address not in self._trees:
            entries = self.place.archive.manifest(address)
            self._trees[address] = {entry.path: entry for entry in entries}
        return self._trees[address]


def _constant(path: str) -> str:
    return path.partition("{")[0]
