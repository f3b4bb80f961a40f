r"""Manifests: the canonical text of a folder, whose digest is the tree's address.

    gitbatch-manifest 1
    TYPE <TAB> X <TAB> SIZE <TAB> DIGEST <TAB> PATH

TYPE is `f` (file), `l` (symbolic link) or `d` (empty folder; the others follow from the paths).
X is `x` for an executable file, else `-`. SIZE is in bytes, 0 for `l` and `d`. DIGEST is that of
the file, without algorithm; the target for `l`; `-` for `d`. Paths and targets are raw bytes, in
which only backslash, newline, tab and carriage return are escaped (`\\`, `\n`, `\t`, `\r`). Lines
are sorted bytewise by the raw path. The parser admits exactly the canonical form, so that equal
folders have equal addresses and a manifest cannot lead out of its folder.
"""

# Raw names and link texts: strings, not Path, which normalises.

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gitbatch_core import snakemake_files
from gitbatch_core.archive import hashing
from gitbatch_core.archive.layout import DIGEST_LENGTHS, Address, ObjectName, linked_object
from gitbatch_core.errors import ArchiveError, FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

HEADER = b"gitbatch-manifest 1\n"
IGNORED = snakemake_files.TIMESTAMP
"""Snakemake's own file in output folders; never part of a tree."""

Kind = Literal["f", "l", "d"]

_ESCAPES = {b"\\": b"\\\\", b"\n": b"\\n", b"\t": b"\\t", b"\r": b"\\r"}
_UNESCAPES = {escape: raw for raw, escape in _ESCAPES.items()}
_SPECIAL = re.compile(rb"[\\\n\t\r]")
_ESCAPED = re.compile(rb"\\.?", re.DOTALL)
_SIZE = re.compile(rb"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of a manifest. Names that are not UTF-8 are kept as os.fsdecode gives them."""

    kind: Kind
    path: str
    """Relative to the folder, with `/`."""
    executable: bool = False
    size: int = 0
    """Bytes of a file; 0 for others."""
    digest: str = ""
    """Of a file; empty for others."""
    target: str = ""
    """The text of a link; empty for others."""


def dump(entries: Iterable[Entry]) -> bytes:
    """The canonical manifest of these entries, in any order. Raises FormatError."""
    ordered = sorted(entries, key=lambda entry: os.fsencode(entry.path))
    data = HEADER + b"".join(_line(entry) for entry in ordered)
    parse(data)
    return data


def parse(data: bytes, *, source: str = "manifest") -> tuple[Entry, ...]:
    """The entries of a manifest. Raises FormatError, naming `source`, where it is not canonical."""
    if not data.startswith(HEADER):
        raise FormatError(f"{source} is not a manifest of version 1.")
    if not data.endswith(b"\n"):
        raise FormatError(f"{source} is truncated.")
    entries = []
    seen: set[bytes] = set()
    last = b""
    for number, line in enumerate(data[len(HEADER) :].split(b"\n")[:-1], start=2):
        try:
            raw, entry = _parse_line(line)
            if raw <= last:
                raise ValueError("not sorted, or a duplicate path")
            if any(raw[:end] in seen for end in _slashes(raw)):
                raise ValueError("a path goes through a file, a link or an empty folder")
        except (ValueError, FormatError) as error:
            raise FormatError(f"{source}, line {number}: {error}.") from error
        seen.add(raw)
        last = raw
        entries.append(entry)
    return tuple(entries)


def address(entries: Iterable[Entry], algorithm: str) -> Address:
    """The address of the tree with these entries. Raises FormatError."""
    return hashing.hash_bytes(dump(entries), algorithm)


def escape(raw: bytes) -> bytes:
    """`raw` without newlines, tabs and carriage returns. `unescape` is the way back."""
    return _SPECIAL.sub(lambda match: _ESCAPES[match[0]], raw)


def unescape(text: bytes) -> bytes:
    """The raw bytes. Raises ValueError for an escape that is none."""

    def replace(match: re.Match[bytes]) -> bytes:
        raw = _UNESCAPES.get(match[0])
        if raw is None:
            raise ValueError(f"unknown escape {match[0]!r}")
        return raw

    if b"\r" in text or b"\t" in text or b"\n" in text:
        raise ValueError("a control character that must be escaped")
    return _ESCAPED.sub(replace, text)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scanned:
    """What `scan` met in a folder: exactly one of the four is set, or none for an empty folder."""

    path: str
    """Relative to the folder."""
    file: bool = False
    """A regular file, or a link to one that must be copied."""
    object: ObjectName | None = None
    """A link into an archive."""
    target: str | None = None
    """The text of a link that is kept as it is."""


def scan(folder: str, object_at: Callable[[str], ObjectName | None]) -> Iterator[Scanned]:
    """All that a tree of this folder is made of, in no particular order.

    `object_at` says which object the link at a path leads to, None for other links. Relative links
    that stay inside the folder are kept, and so are dangling ones. Raises ArchiveError for what
    no tree can hold (links to folders outside, fifos, sockets, devices), OSError for what cannot
    be read.
    """
    top = os.path.realpath(folder)
    waiting = [""]
    while waiting:
        inner = waiting.pop()
        empty = True
        with os.scandir(os.path.join(folder, inner) if inner else folder) as items:
            for item in items:
                if item.name == IGNORED:
                    continue
                empty = False
                path = f"{inner}/{item.name}" if inner else item.name
                if item.is_symlink():
                    yield _link(top, path, item.path, object_at)
                elif item.is_dir():
                    waiting.append(path)
                elif item.is_file():
                    yield Scanned(path=path, file=True)
                else:
                    raise special_file_error(item.path, item.stat(follow_symlinks=False).st_mode)
        if empty and inner:
            yield Scanned(path=inner)


def special_file_error(path: str, mode: int) -> ArchiveError:
    """The error for a file that has no bytes to keep; `mode` as in stat."""
    kinds = {stat.S_IFIFO: "a fifo", stat.S_IFSOCK: "a socket", stat.S_IFBLK: "a device"}
    kind = kinds.get(stat.S_IFMT(mode), "a device")
    return ArchiveError(
        f"{path} is {kind}, which an archive cannot store.",
        hint="Only files, folders and symbolic links can be stored.",
    )


def _link(
    top: str, path: str, place: str, object_at: Callable[[str], ObjectName | None]
) -> Scanned:
    target = os.readlink(place)
    foreign = linked_object(target) is None
    if foreign and not target.startswith("/") and _stays_inside(top, path, target):
        return Scanned(path=path, target=target)
    if (name := object_at(place)) is not None:
        return Scanned(path=path, object=name)
    try:
        mode = os.stat(place).st_mode
    except OSError:  # dangling, or a circle
        return Scanned(path=path, target=target)
    if stat.S_ISDIR(mode):
        raise ArchiveError(
            f"{place} is a link to a folder outside the stored folder: {target}.",
            hint="Put the folder itself there, or use a relative link that stays inside.",
        )
    if not stat.S_ISREG(mode):
        raise special_file_error(place, mode)
    return Scanned(path=path, file=True)


def _stays_inside(top: str, path: str, target: str) -> bool:
    # The last component is not followed: it may be a link of the folder with a fate of its own.
    head, _, last = target.rpartition("/")
    if last in ("", ".", ".."):
        head = target
    end = os.path.realpath(os.path.join(top, os.path.dirname(path), head))
    return end == top or end.startswith(top + "/")


def _line(entry: Entry) -> bytes:
    digest = entry.digest.encode()
    if entry.kind == "l":
        digest = escape(os.fsencode(entry.target))
    elif entry.kind == "d":
        digest = b"-"
    mark = b"x" if entry.executable else b"-"
    size, path = str(entry.size).encode(), escape(os.fsencode(entry.path))
    return b"\t".join((entry.kind.encode(), mark, size, digest, path)) + b"\n"


def _parse_line(line: bytes) -> tuple[bytes, Entry]:
    fields = line.split(b"\t")
    if len(fields) != 5:
        raise ValueError("not five fields")
    kind, mark, size, digest, escaped = fields
    raw = unescape(escaped)
    _check_path(raw)
    if mark not in (b"-", b"x") or not _SIZE.fullmatch(size):
        raise ValueError("not an x-bit or a size")
    path = os.fsdecode(raw)
    if kind == b"f":
        text = digest.decode("ascii")
        if len(text) not in DIGEST_LENGTHS.values():
            raise ValueError("not a digest")
        Address.of_digest(text)
        return raw, Entry(kind="f", path=path, executable=mark == b"x", size=int(size), digest=text)
    if mark != b"-" or size != b"0":
        raise ValueError("an x-bit or size on something that is not a file")
    if kind == b"l":
        target = unescape(digest)
        if not target or b"\0" in target:
            raise ValueError("not the target of a link")
        return raw, Entry(kind="l", path=path, target=os.fsdecode(target))
    if kind == b"d" and digest == b"-":
        return raw, Entry(kind="d", path=path)
    raise ValueError("not a file, a link or an empty folder")


def _check_path(raw: bytes) -> None:
    parts = raw.split(b"/")
    if b"\0" in raw or any(part in (b"", b".", b"..") for part in parts):
        raise ValueError("not a relative path inside the folder")
    if IGNORED.encode() in parts:
        raise ValueError(f"{IGNORED} is never part of a tree")


def _slashes(raw: bytes) -> Iterator[int]:
    end = raw.find(b"/")
    while end >= 0:
        yield end
        end = raw.find(b"/", end + 1)
