"""What the standard library lacks for files that must not be lost: flushing, sparse copies, links.

A leaf module: knows nothing of archives.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import itertools
import os
import shutil
import signal
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BLOCK = 1 << 20
_ZEROS = memoryview(bytes(BLOCK))
_counter = itertools.count()


def sync_folder(path: Path) -> None:
    """Make the names in this folder durable. Raises OSError."""
    with open_folder(path) as descriptor:
        os.fsync(descriptor)


def sync_filesystem(path: Path) -> None:
    """Make everything durable that was written to the file system of `path`. Raises OSError."""
    with open_folder(path) as descriptor:
        _syncfs()(descriptor)


@contextlib.contextmanager
def open_folder(path: Path) -> Iterator[int]:
    """A descriptor of the folder, closed at the end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@functools.cache
def _syncfs() -> Callable[[int], None]:
    import ctypes  # takes milliseconds, and a single small job needs none of it

    library: Any = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "syncfs"):
        return lambda _descriptor: os.sync()

    def syncfs(descriptor: int) -> None:
        if library.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    return syncfs


def copy_data(source: int, target: int, update: Callable[[memoryview], object]) -> int:
    """Copy the open file into an empty one, keeping holes; give every byte to `update`, in order.

    Returns the size in bytes. Where the source changes meanwhile, the bytes in `target` are still
    the ones that `update` saw. Moves the source's position. Raises OSError.
    """
    size = os.fstat(source).st_size
    buffer = memoryview(bytearray(min(BLOCK, size + 1)))
    offset = 0
    while offset < size:
        start = _seek_data(source, offset, size)
        for done in range(offset, start, BLOCK):
            update(_ZEROS[: min(BLOCK, start - done)])
        offset = start
        end = _seek_hole(source, offset, size)
        while offset < end:
            count = os.preadv(source, [buffer[: min(len(buffer), end - offset)]], offset)
            if count == 0:  # it was cut meanwhile; the caller sees that it changed
                os.ftruncate(target, offset)
                return offset
            update(buffer[:count])
            _write_all(target, buffer[:count], offset)
            offset += count
    os.ftruncate(target, size)
    return size


def copy_file(
    source: Path,
    target: Path,
    *,
    mode: int,
    mtime_ns: int,
    update: Callable[[memoryview], object] = bool,
    check: Callable[[], object] = bool,
) -> None:
    """Put a copy of a file in the place of `target`, by rename, keeping holes.

    Every byte goes to `update`, in order; `check` is called before the rename and may raise.
    Raises OSError; then `target` is what it was.
    """
    temporary = temporary_beside(target)
    reader = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        writer = os.open(temporary, flags, stat.S_IRUSR | stat.S_IWUSR)
        try:
            copy_data(reader, writer, update)
            check()
            os.fchmod(writer, mode)
            os.utime(writer, ns=(mtime_ns, mtime_ns))
            os.fsync(writer)
        finally:
            os.close(writer)
        temporary.rename(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(reader)


def copy_writable(source: Path, target: Path) -> None:
    """Copy the bytes and x-bits of a file, or of a folder's files, to where nothing is. Links are
    followed; what comes out may be changed, and its time is now."""
    if source.is_dir():
        shutil.copytree(source, target, copy_function=_copy_writable_file)
    else:
        _copy_writable_file(source, target)


def _copy_writable_file(source: str | Path, target: str | Path) -> None:
    shutil.copyfile(source, target)
    os.chmod(target, 0o644 | stat.S_IMODE(os.stat(source).st_mode) & 0o111)


def _seek_data(descriptor: int, offset: int, size: int) -> int:
    try:
        return min(os.lseek(descriptor, offset, os.SEEK_DATA), size)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a hole up to the end
            return size
        return offset


def _seek_hole(descriptor: int, offset: int, size: int) -> int:
    if offset >= size:
        return size
    try:
        return min(os.lseek(descriptor, offset, os.SEEK_HOLE), size)
    except OSError:
        return size


def _write_all(descriptor: int, data: memoryview, offset: int) -> None:
    while data:
        count = os.pwrite(descriptor, data, offset)
        data = data[count:]
        offset += count


def same_bytes(first: int, second: int) -> bool:
    """Whether two open files hold the same bytes. Raises OSError."""
    if os.fstat(first).st_size != os.fstat(second).st_size:
        return False
    offset = 0
    while block := os.pread(first, BLOCK, offset):
        if block != os.pread(second, len(block), offset):
            return False
        offset += len(block)
    return True


def same_content(first: Path, second: Path) -> bool:
    """Whether both are links with the same text, or files with the same bytes; no where one cannot
    be read."""
    try:
        if first.is_symlink() or second.is_symlink():
            return os.readlink(first) == os.readlink(second)
        with first.open("rb") as one, second.open("rb") as other:
            return same_bytes(one.fileno(), other.fileno())
    except OSError:
        return False


def has_writers(descriptor: int) -> bool | None:
    """Whether anybody on this host has the file open for writing; None where nobody can tell.

    The descriptor must be open for reading only. A read lease is granted only where there are no
    writers; network file systems, and files of others, have none.
    """
    try:
        # Whoever opens the file while we hold the lease makes the kernel signal us: SIGIO, the
        # default, would end this process.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return True if error.errno in (errno.EAGAIN, errno.EBUSY) else None
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def temporary_beside(path: Path) -> Path:
    """A name in the same folder that nobody else uses, for what will be renamed to `path`."""
    return path.with_name(f".gitbatch-{os.uname().nodename}-{os.getpid()}-{next(_counter)}.tmp")


def is_temporary(name: str) -> bool:
    """Whether a file has its name from `temporary_beside`."""
    return name.startswith(".gitbatch-") and name.endswith(".tmp")


def replace_with_link(path: Path, text: str, *, mtime_ns: int, like: Path | None = None) -> None:
    """Put a symbolic link with this text and mtime at `path`, by rename.

    Replaces a file, a link or an empty folder; its folder must exist. Where `like` is such a link,
    it gets another name instead, which takes a tenth of the time or less. Raises OSError, with
    errno ENOTEMPTY for a folder that holds something.
    """
    if _date_link(path, text, mtime_ns):
        return
    same = like if like is not None and _is_link(like, text, mtime_ns) else None
    if same is not None and _name_again(same, path):
        return
    temporary = temporary_beside(path)
    try:
        if same is None or not _name_again(same, temporary):
            os.symlink(text, temporary)
            os.utime(temporary, ns=(mtime_ns, mtime_ns), follow_symlinks=False)
        try:
            temporary.rename(path)
        except IsADirectoryError:
            path.rmdir()
            temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _is_link(path: Path, text: str, mtime_ns: int) -> bool:
    try:
        return os.readlink(path) == text and os.lstat(path).st_mtime_ns == mtime_ns
    except OSError:
        return False


def _name_again(link: Path, path: Path) -> bool:
    """Make `path` another name of a symbolic link, if nothing is there and the file system can."""
    try:
        os.link(link, path, follow_symlinks=False)
    except (OSError, NotImplementedError):
        return False
    return True


def _date_link(path: Path, text: str, mtime_ns: int) -> bool:
    """Give the link at `path` this mtime, if it has the text already: a tenth of the cost of a new
    one. Nothing that somebody puts there meanwhile is touched. Linux only; elsewhere False."""
    if not hasattr(os, "O_PATH"):
        return False
    try:
        link = os.open(path, os.O_PATH | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        if os.readlink("", dir_fd=link) != text:
            return False
        os.utime(f"/proc/self/fd/{link}", ns=(mtime_ns, mtime_ns))  # the link itself
    except OSError:
        return False
    finally:
        os.close(link)
    return True


def replace_with_bytes(
    path: Path,
    data: bytes,
    *,
    mode: int = 0o666,
    mtime_ns: int | None = None,
    durable: bool = False,
) -> None:
    """Put a plain file at `path`, by rename: nobody ever sees half of it. `mode` is less the umask.
    Unless it is `durable`, it may be lost with the machine's power.

    Raises OSError; then `path` is what it was.
    """
    temporary = temporary_beside(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with open(os.open(temporary, flags, mode), "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if mtime_ns is not None:
            os.utime(temporary, ns=(mtime_ns, mtime_ns))
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def create_exclusive(path: Path, temporary: Path) -> None:
    """Give the finished file `temporary` the name `path`, unless it is taken; removes that.

    Raises FileExistsError where the name is taken: of many writers exactly one succeeds.
    """
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        # No hard links here. The name is taken first; a reader may see it empty for a moment.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC))
        temporary.rename(path)
    else:
        temporary.unlink()


def make_folder(path: Path) -> None:
    """Make the folder, and the missing ones above it, with the permissions of the one it is in.

    So a folder that an administrator opened to a group stays open for it, whatever the umask.
    """
    try:
        path.mkdir()
    except FileExistsError:
        return
    except FileNotFoundError:
        make_folder(path.parent)
        make_folder(path)
        return
    wanted = stat.S_IMODE(path.parent.stat().st_mode)
    if stat.S_IMODE(path.stat().st_mode) != wanted:
        with contextlib.suppress(PermissionError):  # set-group-id of a group that is not ours
            path.chmod(wanted)


def remove_tree(path: Path) -> None:
    """Remove a folder and all in it, also where folders are read-only. Links are not followed.

    Does nothing where it does not exist. Raises OSError.
    """
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except PermissionError:
        path.chmod(stat.S_IRWXU)
        for folder, folders, _ in os.walk(path):
            for name in folders:
                inner = Path(folder, name)
                if not inner.is_symlink():
                    inner.chmod(stat.S_IRWXU)
        shutil.rmtree(path)


def stamp(path: Path) -> tuple[int, ...]:
    """Tells whether a file was changed."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
