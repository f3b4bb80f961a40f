"""The archive: create, open, put, find, read, and the records of jobs.

Reading and adding need no lock and no database; see `ingest` for how that is safe.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from gitbatch_core import fs
from gitbatch_core.archive import hashing, ingest, layout, manifests, marker, records
from gitbatch_core.archive.ingested import Stored, Take
from gitbatch_core.archive.layout import Address, ObjectName
from gitbatch_core.archive.staging import staging
from gitbatch_core.errors import ArchiveError, DamageError, FormatError, NotInArchiveError
from gitbatch_core.log import suppressed
from gitbatch_core.model import documents
from gitbatch_core.wording import typed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ["Archive", "Stored", "StoredTree", "Take"]


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredTree:
    """A folder that is in the archive now: its objects and its manifest."""

    source: Path
    address: Address
    entries: tuple[manifests.Entry, ...]
    files: tuple[Stored, ...]
    """The members that were no links into the archive, in the order of the entries."""
    size: int
    """Bytes of all members."""
    new: bool
    """False where the archive had this manifest already."""


@dataclass(frozen=True, kw_only=True)
class Archive:
    """An open archive. Cheap to make, holds no descriptor, may be used from several threads."""

    root: Path
    """Absolute, as it was named: links in it are not resolved."""
    id: str
    algorithm: str
    created: str
    """ISO 8601, UTC."""

    @classmethod
    def create(
        cls, root: Path, algorithm: str = layout.DEFAULT_ALGORITHM, *, exist_ok: bool = False
    ) -> Self:
        """A new archive in a folder that is empty or does not exist yet.

        With `exist_ok`, an archive that is there already is opened, whatever its algorithm: so many
        processes can do this at once, and all get the same. Raises ArchiveError, FormatError.
        """
        hashing.new(algorithm)
        root = root.absolute()
        marker.create(root, algorithm, exist_ok=exist_ok)
        return cls.open(root)

    @classmethod
    def open(cls, root: Path) -> Self:
        """The archive in this folder.

        Raises ArchiveError where there is none or it cannot be reached, FormatError where it is of
        a later version or its ARCHIVE file was damaged.
        """
        root = root.absolute()
        document = marker.read(root)
        return cls(
            root=root,
            id=str(document.get("id", "")),
            algorithm=document["hash"],
            created=str(document.get("created", "")),
        )

    # ------------------------------------------------------------------ adding

    def put(
        self, files: Sequence[Path], *, take: Take = Take.MOVE, strict: bool = False
    ) -> list[Stored]:
        """Store files; their results in the same order, all durable when this returns.

        A link into this archive is its object already; another link is copied from where it leads.
        With Take.MOVE a source is gone afterwards, unless it had to be copied: see `Take`. On an
        error all sources are, or are put back, as they were. Raises ArchiveError; InUseError where
        a file changes while it is read, and with `strict` where one is open for writing.
        """
        linked = {path: self._linked(path) for path in files if path.is_symlink()}
        rest = list(dict.fromkeys(path for path in files if linked.get(path) is None))
        done: dict[Path, Stored] = {path: stored for path, stored in linked.items() if stored}
        try:
            for batch in self.put_batches(rest, take=take, strict=strict):
                done.update((stored.source, stored) for stored in batch)
        except BaseException:
            for stored in done.values():
                self.take_back(stored)
            raise
        return [done[path] for path in files]

    def put_batches(
        self, files: Iterable[Path], *, take: Take, strict: bool = False
    ) -> Iterator[list[Stored]]:
        """Store files, or links to files outside of the archive, batch by batch.

        On an error, what is stored already is yielded first and stays so. See `ingest.publish`.
        """
        return ingest.publish(self.root, self.algorithm, files, take=take, strict=strict)

    def put_tree(self, folder: Path, *, take: Take = Take.MOVE, strict: bool = False) -> StoredTree:
        """Store a folder: its files as objects, then its manifest.

        With Take.MOVE the folder loses its files and keeps its subfolders and links. See `put`;
        also raises ArchiveError for links to folders outside, fifos, sockets and devices.
        """
        members = self._scan(folder)
        paths = [folder / member.path for member in members if member.file]
        files = self.put(paths, take=take, strict=strict)
        by_path = {stored.source: stored for stored in files}
        entries = []
        for member in members:
            stored = by_path.get(folder / member.path)
            entries.append(
                self.entry(member, stored.name, stored.size) if stored else self.entry(member)
            )
        address, new = self.put_entries(entries)
        return StoredTree(
            source=folder,
            address=address,
            entries=tuple(entries),
            files=tuple(files),
            size=sum(entry.size for entry in entries),
            new=new,
        )

    def describe_tree(
        self, folder: Path, hash_file: Callable[[Path], tuple[Address, int]] | None = None
    ) -> tuple[manifests.Entry, ...]:
        """The entries that the folder would have as a tree; nothing is stored. See `put_tree`.
        `hash_file`: who knows the address of a file."""
        hash_file = hash_file or (lambda path: hashing.hash_file(path, self.algorithm))
        entries = []
        for item in self._scan(folder):
            name, size = None, None
            if item.file:
                path = folder / item.path
                try:
                    address, size = hash_file(path)
                    executable = bool(path.stat().st_mode & stat.S_IXUSR)
                except OSError as error:
                    raise ArchiveError(f"Cannot read {path}: {error.strerror}.") from error
                name = ObjectName(digest=address.digest, executable=executable)
            entries.append(self.entry(item, name, size))
        return tuple(entries)

    def put_entries(self, entries: Iterable[manifests.Entry]) -> tuple[Address, bool]:
        """Store the manifest of a tree whose objects are stored. False: it was there already."""
        data = manifests.dump(entries)
        address = hashing.hash_bytes(data, self.algorithm)
        path = layout.manifest_path(address.digest)
        return address, ingest.publish_bytes(self.root, data, path)

    def put_bytes(self, data: bytes, *, name: str = "") -> Stored:
        """Store `data` as an object; `name` gives its suffix."""
        digest = hashing.hash_bytes(data, self.algorithm).digest
        object_name = ObjectName(digest=digest, suffix=layout.suffix_of(name))
        return Stored(
            source=Path(name),
            name=object_name,
            size=len(data),
            mtime_ns=layout.MTIME_NS,
            mode=layout.FILE_MODE,
            new=ingest.publish_bytes(self.root, data, object_name.path),
        )

    def staging(self) -> AbstractContextManager[Path]:
        """A new folder `staging/HOST-PID-UUID` on the archive's file system, removed at the end."""
        return staging(self.root)

    def take_back(self, stored: Stored) -> bool:
        """Make the source what it was before it was stored, where it is gone or (Take.SHARE) has
        become an object. The object stays: somebody may rely on it by now. Never raises OSError.

        False: there is no copying now. The source then is still the object, read-only, but has the
        mtime that only it can tell; storing it again gives the object its own.
        """
        source, target = self.path(stored.name), stored.source
        try:
            if os.path.lexists(target) and target.lstat().st_mtime_ns != layout.MTIME_NS:
                return True
            fs.copy_file(source, target, mode=stored.mode, mtime_ns=stored.mtime_ns)
        except OSError:
            with contextlib.suppress(OSError):
                os.utime(target, ns=(stored.mtime_ns,) * 2, follow_symlinks=False)
            return False
        return True

    # ------------------------------------------------------------------ finding and reading

    def path(self, name: ObjectName) -> Path:
        """Where the object of this name lies, or would lie."""
        return self.root / name.path

    def variants(self, address: Address) -> list[ObjectName]:
        """All objects with this address: they differ in x-bit or suffix only. Maybe none."""
        if address.algorithm != self.algorithm:
            return []
        folder = f"{layout.OBJECTS}/{address.digest[:2]}"
        rest = address.digest[2:]
        names = []
        try:
            present = [path.name for path in (self.root / folder).iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._unreachable(error) from error
        for name in present:
            if name.startswith(rest):
                with suppressed(FormatError):
                    names.append(ObjectName.parse(f"{folder}/{name}"))
        return sorted(names)

    def find(
        self, address: Address, *, executable: bool | None = None, suffix: str = ""
    ) -> ObjectName:
        """An object with this address: with this x-bit, where given, and this suffix if possible.

        Raises NotInArchiveError.
        """
        if address.algorithm == self.algorithm:
            name = ObjectName(digest=address.digest, executable=bool(executable), suffix=suffix)
            if os.path.lexists(self.path(name)):
                return name
        for name in self.variants(address):
            if executable is None or name.executable == executable:
                return name
        raise NotInArchiveError(
            f"The archive {self.root} has no object {address}.",
            hint="If it is in another archive, name that with --archive, $GITBATCH_ARCHIVE or "
            "`git config gitbatch.archive DIR`.",
        )

    def size(self, name: ObjectName) -> int:
        """Bytes of the object. Raises NotInArchiveError."""
        try:
            return self.path(name).lstat().st_size
        except FileNotFoundError as error:
            raise NotInArchiveError(
                f"The archive {self.root} has no object {name.address}."
            ) from error
        except OSError as error:
            raise self._unreachable(error) from error

    def open_object(self, address: Address) -> BinaryIO:
        """The object's bytes, as a file open for reading. Raises NotInArchiveError."""
        name = self.find(address)
        try:
            return self.path(name).open("rb")
        except OSError as error:
            raise self._unreachable(error) from error

    def has_tree(self, address: Address) -> bool:
        """Whether the manifest of this tree is there."""
        return address.algorithm == self.algorithm and os.path.lexists(
            self.root / layout.manifest_path(address.digest)
        )

    def manifest(self, address: Address) -> tuple[manifests.Entry, ...]:
        """The entries of a tree, checked against its address. NotInArchiveError, DamageError."""
        path = self.root / layout.manifest_path(address.digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise NotInArchiveError(f"The archive {self.root} has no tree {address}.") from error
        except OSError as error:
            raise self._unreachable(error) from error
        if hashing.hash_bytes(data, self.algorithm) != address:
            raise DamageError(
                f"The manifest {path} is damaged: its content does not match its name.",
                hint=f"`gitbatch archive verify --repair --archive {typed(self.root)}` moves it "
                "aside. Then store the tree again.",
            )
        return manifests.parse(data, source=str(path))

    def object_at(self, path: str | Path) -> ObjectName | None:
        """The object of this archive that the link at `path` leads to, in whatever way; None where
        it leads elsewhere or `path` is no link.

        Raises NotInArchiveError for a dangling link into an archive, OSError where the path cannot
        be read.
        """
        try:
            text = os.readlink(path)
        except OSError as error:
            if error.errno == errno.EINVAL:  # no link
                return None
            raise
        name = layout.linked_object(text)
        if name is not None and os.path.lexists(self.path(name)):
            return name
        resolved = self._inner_name(os.path.realpath(path))
        if resolved is not None and os.path.lexists(self.path(resolved)):
            return resolved
        if (name or resolved) is not None and not Path(path).exists():
            raise NotInArchiveError(
                f"{path} is a link to an object that is not in the archive {self.root}: {text}.",
                hint="Use the archive that has it, or restore the object.",
            )
        return None

    def is_object_path(self, path: Path) -> bool:
        """Whether `path` lies, or leads by links, into the objects of this archive."""
        return self._inner_name(os.path.realpath(path)) is not None

    # ------------------------------------------------------------------ records

    def write_record(self, key: str, run: str, number: int, document: documents.Document) -> Path:
        """Keep a job record, durably. `key`: 32 or 64 hex digits; `number` counts from 1.

        A record is never overwritten: writing the same again is fine, another one under the same
        name is an ArchiveError.
        """
        return records.write(self.root, layout.record_path(key, run, number), document)

    def record_paths(self, key: str | None = None) -> Iterator[Path]:
        """The files of the records of one job key, or of all, sorted by name."""
        return records.paths(self.root, key)

    # ------------------------------------------------------------------

    def entry(
        self, item: manifests.Scanned, name: ObjectName | None = None, size: int | None = None
    ) -> manifests.Entry:
        """The manifest's entry for what was found in a folder; name and size of a file."""
        name = name or item.object
        if name is not None:
            return manifests.Entry(
                kind="f",
                path=item.path,
                executable=name.executable,
                size=self.size(name) if size is None else size,
                digest=name.digest,
            )
        if item.target is not None:
            return manifests.Entry(kind="l", path=item.path, target=item.target)
        return manifests.Entry(kind="d", path=item.path)

    def _scan(self, folder: Path) -> list[manifests.Scanned]:
        try:
            members = list(manifests.scan(str(folder), self.object_at))
        except OSError as error:
            raise ArchiveError(f"Cannot read {error.filename}: {error.strerror}.") from error
        return sorted(members, key=lambda member: os.fsencode(member.path))

    def _linked(self, path: Path) -> Stored | None:
        try:
            name = self.object_at(path)
            if name is None:
                return None
            link = path.lstat()
        except OSError as error:
            raise ArchiveError(f"Cannot read {path}: {error.strerror}.") from error
        return Stored(
            source=path,
            name=name,
            size=self.size(name),
            mtime_ns=link.st_mtime_ns,
            mode=name.mode,
            new=False,
        )

    def _inner_name(self, real: str) -> ObjectName | None:
        top = os.path.realpath(self.root)
        if not real.startswith(f"{top}/{layout.OBJECTS}/"):
            return None
        try:
            return ObjectName.parse(real[len(top) + 1 :])
        except FormatError:
            return None

    def _unreachable(self, error: OSError) -> ArchiveError:
        where = error.filename or self.root
        return ArchiveError(f"Cannot read {where} in the archive: {error.strerror}.")
