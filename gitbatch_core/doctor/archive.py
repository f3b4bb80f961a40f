"""Checks of the archive: its folders, and whether their file system supports what publishing
needs."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core import fs
from gitbatch_core.archive import layout
from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import GitbatchError
from gitbatch_core.model.check import Check, failed, fine, wrong
from gitbatch_core.run import archive_location
from gitbatch_core.wording import human_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitbatch_core.git.repository import Repository

_LEAST_FREE = 1_000_000_000
"""Bytes; with less, a run is likely to fail."""
_LEAST_INODES = 10_000
_MOST_SKEW_S = 1.0
"""Snakemake compares times of files; those of a server may be another clock's."""
_SLOW_FLUSH_S = 1.0


def checks(
    repository: Repository | None, chosen: Path | None, worktrees: Path | None
) -> Iterator[Check]:
    """Check the archive of `repository`, otherwise the one that `chosen` or the environment names.
    Leaves nothing behind."""
    named = chosen or _from_environment()
    if repository is not None:
        root = archive_location.chosen_place(repository, chosen)
        yield from _link(repository, root)
    elif named is None:
        return
    else:
        root = named.expanduser().absolute()
    embedded = repository is not None and root == archive_location.embedded(repository)
    if embedded and not os.path.lexists(root):
        assert repository is not None
        yield fine("archive", f"none yet; the first run or `gitbatch init` makes it: {root}")
        where = repository.common_dir
    else:
        try:
            archive = Archive.open(root)
        except GitbatchError as error:
            yield failed("archive", error)
            return
        yield fine("archive", f"{root}, {archive.algorithm}, id {archive.id}")
        where = root / layout.STAGING
        yield from _folders(root)
    yield from _file_system(where)
    yield _room(where)
    yield _mount(where)
    tree = worktrees or (repository.top if repository is not None and embedded else root)
    yield _beside(where, tree)


def _from_environment() -> Path | None:
    named = os.environ.get(archive_location.ENVIRONMENT_VARIABLE)
    return Path(named) if named else None


def _link(repository: Repository, root: Path) -> Iterator[Check]:
    path = repository.top / ".gitbatch" / "archive"
    if path.is_symlink():
        if path.resolve() != root.resolve():
            yield fine("link", f"{path} leads elsewhere; the next run makes it anew")
    elif os.path.lexists(path):
        yield wrong(
            "link",
            f"{path} is no symbolic link",
            "The link to the archive belongs there: move away what lies in its place.",
        )


def _folders(root: Path) -> Iterator[Check]:
    """Whether all parts of the archive are there, writable, on one file system."""
    devices = {}
    for name in (layout.OBJECTS, layout.MANIFESTS, layout.RECORDS, layout.STAGING):
        folder = root / name
        try:
            devices[name] = folder.stat().st_dev
        except OSError as error:
            yield wrong("archive", f"{folder}: {error.strerror}", "`gitbatch init` makes it again.")
            continue
        if not os.access(folder, os.W_OK | os.X_OK):
            yield wrong(
                "archive",
                f"{folder} cannot be written by you",
                "Ask the owner of the archive for permission (group, set-group-id folders), or "
                "remount its file system writable. Reading works.",
            )
    if len(set(devices.values())) > 1:
        yield wrong(
            "archive",
            f"the folders of {root} lie on different file systems",
            "Objects get their names by renaming: all of it must be on one.",
        )


def _file_system(where: Path) -> Iterator[Check]:
    """Try what publishing does, in a folder of our own."""
    check = "file system"
    problems: list[tuple[str, str]] = []
    began = time.time()
    try:
        with tempfile.TemporaryDirectory(prefix="doctor-", dir=where) as name:
            folder = Path(name)
            before = time.time()
            path = folder / "file"
            path.write_bytes(b"x")
            skew = path.stat().st_mtime - before
            late = time.time() - before
            flushed = _flush(path)
            path.chmod(0o555)
            if stat.S_IMODE(path.stat().st_mode) != 0o555:
                problems.append(("modes of files are not kept", "Choose a file system with them."))
            path.chmod(0o444)
            if os.geteuid() != 0 and os.access(path, os.W_OK):
                problems.append(("read-only files can be written", "Mount it with permissions."))
            path.rename(folder / "renamed")
            (folder / "link").symlink_to("renamed")
            if (folder / "link").read_bytes() != b"x":
                problems.append(("links do not lead to their files", "Choose another one."))
            if not -_MOST_SKEW_S < skew < _MOST_SKEW_S + late:
                clock = (
                    f"its clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} ours"
                )
                problems.append((clock, "Synchronise both by NTP: Snakemake compares times."))
            if flushed > _SLOW_FLUSH_S:
                problems.append((f"a flush takes {flushed:.1f} s", "Every job waits for two."))
    except OSError as error:
        text = f"{where}: {error.strerror}"
        hint = {28: "Free space there.", 122: "Your quota is used up: free space there."}
        yield wrong(check, text, hint.get(error.errno or 0, "An archive needs this to work."))
        return
    for text, what in problems:
        yield wrong(check, f"{where}: {text}", what)
    if not problems:
        took = time.time() - began
        yield fine(check, f"write, flush, read-only, rename, link: {1000 * took:.0f} ms")


def _flush(path: Path) -> float:
    began = time.monotonic()
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fs.sync_folder(path.parent)
    return time.monotonic() - began


def _room(where: Path) -> Check:
    room = os.statvfs(where)
    free = room.f_bavail * room.f_frsize
    text = human_size(free)
    if room.f_files:  # some file systems have no such limit
        text += f" and {room.f_favail} files"
    if free < _LEAST_FREE or (room.f_files and room.f_favail < _LEAST_INODES):
        hint = "Make room, or choose another archive: gitbatch init --archive DIR"
        return wrong("room", f"{where} has only {text} left", hint)
    return fine("room", f"{text} left")


def _mount(where: Path) -> Check:
    """What kind of file system it is; what is known to be bad about how it is mounted."""
    kind, options = _mounted(where)
    check = "mount"
    if not kind.startswith("nfs"):
        return fine(check, kind)
    if "soft" in options:
        hint = "Mount it `hard`: with `soft`, a write that times out is lost."
        return wrong(check, f"{kind}, {','.join(options)}", hint)
    caches = [option for option in options if option.startswith(("ac", "noac", "lookupcache"))]
    text = f"{kind}; other machines may see what is new up to a minute late"
    return fine(check, text + (f" ({','.join(caches)})" if caches else ""))


def _mounted(where: Path) -> tuple[str, list[str]]:
    """Type and options of the file system that `where` lies on."""
    device = os.stat(where).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text(errors="replace").splitlines():
            before, _, after = line.partition(" - ")
            if before.split()[2] == wanted:
                kind, _, options = after.split()[:3]
                return kind, [*before.split()[5].split(","), *options.split(",")]
    return "a file system that this machine does not name", []


def _beside(where: Path, worktrees: Path) -> Check:
    """Whether worktrees lie on the archive's file system, so that keeping outputs is a rename."""
    check = "worktrees"
    folder = worktrees.expanduser().absolute()
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        return wrong(check, f"{folder} cannot be written", "Choose another --worktrees.")
    if folder.stat().st_dev != where.stat().st_dev:
        hint = "Each output is copied instead of renamed: choose a folder beside the archive."
        return wrong(check, f"{worktrees} is not on the archive's file system", hint)
    return fine(check, "on the archive's file system: outputs are renamed, not copied")
