"""Freeze: move files of a work tree into the archive, and put links in their places. Thaw: the
reverse."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitbatch_core import fs
from gitbatch_core.archive import hashing, layout, links, manifests
from gitbatch_core.archive.ingested import Take
from gitbatch_core.errors import ArchiveError, DamageError, GitbatchError, InUseError, UsageError
from gitbatch_core.wording import typed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from gitbatch_core.archive.ingested import Stored
    from gitbatch_core.archive.layout import Address, ObjectName
    from gitbatch_core.archive.store import Archive

Progress = Callable[[int], object]
"""Called with the bytes of each file that is done."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Frozen:
    """A path that is in the archive now."""

    path: Path
    """As it was given."""
    address: Address
    folder: bool
    size: int
    """Bytes, of all members for a folder."""
    files: int
    """How many files were stored for it; 0 where all were links already."""


@dataclass(kw_only=True)
class _Plan:
    path: Path
    place: Path
    """With its folder resolved."""
    object: ObjectName | None = None
    """What it leads to, where it is frozen already."""
    files: list[Path] = field(default_factory=list)
    members: list[manifests.Scanned] | None = None
    """Of a folder."""


def freeze(
    archive: Archive,
    top: Path,
    paths: Sequence[Path],
    *,
    copy: bool = False,
    progress: Progress | None = None,
) -> list[Frozen]:
    """Put files and folders below the work tree `top` into the archive, links in their places.

    A link takes the mtime of what it replaces. A folder stays a real folder; links in it that are
    frozen already, relative links that stay inside and dangling links are kept. With `copy` the
    work tree is left alone. All paths are checked before anything changes. Raises UsageError for
    paths that cannot be frozen, InUseError for files that are open for writing or change, and
    ArchiveError. Every file is then either what it was or frozen, and the error says which; doing
    it again goes on from there.
    """
    plans = [_plan(archive, top, path) for path in paths]
    files = list(dict.fromkeys(file for plan in plans for file in plan.files))
    if not copy:
        _check_writable(files)
    times = {folder: folder.stat() for plan in plans for folder in _folders(plan)}
    stored: dict[Path, Stored] = {}
    stuck: list[Path] = []
    try:
        take = Take.COPY if copy else Take.SHARE
        for batch in archive.put_batches(files, take=take, strict=True):
            if copy:
                stored.update((one.source, one) for one in batch)
            else:
                _place_links(archive, top, batch, stored, stuck)
            if progress:
                for one in batch:
                    progress(one.size)
    except GitbatchError as error:
        error.hint = _say_which(error.hint, [] if copy else list(stored), files, "frozen", stuck)
        raise
    finally:
        _restore_times(times)
    return [_result(archive, plan, stored) for plan in plans]


def thaw(
    archive: Archive, top: Path, paths: Sequence[Path], *, progress: Progress | None = None
) -> list[Path]:
    """Put writable copies in the places of links, or of the links in folders; the paths of these.

    A copy has the mtime of its link, mode 0644 or 0755, and was checked against the address. All
    paths are checked before anything changes. Raises UsageError for what is not frozen, DamageError
    where an object has other bytes than its name says, ArchiveError. A link is then either still
    there or a complete file.
    """
    names: dict[Path, ObjectName] = {}
    folders: list[Path] = []
    for path in paths:
        place = _place(archive, top, path)
        links = dict(_frozen_in(archive, place))
        if not links:
            raise UsageError(f"{path} is not frozen: it is no link into the archive.")
        names.update(links)
        folders.extend({link.parent for link in links} if place.is_dir() else ())
    _check_writable(names)
    times = {folder: folder.stat() for folder in folders}
    done: list[Path] = []
    try:
        for link, name in names.items():
            _thaw_one(archive, link, name)
            done.append(link)
            if progress:
                progress(archive.size(name))
    except GitbatchError as error:
        error.hint = _say_which(error.hint, done, names, "thawed")
        raise
    finally:
        _restore_times(times)
    return done


def _plan(archive: Archive, top: Path, path: Path) -> _Plan:
    place = _place(archive, top, path)
    plan = _Plan(path=path, place=place)
    try:
        if place.is_symlink():
            plan.object = archive.object_at(place)
            if plan.object is None:
                plan.files = [_linked_file(path, place)]
        elif place.is_dir():
            plan.members = list(manifests.scan(str(place), archive.object_at))
            plan.files = [place / member.path for member in plan.members if member.file]
            for member in plan.members:
                if ".git" in member.path.split("/"):
                    raise UsageError(f"{path} contains a git repository, which cannot be frozen.")
        elif place.is_file():
            plan.files = [place]
        else:
            raise manifests.special_file_error(str(path), place.lstat().st_mode)
    except OSError as error:
        raise ArchiveError(f"Cannot read {error.filename or path}: {error.strerror}.") from error
    return plan


def _linked_file(path: Path, place: Path) -> Path:
    try:
        mode = place.stat().st_mode
    except OSError as error:
        raise UsageError(f"{path} is a dangling link.") from error
    if stat.S_ISDIR(mode):
        raise UsageError(
            f"{path} is a link to a folder.",
            hint=f"Name the files in it: gitbatch freeze {typed(path)}/*",
        )
    if not stat.S_ISREG(mode):
        raise manifests.special_file_error(str(path), mode)
    return place


def _place(archive: Archive, top: Path, path: Path) -> Path:
    """Where `path` lies, with its folder resolved but not itself; checks that it may be touched. By
    way of a linked folder of the work tree that may be elsewhere."""
    itself = path.name in ("", "..")
    place = path.resolve() if itself else path.parent.resolve() / path.name
    real_top = top.resolve()
    inside = place.is_relative_to(real_top)
    named_inside = ".." not in path.parts and path.absolute().is_relative_to(real_top)
    if place == real_top or not (inside or named_inside):
        raise UsageError(
            f"{path} is not in the work tree {top}.",
            hint="Only files in the repository can be frozen: copy it there first.",
        )
    if not os.path.lexists(place):
        raise UsageError(f"There is no file or folder {path}.")
    parts = place.relative_to(real_top).parts if inside else place.parts
    if {".git", ".gitbatch"} & set(parts) or place.is_relative_to(archive.root.resolve()):
        raise UsageError(f"{path} belongs to git or gitbatch and cannot be frozen.")
    return place


def _folders(plan: _Plan) -> set[Path]:
    """The folders of a planned folder whose times change when links are put into them."""
    return {file.parent for file in plan.files} if plan.members is not None else set()


def _restore_times(times: dict[Path, os.stat_result]) -> None:
    for folder, before in times.items():
        os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))


def _check_writable(paths: Iterable[Path]) -> None:
    for folder in {path.parent for path in paths}:
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UsageError(
                f"The folder {folder} is not writable, so files in it cannot be replaced by links.",
                hint=f"Make it writable: chmod u+w {typed(folder)}",
            )


def _place_links(
    archive: Archive,
    top: Path,
    batch: Iterable[Stored],
    done: dict[Path, Stored],
    stuck: list[Path],
) -> None:
    """Replace all sources by links, also where one fails or Ctrl-C comes; then the first error.
    Adds to `done` what is a link now; the rest is what it was, but for what is `stuck`."""
    failure: BaseException | None = None
    for stored in batch:
        try:
            _check_same(stored)
            links.place_link(stored.source, stored.name, top=top, mtime_ns=stored.mtime_ns)
        except BaseException as error:
            failure = failure or error
            if not archive.take_back(stored):
                stuck.append(stored.source)
        else:
            done[stored.source] = stored
    if failure is not None:
        raise failure


def _check_same(stored: Stored) -> None:
    # A file that became an object has the objects' mtime, and is read-only.
    if stored.source.lstat().st_mtime_ns not in (stored.mtime_ns, layout.MTIME_NS):
        raise InUseError(
            f"{stored.source} changed while it was being frozen. It was left as it is."
        )


def _result(archive: Archive, plan: _Plan, stored: dict[Path, Stored]) -> Frozen:
    if plan.members is None:
        name = plan.object or stored[plan.place].name
        address, size = name.address, archive.size(name)
    else:
        entries = []
        for member in plan.members:
            one = stored.get(plan.place / member.path)
            entries.append(
                archive.entry(member, one.name, one.size) if one else archive.entry(member)
            )
        address, _ = archive.put_entries(entries)
        size = sum(entry.size for entry in entries)
    return Frozen(
        path=plan.path,
        address=address,
        folder=plan.members is not None,
        size=size,
        files=len(plan.files),
    )


def _frozen_in(archive: Archive, place: Path) -> Iterable[tuple[Path, ObjectName]]:
    """The links into the archive at or below `place`. In a folder, links that lead there through
    another link of the work tree are no copies of their own, and stay."""
    try:
        if place.is_symlink():
            if name := archive.object_at(place):
                yield place, name
        elif place.is_dir():
            for item in manifests.scan(str(place), archive.object_at):
                link = place / item.path
                if item.object is not None and _leads_itself(link):
                    yield link, item.object
    except OSError as error:
        raise ArchiveError(f"Cannot read {error.filename}: {error.strerror}.") from error


def _leads_itself(link: Path) -> bool:
    text = str(link.readlink())
    return text.startswith("/") or links.linked_object(text) is not None


def _thaw_one(archive: Archive, link: Path, name: ObjectName) -> None:
    hasher = hashing.new(archive.algorithm)

    def check() -> None:
        if hasher.hexdigest() != name.digest:
            raise DamageError(
                f"The object {name.path} in the archive {archive.root} is damaged.",
                hint=f"`gitbatch archive verify --repair --archive {typed(archive.root)}` moves it "
                "aside. Then make it again.",
            )

    try:
        fs.copy_file(
            archive.path(name),
            link,
            mode=0o755 if name.executable else 0o644,
            mtime_ns=link.lstat().st_mtime_ns,
            update=hasher.update,
            check=check,
        )
    except OSError as error:
        raise ArchiveError(f"Cannot thaw {link}: {error.strerror}.") from error


def _say_which(
    hint: str | None,
    done: Sequence[Path],
    planned: Iterable[Path],
    what: str,
    stuck: Sequence[Path] = (),
) -> str | None:
    total = len(list(planned))
    if total <= 1 and not stuck:
        return hint

    def few(paths: Sequence[Path]) -> str:
        return f" ({', '.join(map(str, paths[:5]))}{' ...' if len(paths) > 5 else ''})"

    text = f"{len(done)} of {total} files were {what}" + (few(done) if done else "")
    text += "; the others are unchanged"
    if stuck:
        text += f", but {len(stuck)} are read-only for now{few(stuck)}"
    text += ". Run the same command again to continue."
    return f"{hint}\n{text}" if hint else text
