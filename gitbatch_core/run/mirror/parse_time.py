"""Files that the workflow writes while it is read: neither in the commit nor made by a job, but
read by jobs.

Their bytes are archived; jobs have a copy that nobody writes to. See docs/adr/0021.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from gitbatch_core import fs, snakemake_files
from gitbatch_core.archive.layout import Address
from gitbatch_core.archive.store import Take
from gitbatch_core.errors import FormatError
from gitbatch_core.git.repository import Repository
from gitbatch_core.model import documents
from gitbatch_core.run.mirror.paths import Mirror

_OF_OTHERS = re.compile(
    rf"/\.git/|^/\.gitbatch/|/__pycache__/|/{snakemake_files.WRITTEN}|/\.gitbatch-[^/]*\.tmp/$"
)
"""What git, Python, Snakemake and we write."""
_FORMAT, _VERSION = "gitbatch-parse-time", 1
_MOST_COPIED = 1 << 26
"""Bytes; what is larger is no text that names folders."""
_PATH_ENDS = rb"(?![\w.+-])"


def inside(top: Path, paths: Iterable[str]) -> list[str]:
    """Of these absolute paths, those in the repository that the workflow may have written for jobs,
    relative to the top."""
    before = f"{top}/"
    relatives = (path[len(before) :] for path in map(_real, paths) if path.startswith(before))
    return [path for path in dict.fromkeys(relatives) if not _OF_OTHERS.search(f"/{path}/")]


def bring(
    mirror: Mirror, relatives: Iterable[str], is_secret: Callable[[Path], bool]
) -> frozenset[str]:
    """Give the worktree what the user's folder has at these paths: files, links, folders. Returns
    the files that have secrets in them, which are not brought. Raises ArchiveError, OSError."""
    files, secret = [], set()
    for relative in relatives:
        here, there = mirror.top / relative, mirror.worktree / relative
        if relative in mirror.tracked or relative in mirror.addresses:
            continue
        if here.is_symlink():
            if not there.is_symlink():
                mirror.replace(there, _linked(os.readlink(here), mirror))
            mirror.note_time(relative, here.lstat().st_mtime_ns)
        elif here.is_dir():
            there.mkdir(parents=True, exist_ok=True)
        elif here.is_file():
            if is_secret(here):
                secret.add(relative)
            else:
                files.append(here)
    for stored in mirror.archive.put(files, take=Take.COPY):
        relative = str(stored.source.relative_to(mirror.top))
        there, mode = mirror.worktree / relative, stored.source.stat().st_mode
        if stored.size > _MOST_COPIED:
            mirror.link(there, stored.name, stored.mtime_ns)
        else:
            data = _as_there(mirror.archive.path(stored.name).read_bytes(), mirror)
            _place(there, data, mode, stored.mtime_ns)
        mirror.note_placed(relative)
        mirror.note_parse_time(relative, str(stored.address))
        # To Snakemake, what is made of it must not look older.
        mirror.note_time(relative, stored.mtime_ns)
    return frozenset(secret)


def is_the_same(mirror: Mirror, relative: str) -> bool:
    """Whether the worktree has a file of its own at this path, and the user's folder the same."""
    here, there = mirror.top / relative, mirror.worktree / relative
    try:
        if not all(stat.S_ISREG(path.lstat().st_mode) for path in (here, there)):
            return False
        if here.stat().st_size > _MOST_COPIED:
            return fs.same_content(here, there)
        return there.read_bytes() == _as_there(here.read_bytes(), mirror)
    except OSError:
        return False


def original(mirror: Mirror, path: str) -> Path:
    """Where the bytes are that jobs see at `path`. For files that the workflow has written, those
    that are recorded: in the worktree, they contain its path instead of the folder's."""
    relative = mirror.relative(path)
    if relative is None or (address := mirror.parse_time.get(relative)) is None:
        return mirror.there(path)
    return mirror.archive.path(mirror.archive.find(Address.parse(address)))


def recall(repository: Repository) -> list[str]:
    """What the latest run that took anything has taken, relative to the top."""
    try:
        paths = documents.read(_memory(repository), format=_FORMAT, version=_VERSION)["paths"]
    except (FormatError, OSError, KeyError):
        return []
    return list(map(str, paths))


def remember(repository: Repository, paths: Iterable[str]) -> None:
    """For `recall`. Raises OSError."""
    memory, relatives = _memory(repository), sorted(paths)
    if relatives or memory.exists():
        documents.write(memory, {"format": _FORMAT, "version": _VERSION, "paths": relatives})


def _memory(repository: Repository) -> Path:
    return repository.common_dir / "gitbatch" / "parse-time.json"


def _as_there(data: bytes, mirror: Mirror) -> bytes:
    """What the workflow would have written in the worktree: with its path for the folder's."""
    top, worktree = os.fsencode(mirror.top), os.fsencode(mirror.worktree)
    return re.sub(re.escape(top) + _PATH_ENDS, lambda _: worktree, data) if top in data else data


def _linked(text: str, mirror: Mirror) -> Callable[[Path], None]:
    target = os.fsdecode(_as_there(os.fsencode(text), mirror))
    return lambda place: os.symlink(target, place)


def _place(path: Path, data: bytes, mode: int, mtime_ns: int) -> None:
    """By rename: where a run goes on, jobs of it are at work."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fs.replace_with_bytes(path, data, mode=mode & 0o555, mtime_ns=mtime_ns)


def _real(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)
