"""Pointers of Git LFS and git-annex: a short text in git that names, by its hash, a content that
lies elsewhere in the repository. Neither program is needed, nor the network, to find it there.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gitbatch_core.archive.layout import MTIME_NS
from gitbatch_core.git import index, objects
from gitbatch_core.git.repository import Repository, call, decode

LFS, ANNEX = "lfs", "annex"
FILTERS = (LFS, ANNEX)
"""What attributes call the filters that make and resolve pointers."""
UNRESOLVED = tuple(
    word
    for name in FILTERS
    for key, value in (("process", ""), ("smudge", ""), ("clean", ""), ("required", "false"))
    for word in ("-c", f"filter.{name}.{key}={value}")
)
"""Options of git with which pointers come out, and go in, as they are."""
CONTENTS = "/annex/objects/"
"""Stands in the path of what a locked file of git-annex leads to."""
LONGEST = 32 * 1024
"""Bytes of a pointer."""

_LFS = re.compile(rb"version https://(?:git-lfs|hawser)\.github\.com/spec/")
_LFS_CONTENT = re.compile(rb"\noid sha256:([0-9a-f]+)\nsize (\d+)\n")
_ANNEX = re.compile(rb"/annex/objects/([^\n/]+)(?:\n|$)")
_ANNEX_SIZE = re.compile(r"^[A-Z0-9_]+(?:-[a-zA-Z]\d+)*?-s(\d+)(?:-|$)")
_ESCAPES = {"&s": "%", "&c": ":", "&a": "&", "%": "/"}
_LETTERS = "0123456789zqjxkmvwgpfZQJXKMVWGPF"

_OF_PATTERNS = r"[][*?\\,!{}]"


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """What a pointer says."""

    tool: str
    """The filter: one of FILTERS."""
    key: str
    """LFS: the SHA-256 of the content; git-annex: the name of its file."""
    size: int | None
    """Of the content; None where that is not known."""

    @property
    def name(self) -> str:
        """What messages call it."""
        return "a Git LFS pointer" if self.tool == LFS else "a git-annex pointer"

    def fetch(self, path: str) -> str:
        """The command of git that fetches the content of the pointer at `path`, for a shell."""
        if self.tool == LFS:  # which takes patterns, with commas between them
            return f"lfs pull --include {shlex.quote(re.sub(_OF_PATTERNS, '?', path))}"
        return f"annex get {shlex.quote(path)}"


def parse(data: bytes) -> Pointer | None:
    """The pointer that these bytes of a file are; None: they are its content."""
    if _LFS.match(data):
        # With extensions, what is kept is not yet the content.
        if b"\next-" in data or (content := _LFS_CONTENT.search(data)) is None:
            return Pointer(tool=LFS, key="", size=None)
        return Pointer(tool=LFS, key=content[1].decode(), size=int(content[2]))
    if match := _ANNEX.match(data):
        key = decode(match[1])
        size = _ANNEX_SIZE.match(key)
        return Pointer(tool=ANNEX, key=key, size=int(size[1]) if size else None)
    return None


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Where a repository has what pointers name."""

    lfs: tuple[Path, ...]
    annex: Path

    @classmethod
    def of(cls, repository: Repository) -> Contents:
        """Its own folders, and those of the repositories that it borrows objects from."""
        common = repository.common_dir
        lfs = [common / (repository.config("lfs.storage") or "lfs")]
        alternates = common / "objects/info/alternates"
        if alternates.is_file():
            lines = alternates.read_text(errors="surrogateescape").splitlines()
            lfs += [(common / "objects" / line).parent / "lfs" for line in lines]
        return cls(
            lfs=tuple(folder / "objects" for folder in lfs), annex=common / "annex" / "objects"
        )

    def find(self, pointer: Pointer) -> Path | None:
        """The file that has the content, if there is one."""
        key = pointer.key
        if pointer.tool == LFS:
            paths = [folder / key[:2] / key[2:4] / key for folder in self.lfs]
        else:
            paths = [self.annex / folder / key / key for folder in _folders(key)]
        for path in paths:
            if path.is_file() and pointer.size in (None, path.stat().st_size):
                return path
        return None


def _folders(key: str) -> tuple[str, ...]:
    """git-annex has two ways to spread objects over folders, each in two levels or in one."""
    unescaped = re.sub("&[sca]|%", lambda match: _ESCAPES[match[0]], key)
    digest = hashlib.md5(unescaped.encode(errors="surrogateescape"), usedforsecurity=False)
    word, lower = int.from_bytes(digest.digest()[:4], "little"), digest.hexdigest()
    a, b, c, d = (_LETTERS[word >> 6 * n & 31] for n in range(4))
    return f"{b}{a}/{d}{c}", f"{lower[:3]}/{lower[3:6]}", f"{b}{a}", lower[:3]


def resolve(
    repository: Repository, top: Path, paths: Iterable[str], *, mirror: bool, mode: int
) -> None:
    """Replace each pointer among these files of the work tree `top` by its content, if the
    repository has it. Otherwise make the file unreadable: a pointer in the place of data is an
    error that may go unnoticed. To git, all these files are unchanged. With `mirror`, the user's
    own work tree decides: where it has the pointer, too, the pointer stays; where only the user's
    folder has the content, it comes from there."""
    contents, done = Contents.of(repository), b""
    for path in paths:
        place, here = top / path, repository.top / path
        if (pointer := pointer_at(place)) is None:
            continue
        if mirror and (is_withheld(here) or pointer_at(here) == pointer):
            source = None
        else:
            source = contents.find(pointer)
            if mirror and source is None and _is_content(here, pointer):
                source = here
        executable = stat.S_IMODE(place.lstat().st_mode) & 0o111
        if source is None:
            place.chmod(0)
        else:
            place.unlink()
            shutil.copyfile(source, place)
            place.chmod(mode | executable)
            os.utime(place, ns=(MTIME_NS, MTIME_NS))
        done += os.fsencode(path) + b"\0"
    if done:
        call(top, "update-index", "--assume-unchanged", "-z", "--stdin", input=done)


def pointer_at(path: Path) -> Pointer | None:
    """The pointer in a regular file that is there and small enough."""
    try:
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and status.st_size <= LONGEST:
            with path.open("rb") as file:
                return parse(file.read())
    except OSError:
        pass
    return None


def _is_content(path: Path, pointer: Pointer) -> bool:
    """Whether a file of the user's has the bytes that the pointer names."""
    try:
        if pointer.tool != LFS or path.stat().st_size != pointer.size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == pointer.key
    except OSError:
        return False


def resolved(
    repository: Repository, top: Path, env: Mapping[str, str] | None = None
) -> dict[str, Pointer]:
    """The files that `resolve` has looked after in the work tree `top` of the repository, with git
    in the environment `env`."""
    flagged = {each.path: each.blob for each in index.entries(top, env) if each.tag == "h"}
    blobs = objects.contents(repository, flagged.values())
    pointers = {path: parse(blobs[blob]) for path, blob in flagged.items() if blob in blobs}
    return {path: each for path, each in pointers.items() if each}


def is_put(path: Path, pointer: Pointer) -> bool:
    """Whether a file is the content of the pointer as `resolve` has put it there."""
    try:
        status = path.lstat()
    except OSError:
        return False
    is_old = stat.S_ISREG(status.st_mode) and status.st_mtime_ns == MTIME_NS
    return is_old and pointer.size in (None, status.st_size)


def is_withheld(path: Path) -> bool:
    """Whether a file is a pointer that nobody can read, as its content is not there."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) == 0
