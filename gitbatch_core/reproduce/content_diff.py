"""Where two files or folders of the archive differ, for people."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from gitbatch_core.archive.layout import Address
from gitbatch_core.archive.manifests import Entry
from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import GitbatchError

_BLOCK = 1 << 20
_LARGEST_TEXT = 1 << 18
"""Bytes that a diff is made of; it takes quadratic time."""
_LINES, _WIDTH = 8, 160
"""Of a diff that is shown."""


@dataclass(frozen=True, kw_only=True)
class ContentDifference:
    """What is not the same then and now."""

    sizes: tuple[int, int] | None = None
    """Bytes of a file."""
    first: int | None = None
    """The first differing byte of a file, counted from 1."""
    diff: tuple[str, ...] = ()
    """Of a text: lines that begin with - (then) or + (now)."""
    only_then: tuple[str, ...] = ()
    """Members of a folder; the same for the next two."""
    only_now: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unknown: str = ""
    """Why there is nothing to say."""


def compare(archive: Archive, then: Address, now: Address, *, tree: bool) -> ContentDifference:
    """Compare two files, or two trees. Never raises GitbatchError."""
    try:
        return _trees(archive, then, now) if tree else _files(archive, then, now)
    except (GitbatchError, OSError) as error:
        return ContentDifference(unknown=str(error).partition("\n")[0])


def _files(archive: Archive, then: Address, now: Address) -> ContentDifference:
    with archive.open_object(then) as first, archive.open_object(now) as second:
        sizes = (first.seek(0, 2), second.seek(0, 2))
        first.seek(0)
        second.seek(0)
        return ContentDifference(
            sizes=sizes, first=_first(first, second), diff=tuple(_diff(first, second, max(sizes)))
        )


def _first(then: BinaryIO, now: BinaryIO) -> int | None:
    before = 0
    while True:
        one, other = then.read(_BLOCK), now.read(_BLOCK)
        if one != other:
            shorter = min(len(one), len(other))
            same = next((n for n in range(shorter) if one[n] != other[n]), shorter)
            return before + same + 1
        if not one:
            return None
        before += len(one)


def _diff(then: BinaryIO, now: BinaryIO, size: int) -> Iterator[str]:
    if size > _LARGEST_TEXT:
        return
    then.seek(0)
    now.seek(0)
    with contextlib.suppress(UnicodeDecodeError):
        texts = [file.read().decode() for file in (then, now)]
        if any("\0" in text for text in texts):
            return
        one, other = (text.splitlines() for text in texts)
        lines = list(difflib.unified_diff(one, other, n=0, lineterm=""))[2:]
        lines = [line for line in lines if not line.startswith("@@")]
        for line in lines[:_LINES]:
            yield line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…"
        if len(lines) > _LINES:
            yield f"… and {len(lines) - _LINES} more lines"


def _trees(archive: Archive, then: Address, now: Address) -> ContentDifference:
    first = {entry.path: entry for entry in archive.manifest(then)}
    second = {entry.path: entry for entry in archive.manifest(now)}
    changed = sorted(p for p in first.keys() & second.keys() if first[p] != second[p])
    return ContentDifference(
        only_then=tuple(sorted(first.keys() - second.keys())),
        only_now=tuple(sorted(second.keys() - first.keys())),
        changed=tuple(f"{path}{_how(first[path], second[path])}" for path in changed),
    )


def _how(then: Entry, now: Entry) -> str:
    if then.kind != now.kind:
        names = {"f": "file", "l": "link", "d": "empty folder"}
        return f" ({names[then.kind]} then, {names[now.kind]} now)"
    if then.digest == now.digest and then.kind == "f":
        return " (executable then)" if then.executable else " (executable now)"
    return f" ({then.size} bytes then, {now.size} now)" if then.size != now.size else ""
