"""One query as Snakemake sees it: whether it exists, its age, retrieve, store."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_storage_plugins.io import IOCacheStorageInterface, Mtime
from snakemake_interface_storage_plugins.storage_object import (
    StorageObjectGlob,
    StorageObjectRead,
    StorageObjectTouch,
    StorageObjectWrite,
)

from gitbatch_core.archive import layout
from gitbatch_core.errors import FormatError, GitbatchError, NotInArchiveError, UsageError
from gitbatch_core.log import suppressed
from snakemake_storage_plugin_gitbatch.query import SCHEME, QueryKind, parse

if TYPE_CHECKING:
    from logging import Logger

    from gitbatch_core.archive.names import Name
    from snakemake_storage_plugin_gitbatch.content import Content, Reader

_NS = 10**9  # not a float: a quotient of integers is exact where it can be
_Method = TypeVar("_Method", bound=Callable[..., Any])


def _at_the_edge(method: _Method) -> _Method:
    """Our errors as Snakemake's."""

    @functools.wraps(method)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except (GitbatchError, OSError) as error:
            raise WorkflowError(str(error)) from error

    return cast("_Method", wrapped)


class NameTime(Mtime):
    """When a name was written, and when its content changed.

    Snakemake asks how old a file is in two ways: as an output, and (following links) as an input.
    A rule that has made the same content again is done; what was made from it before is not made
    again.
    """

    def __init__(self, *, stored: float, changed: float) -> None:
        super().__init__(storage=stored)
        self._changed = changed

    def local_or_storage(self, follow_symlinks: bool = False) -> float | None:
        return self._changed if follow_symlinks else self.storage()


class OpensArchive(Protocol):
    """What an object needs from its provider."""

    logger: Logger
    removed: dict[str, Name]

    @property
    def reader(self) -> Reader:
        """Answers queries. Raises GitbatchError."""

    def say_missing(self, query: str, why: Exception) -> None:
        """Tell the user why a query leads nowhere."""


class StorageObject(StorageObjectRead, StorageObjectWrite, StorageObjectGlob, StorageObjectTouch):
    """A query, possibly with wildcards."""

    provider: OpensArchive

    @property
    def is_read_only(self) -> bool:
        """Whether nothing can be stored here: true for all queries but names."""
        return parse(self.query).kind is not QueryKind.NAME

    @_at_the_edge
    def address(self) -> str | None:
        """The address of what it leads to; None where it leads nowhere."""
        try:
            return str(self._reader.find(parse(self.query)).address)
        except NotInArchiveError:
            return None

    @_at_the_edge
    def changed_ns(self) -> int:
        """When it last got another content, in nanoseconds since 1970: its time as an input."""
        is_name = parse(self.query).kind is QueryKind.NAME
        return self._name().changed_ns if is_name else layout.MTIME_NS

    # ------------------------------------------------------------------ asking

    def local_suffix(self) -> str:
        return parse(self.query).local_suffix

    def get_inventory_parent(self) -> str | None:
        query = parse(self.query)
        if query.kind is not QueryKind.NAME:
            return None
        return str(self.cache_key(f"name/{query.path.partition('/')[0]}"))

    async def inventory(self, cache: IOCacheStorageInterface) -> None:
        self._take_inventory(cache)

    @_at_the_edge
    def _take_inventory(self, cache: Any) -> None:
        """All names that begin as this one does."""
        parent = self.get_inventory_parent()
        if parent is None or parent in cache.exists_in_storage.has_inventory:
            return
        from gitbatch_core.archive import names

        prefix = parse(self.query).path.partition("/")[0]
        archive = self._reader.place.archive
        inventory = list(names.listed(archive, prefix))
        for name in inventory:
            key = self.cache_key(f"name/{name.name}")
            cache.exists_in_storage[key] = True
            cache.size[key] = _size(name)
            cache.mtime[key] = NameTime(stored=name.stored_ns / _NS, changed=name.changed_ns / _NS)
        cache.exists_in_storage.has_inventory.add(parent)
        self.provider.logger.info(
            f"{SCHEME}name/{prefix}/: {len(inventory)} names in the archive {archive.root}"
        )

    @_at_the_edge
    def exists(self) -> bool:
        query = parse(self.query)
        try:
            if query.kind is QueryKind.NAME:
                return self._reader.name(query) is not None
            self._reader.find(query)
        except (NotInArchiveError, FormatError) as error:
            self.provider.say_missing(self.query, error)
            return False
        return True

    @_at_the_edge
    def mtime(self) -> float:
        return self._mtime_ns() / _NS

    @_at_the_edge
    def size(self) -> int:
        query = parse(self.query)
        if query.kind is QueryKind.NAME:
            return _size(self._name())
        content = self._reader.find(query)
        return 0 if content.object is None else self._reader.place.archive.size(content.object)

    def local_footprint(self) -> int:
        return 0  # links

    @_at_the_edge
    def list_candidate_matches(self) -> Iterable[str]:
        return list(self._reader.matches(parse(self.query)))

    # ------------------------------------------------------------------ getting

    @_at_the_edge
    def retrieve_object(self) -> None:
        """Create the local copy: a link, or a folder of links."""
        content = self._reader.find(parse(self.query))
        self._place_links(content, self._local())

    def cleanup(self) -> None:
        pass

    # ------------------------------------------------------------------ writing

    @_at_the_edge
    def store_object(self) -> None:
        """Store the local copy under the name; it becomes a link, or a folder of links."""
        from gitbatch_core.archive import names
        from snakemake_storage_plugin_gitbatch.storing import put

        name = self._writable()
        place = self._reader.place
        stored = put(place, self._local())
        names.write(
            place.archive,
            name,
            stored.address,
            object=stored.object,
            size=stored.size,
            stored_ns=stored.made_ns,
            before=self.provider.removed.get(name),
        )

    @_at_the_edge
    def remove(self) -> None:
        from gitbatch_core.archive import names

        name = self._writable()
        with suppressed(FormatError):  # what is damaged is made again
            if (stored := self._reader.name(parse(self.query))) is not None:
                self.provider.removed[name] = stored
        names.remove(self._reader.place.archive, name)
        self._clear_local()

    @_at_the_edge
    def touch(self) -> None:
        from gitbatch_core.archive import names

        names.touch(self._reader.place.archive, self._writable())

    # ------------------------------------------------------------------

    @property
    def _reader(self) -> Reader:
        return self.provider.reader

    def _local(self) -> Path:
        return Path(Path.cwd(), self.local_path())

    def _name(self) -> Name:
        query = parse(self.query)
        if (name := self._reader.name(query)) is None:
            self._reader.find(query)  # says why
            raise NotInArchiveError(f"There is no name {query.path} any more.")
        return name

    def _writable(self) -> str:
        query = parse(self.query)
        if query.kind is not QueryKind.NAME:
            raise UsageError(
                f"{self.query} can only be read.",
                hint=f"What is to be written has a name: {SCHEME}name/<prefix>/<path>",
            )
        return query.path

    def _clear_local(self) -> None:
        """Remove the local copy: the job that makes it again could not write to links."""
        from gitbatch_core import fs
        from gitbatch_core.archive import links

        path = self._local()
        if path.is_symlink():
            path.unlink()
        elif path.is_dir() and links.only_links(path):
            fs.remove_tree(path)

    def _mtime_ns(self) -> int:
        """What cannot change is older than all that is made from it."""
        is_name = parse(self.query).kind is QueryKind.NAME
        return self._name().stored_ns if is_name else layout.MTIME_NS

    def _place_links(self, content: Content, path: Path) -> None:
        from gitbatch_core.archive import links

        place, mtime_ns = self._reader.place, self._mtime_ns()
        if content.object is not None:
            links.place_link(path, content.object, top=place.top, mtime_ns=mtime_ns)
        else:
            links.place_tree(place.archive, path, content.entries, top=place.top, mtime_ns=mtime_ns)


def _size(name: Name) -> int:
    return 0 if name.object is None else name.size  # as the interface has it
