"""While a job reads the workflow, it writes to no file of the worktree that is read-only there: it
gets a copy of its own instead.

Those are the files of the commit, objects, and what the run's controller has written while it read
the workflow (`run.mirror.parse_time`). Each job reads the workflow again, and writes these again,
when others may be reading them. What the copies hold in the end is compared. What the workflow
writes only to move it elsewhere, or to remove it, each job has for itself, too.

`python -m snakemake_executor_plugin_gitbatch.in_job.parse_overlay WORKTREE …` is Snakemake with
that.
"""

from __future__ import annotations

import builtins
import io
import itertools
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from gitbatch_core import fs

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_TRUNC
_SEES_ALL = ("subprocess.Popen", "os.system", "os.posix_spawn", "os.exec", "os.link")
"""Events of what goes by the files that are there."""
_rename = os.rename
_LISTS = ("os.listdir", "os.scandir")


class Overlay:
    """Python's own ways to files, of this process, until `end`. Programs that it starts see what
    is there, and what is there for a moment only."""

    def __init__(
        self, top: Path, others: Collection[str] = (), passing: Collection[str] = ()
    ) -> None:
        self.top = f"{top}/"
        self.others = frozenset(others)
        """Files elsewhere that nobody may write to either."""
        self.passing = frozenset(passing)
        """Paths in the worktree at which nothing stays."""
        self._passing_names = frozenset(map(os.path.basename, self.passing))
        self._copies: dict[str, str] = {}
        """Absolute path -> this process's copy; where there is none, this process has removed
        it."""
        self._folder, self._numbers = "", itertools.count()
        self._differing: list[str] = []
        self._before: list[tuple[Any, str, Any]] = []

    # ------------------------------------------------------------------ from here to there

    def begin(self) -> None:
        """From now on."""
        original_open, original_os_open = io.open, os.open
        if self.passing:
            sys.addaudithook(self._hear)
        for path in self.passing:  # what is there is another process's
            if _is_free(path):
                self._copies[path] = self._new(path)

        def open(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            target = self._opened(file, set("wax+") & set(mode), anew="w" in mode)
            return original_open(target, mode, *args, **kwargs)

        def os_open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            target = self._opened(path, flags & _WRITES, dir_fd, anew=bool(flags & os.O_TRUNC))
            return original_os_open(target, flags, mode, dir_fd=dir_fd)

        for module in (builtins, io):
            self._replace(module, "open", open)
        self._replace(os, "open", os_open)
        for name in ("rename", "replace"):
            self._replace(os, name, self._renaming(getattr(os, name)))
        for name in ("unlink", "remove"):
            self._replace(os, name, self._removing(getattr(os, name)))
        for name in ("chmod", "utime", "truncate"):
            self._replace(os, name, self._changing(getattr(os, name)))
        for name in ("stat", "lstat", "access", "readlink"):
            self._replace(os, name, self._asking(getattr(os, name)))
        self._replace(os, "rmdir", self._removing_folder(os.rmdir))
        self._replace(os, "mkdir", self._making_folder(os.mkdir))
        self._replace(os, "symlink", self._linking(os.symlink))

    def end(self) -> list[str]:
        """Write as others do from now on. Returns the files, relative to the top, that came out
        otherwise than the worktree has them; also when it is asked again."""
        while self._before:
            setattr(*self._before.pop())
        for path, copy in sorted(self._copies.items()):
            if path in self.passing:
                if os.path.lexists(copy):  # here, it stays
                    self._put(path, copy)
            elif not fs.same_content(Path(path).resolve(), Path(copy)):
                self._differing.append(path.removeprefix(self.top))
        self._copies = {}
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        return self._differing

    def _replace(self, module: Any, name: str, function: Any) -> None:
        before = getattr(module, name)
        self._before.append((module, name, before))

        def both(*args: Any, **kwargs: Any) -> Any:
            # The Snakefile may have taken it out of its module.
            return (function if self._before else before)(*args, **kwargs)

        both.__name__ = name
        setattr(module, name, both)

    # ------------------------------------------------------------------ one path

    def _absolute(self, path: Any, dir_fd: int | None = None) -> str | None:
        """A path in the worktree, without links but for its last part; None: elsewhere."""
        if not isinstance(path, (str, bytes, os.PathLike)):
            return None
        name = os.fsdecode(path)
        if dir_fd is not None and dir_fd >= 0:
            name = os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), name)
        folder, last = os.path.split(os.path.abspath(name))
        absolute = os.path.join(os.path.realpath(folder), last)
        inside = absolute.startswith(self.top) or absolute in self.others
        return absolute if inside else None

    def _copy(self, absolute: str, *, filled: bool = True) -> str | None:
        """This process's copy of what nobody may write to; None: it is as free as it looks."""
        if absolute in self._copies:
            return self._copies[absolute]
        try:
            status = os.stat(absolute)
        except OSError:
            if absolute not in self.passing:
                return None
            self._copies[absolute] = copy = self._new(absolute)
            return copy
        is_free = status.st_mode & 0o222 and absolute not in self.others | self.passing
        if is_free or not stat.S_ISREG(status.st_mode):
            return None
        copy = self._new(absolute)
        if filled:
            fs.copy_writable(Path(absolute), Path(copy))
        self._copies[absolute] = copy
        return copy

    def _new(self, absolute: str) -> str:
        if not self._folder:
            self._folder = tempfile.mkdtemp(prefix="gitbatch-")
        return os.path.join(self._folder, f"{next(self._numbers)}-{os.path.basename(absolute)}")

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._before:
            return
        if event in _SEES_ALL:
            self._show("")
        elif event in _LISTS and (folder := self._listed(args[0])) is not None:
            self._show(f"{folder}/")

    def _listed(self, folder: Any) -> str | None:
        if isinstance(folder, int):
            folder = os.readlink(f"/proc/self/fd/{folder}")
        inside = os.path.join("." if folder is None else os.fsdecode(folder), "x")
        return None if (absolute := self._absolute(inside)) is None else os.path.dirname(absolute)

    def _show(self, before: str) -> None:
        """Have those passing files in the worktree that begin with `before`."""
        for path in [each for each in self._copies if each.startswith(before)]:
            if path in self.passing and os.path.lexists(self._copies[path]):
                self._put(path, self._copies.pop(path))

    def _put(self, path: str, copy: str) -> None:
        """By rename: others may be reading it."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = str(fs.temporary_beside(Path(path)))
        shutil.move(copy, temporary)
        _rename(temporary, path)

    def _opened(
        self, path: Any, writes: Any, dir_fd: int | None = None, *, anew: bool = False
    ) -> Any:
        """What to open in the place of `path`; `anew`: whatever it holds."""
        if not (writes or self._copies) or (absolute := self._absolute(path, dir_fd)) is None:
            return path
        if not writes:
            return self._copies.get(absolute, path)
        is_new = absolute not in self._copies
        if (copy := self._copy(absolute, filled=not anew)) is None:
            return path
        if is_new and anew:
            Path(copy).touch()
        if os.path.isfile(copy) and not os.path.islink(copy):  # with another file's mode, perhaps
            os.chmod(copy, 0o644)
        return copy

    def _inner(self, folder: str | None) -> list[str]:
        """Files below a folder of which this process has its own."""
        return [path for path in self._copies if path.startswith(f"{folder}/")]

    # ------------------------------------------------------------------ functions of os

    def _renaming(self, original: Callable[..., None]) -> Callable[..., None]:
        def rename(
            src: Any, dst: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
        ) -> None:
            absolute, before = self._absolute(dst, dst_dir_fd), self._absolute(src, src_dir_fd)
            if os.path.isdir(src) and (self._inner(absolute) or self._inner(before)):
                self._move_into(before or src, absolute or dst)
                return
            source = self._opened(src, True, src_dir_fd)
            moved = source if source is not src else before or src
            if absolute is not None and _is_same_link(moved, absolute):
                os.unlink(moved)
                return
            copy = None if absolute is None else self._copy(absolute, filled=False)
            if copy is None and source is src:
                original(src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
            else:
                shutil.move(moved, copy or absolute or dst)

        return rename

    def _move_into(self, folder: Any, to: Any) -> None:
        """File by file, where this process has its own of one of the two folders."""
        os.makedirs(to, exist_ok=True)
        for path in self._inner(folder):
            if os.path.lexists(self._copies[path]):
                os.rename(path, os.path.join(to, os.path.relpath(path, folder)))
        for inner, folders, files in os.walk(folder):
            there = os.path.join(to, os.path.relpath(inner, folder))
            for name in folders:
                os.makedirs(os.path.join(there, name), exist_ok=True)
            for name in files:
                os.rename(os.path.join(inner, name), os.path.normpath(os.path.join(there, name)))
        shutil.rmtree(folder)

    def _removing(self, original: Callable[..., None]) -> Callable[..., None]:
        def remove(path: Any, *, dir_fd: int | None = None) -> None:
            absolute = self._absolute(path, dir_fd)
            if absolute is not None and (copy := self._copy(absolute, filled=False)) is not None:
                if os.path.lexists(copy):
                    original(copy)
            else:
                original(path, dir_fd=dir_fd)

        return remove

    def _asking(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def ask(path: Any, *args: Any, **kwargs: Any) -> Any:
            # The name alone first: `_absolute` asks, too, and others ask all the time.
            is_path = bool(self._copies) and isinstance(path, (str, os.PathLike))
            if is_path and os.path.basename(os.fspath(path)) in self._passing_names:
                absolute = self._absolute(path, kwargs.get("dir_fd"))
                if absolute in self.passing and absolute in self._copies:
                    kwargs.pop("dir_fd", None)
                    return original(self._copies[absolute], *args, **kwargs)
            return original(path, *args, **kwargs)

        return ask

    def _removing_folder(self, original: Callable[..., None]) -> Callable[..., None]:
        def rmdir(path: Any, *, dir_fd: int | None = None) -> None:
            absolute = self._absolute(path, dir_fd)
            if absolute in self.passing:  # others may be about to use it
                return
            inner = self._inner(absolute)
            if not inner or any(os.path.lexists(self._copies[path]) for path in inner):
                original(path, dir_fd=dir_fd)

        return rmdir

    def _changing(self, original: Callable[..., None]) -> Callable[..., None]:
        def change(path: Any, *args: Any, **kwargs: Any) -> None:
            target = self._opened(path, True, kwargs.get("dir_fd"))
            original(target, *args, **({} if target is not path else kwargs))

        return change

    # Of two jobs that see at the same time that something is missing, both make it.

    def _making_folder(self, original: Callable[..., None]) -> Callable[..., None]:
        def mkdir(path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
            absolute = self._absolute(path, dir_fd)
            if absolute in self.passing and not os.path.lexists(path):
                self._copies.pop(absolute, None)
            try:
                original(path, mode, dir_fd=dir_fd)
            except FileExistsError:
                if absolute is None or not os.path.isdir(absolute):
                    raise

        return mkdir

    def _linking(self, original: Callable[..., None]) -> Callable[..., None]:
        def symlink(
            src: Any, dst: Any, target_is_directory: bool = False, *, dir_fd: int | None = None
        ) -> None:
            absolute = self._absolute(dst, dir_fd)
            if absolute in self.passing and (copy := self._copy(absolute)) is not None:
                original(src, copy)
                return
            try:
                original(src, dst, target_is_directory, dir_fd=dir_fd)
            except FileExistsError:
                if absolute is None or not os.path.islink(absolute):
                    raise
                if os.readlink(absolute) == os.fsdecode(src):
                    self._copies.pop(absolute, None)
                elif absolute not in self._copies:
                    raise

        return symlink


def _is_free(path: str) -> bool:
    """Whether nothing is there, or a file that anybody may write to."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return True
    return stat.S_ISREG(mode) and bool(mode & 0o222)


def _is_same_link(first: Any, second: str) -> bool:
    both_links = os.path.islink(first) and os.path.islink(second)
    return both_links and os.readlink(first) == os.readlink(second)


if __name__ == "__main__":
    from snakemake_executor_plugin_gitbatch.snakemake_internals import job_process

    _overlay = Overlay(Path(sys.argv.pop(1)))
    _overlay.begin()
    try:
        job_process.run(sys.argv[1:])
    finally:
        _overlay.end()
