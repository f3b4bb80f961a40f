"""How bytes become objects: read-only, hashed, flushed, then renamed to their final name.

Nothing half-written is ever visible, nothing is lost by a kill or a full disk, and any number of
writers on any number of hosts do this at the same time without locks: a final name appears by one
rename of a finished file, and whoever comes second finds the same bytes there.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from gitbatch_core import fs
from gitbatch_core.archive import hashing, layout, source_lock
from gitbatch_core.archive.ingested import Stored, Take
from gitbatch_core.archive.layout import Address, ObjectName
from gitbatch_core.archive.staging import set_aside, staging, storing_error
from gitbatch_core.errors import InUseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

BATCH = 256
"""Files published together. Each holds a descriptor, of which a process may have 1,024."""
BATCH_BYTES = 1 << 30
"""A batch ends with the file that makes it larger than this: progress shows, less is done again."""
FEW = 4
"""Up to so many files are flushed one by one, which does not wait for what others have written."""

_NO_RENAME = (
    errno.EXDEV,
    errno.EPERM,
    errno.EACCES,
    errno.EMLINK,
    errno.EOPNOTSUPP,
    errno.ENOSYS,
)
"""Why a rename or a hard link may fail where a copy works."""
_UNREADABLE = (errno.EACCES, errno.EIO, errno.ELOOP, errno.ENXIO)
"""What it means that an object is damaged (a bad block, a link, a socket), not that we are."""


def publish(
    root: Path, algorithm: str, files: Iterable[Path], *, take: Take, strict: bool
) -> Iterator[list[Stored]]:
    """Store regular files, or links to such; yields what is stored, a batch at a time.

    On an error (ArchiveError, or any other exception) what has its final name already is yielded
    first, and all other sources are as they were: place, mode and times. `strict` raises InUseError
    for a file that somebody has open for writing, where the file system can tell; otherwise such
    a file is copied. A file that changes while it is read is always an InUseError.
    """
    iterator = iter(files)
    waiting: deque[Path] = deque()
    # Sorted, as sources are locked one after the other: two processes cannot wait for each other.
    while True:
        waiting = waiting or deque(sorted(itertools.islice(iterator, BATCH), key=str))
        if not waiting:
            return
        with _Publisher(root, algorithm) as publisher:
            items = publisher.prepare(waiting, take, strict)
            failure = publisher.enter(items, take)
            yield [item.stored() for item in items if item.entered]
            if failure is not None:
                raise failure


def publish_bytes(root: Path, data: bytes, path: str, *, mode: int = layout.FILE_MODE) -> bool:
    """Store `data` as `path` (relative to the archive), durably. False: it was there already."""
    with _Publisher(root, "") as publisher:
        try:
            return publisher.add_bytes(data, path, mode)
        except OSError as error:
            raise storing_error(root, path, error) from error


@dataclass(kw_only=True, slots=True)
class _Item:
    """One file on its way. `staged` is our copy of it; without one the source itself enters."""

    source: Path
    opened: source_lock.Opened
    descriptor: int
    """Open on the bytes that enter: the source, later maybe our copy of it."""
    touched: bool = False
    """The source's mode and times were changed."""
    staged: Path | None = None
    name: ObjectName = field(init=False)
    size: int = 0
    entered: bool = False
    new: bool = False

    def stored(self) -> Stored:
        return Stored(
            source=self.source,
            name=self.name,
            size=self.size,
            mtime_ns=self.opened.mtime_ns,
            mode=stat.S_IMODE(self.opened.before.st_mode),
            new=self.new,
        )

    def set_name(self, address: Address, size: int) -> None:
        self.name = ObjectName(
            digest=address.digest,
            executable=bool(self.opened.before.st_mode & stat.S_IXUSR),
            suffix=layout.suffix_of(self.source.name),
        )
        self.size = size

    def undo(self) -> None:
        """Make the source what it was, where it was touched."""
        if self.touched:
            with contextlib.suppress(OSError):
                os.fchmod(self.descriptor, stat.S_IMODE(self.opened.before.st_mode))
                times = (self.opened.before.st_atime_ns, self.opened.before.st_mtime_ns)
                os.utime(self.descriptor, ns=times)
            self.touched = False


class _Publisher:
    """One batch: `prepare` hashes and makes read-only, `enter` gives the final names."""

    def __init__(self, root: Path, algorithm: str) -> None:
        self._root = root
        self._algorithm = algorithm
        self._resources = contextlib.ExitStack()
        self._staging: Path | None = None
        self._copies = 0
        self._folders: set[Path] = set()
        self._dropped: list[_Item] = []
        self._locked: set[tuple[int, int]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._resources.close()

    def prepare(self, files: deque[Path], take: Take, strict: bool) -> list[_Item]:
        """The next sources hashed, read-only and durable, with no name yet; or none, and an error.

        Takes at least one from the left of `files`, and not much more than BATCH_BYTES.
        """
        items: list[_Item] = []
        source = files[0]
        try:
            device = self._root.stat().st_dev
            while files:
                source = files.popleft()
                items.append(self._open(source, take, strict))
                self._prepare(items[-1], device, take, strict)
                if sum(item.size for item in items) > BATCH_BYTES:
                    break
            if len(items) > FEW:
                fs.sync_filesystem(self._root)
            else:
                for item in items:
                    os.fsync(item.descriptor)
        except BaseException as error:
            for item in items:
                item.undo()
            if isinstance(error, OSError):
                raise storing_error(self._root, source, error) from error
            raise
        return items

    def enter(self, items: Sequence[_Item], take: Take) -> BaseException | None:
        """Give the items their final names, one after the other, until one fails; the failure."""
        source = items[0].source
        try:
            for item in items:
                source = item.source
                self._enter(item, take)
            self._flush_names(len(items))
            for item in self._dropped:
                source = item.source
                source.unlink()
        except BaseException as error:
            for item in items:
                if not item.entered:
                    item.undo()
            with contextlib.suppress(OSError):
                self._flush_names(len(items))
            if not isinstance(error, OSError):
                return error
            failure = storing_error(self._root, source, error)
            failure.__cause__ = error
            return failure
        return None

    def add_bytes(self, data: bytes, path: str, mode: int) -> bool:
        """Enter `data` under `path`. Raises OSError."""
        staged, descriptor = self._new_file()
        with open(descriptor, "r+b", buffering=0, closefd=False) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
        self._finish(descriptor, mode)
        os.fsync(descriptor)
        new = not self._is_there(descriptor, path)
        if new:
            self._rename(staged, path)
        self._flush_names(1)
        return new

    def _open(self, source: Path, take: Take, strict: bool) -> _Item:
        exclusive = take is not Take.COPY
        opened = source_lock.open_source(
            source, exclusive=exclusive, strict=strict, ours=self._locked
        )
        if opened.locked:
            self._locked.add(source_lock.identity(opened.before))
        item = _Item(source=source, opened=opened, descriptor=opened.descriptor)
        self._resources.callback(lambda: os.close(item.descriptor))
        return item

    def _prepare(self, item: _Item, device: int, take: Take, strict: bool) -> None:
        before = item.opened.before
        movable = (
            take is not Take.COPY
            and item.opened.locked
            and before.st_nlink == 1
            and before.st_uid == os.geteuid()
            and before.st_dev == device
        )
        if movable:
            # First read-only, so that nobody can open it for writing after the look.
            item.touched = True
            os.fchmod(item.descriptor, layout.EXECUTABLE_MODE & (before.st_mode | 0o444))
        writers = fs.has_writers(item.descriptor) if movable or strict else None
        if writers and strict:
            raise InUseError(
                f"{item.source} is open for writing.",
                hint="Wait until the program that writes it has ended, or end it.",
            )
        if movable and writers is False:
            address, size = hashing.hash_descriptor(item.descriptor, self._algorithm)
            self._check_unchanged(item, item.descriptor)
            item.set_name(address, size)
            self._finish(item.descriptor, item.name.mode)
        else:
            item.undo()
            self._copy(item)

    def _copy(self, item: _Item) -> None:
        staged, descriptor = self._new_file(register=False)
        source, item.descriptor, item.staged = item.descriptor, descriptor, staged
        try:
            hasher = hashing.new(self._algorithm)
            size = fs.copy_data(source, descriptor, hasher.update)
            self._check_unchanged(item, source)
        finally:
            os.close(source)
        item.set_name(Address(algorithm=self._algorithm, digest=hasher.hexdigest()), size)
        self._finish(descriptor, item.name.mode)

    def _check_unchanged(self, item: _Item, descriptor: int) -> None:
        now = os.fstat(descriptor)
        before = item.opened.before
        if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise InUseError(
                f"{item.source} changed while it was being read.",
                hint="Wait until the program that writes it has ended, or end it.",
            )

    def _finish(self, descriptor: int, mode: int) -> None:
        os.fchmod(descriptor, mode)
        os.utime(descriptor, ns=(layout.MTIME_NS, layout.MTIME_NS))

    def _enter(self, item: _Item, take: Take) -> None:
        path = item.name.path
        if item.staged is None:
            now = item.source.lstat()
            if (now.st_ino, now.st_size, now.st_mtime_ns) != (
                item.opened.before.st_ino,
                item.size,
                layout.MTIME_NS,
            ):
                raise InUseError(
                    f"{item.source} was changed or replaced while it was being stored."
                )
        if self._is_there(item.descriptor, path):
            item.undo()
            if source_lock.identity(item.opened.before) == source_lock.identity(
                (self._root / path).stat()
            ):
                # The source became the object before, and could be given back but its time.
                os.utime(self._root / path, ns=(layout.MTIME_NS, layout.MTIME_NS))
            if item.staged is None and take is Take.MOVE:
                self._dropped.append(item)
        else:
            try:
                self._rename(self._ready(item, take), path)
            except OSError as error:
                if item.staged is not None or error.errno not in _NO_RENAME:
                    raise
                # One device, but two mounts, or no hard links here: a copy it is.
                item.undo()
                self._copy(item)
                os.fsync(item.descriptor)
                self._rename(self._ready(item, take), path)
            item.new = True
        item.entered = True

    def _ready(self, item: _Item, take: Take) -> Path:
        """The file to be renamed to the final name."""
        if item.staged is not None:
            return item.staged
        if take is not Take.SHARE:
            return item.source
        link = self._new_name()
        os.link(item.source, link, follow_symlinks=False)
        return link

    def _is_there(self, descriptor: int, path: str) -> bool:
        """Whether the archive has these bytes at `path`; others that lie there are set aside."""
        final = self._root / path
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            other = os.open(final, flags)
            try:
                same = stat.S_ISREG(os.fstat(other).st_mode) and fs.same_bytes(descriptor, other)
            finally:
                os.close(other)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno not in _UNREADABLE:
                raise
            same = False
        if same:
            self._folders.add(final.parent)
        else:
            set_aside(self._root, path, keep=True)
        return same

    def _rename(self, mine: Path, path: str) -> None:
        final = self._root / path
        try:
            mine.rename(final)
        except FileNotFoundError:
            fs.make_folder(final.parent)
            mine.rename(final)
        self._folders.add(final.parent)

    def _flush_names(self, items: int) -> None:
        if items > FEW:
            fs.sync_filesystem(self._root)
            return
        for folder in self._folders | {folder.parent for folder in self._folders}:
            fs.sync_folder(folder)

    def _new_name(self) -> Path:
        if self._staging is None:
            self._staging = self._resources.enter_context(staging(self._root))
        self._copies += 1
        return self._staging / str(self._copies)

    def _new_file(self, *, register: bool = True) -> tuple[Path, int]:
        path = self._new_name()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        if register:
            self._resources.callback(os.close, descriptor)
        return path, descriptor
