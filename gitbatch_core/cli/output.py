"""What is printed: tables and JSON on stdout, messages and progress on stderr."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gitbatch_core.wording import aligned
from gitbatch_core.wording import human_size as human_size
from gitbatch_core.wording import printable as printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def message(text: str) -> None:
    """Tell the user something, on stderr."""
    print(text, file=sys.stderr)


def root_notice() -> None:
    """Say that root is not bound by what protects the archive, where we are root."""
    if os.geteuid() == 0:
        message("gitbatch: running as root, who can write read-only objects; take care.")


def folded(text: str, *, width: int = 88, lines: int = 12) -> list[str]:
    """Text of several lines, made to fit: long lines are wrapped, and what comes after so many
    lines is only counted. Control characters are escaped."""
    import textwrap

    folds: list[str] = []
    for line in text.strip("\n").splitlines() or [""]:
        clean = "".join(
            c
            if c.isprintable()
            else c.encode("unicode_escape", "surrogatepass").decode()
            if c != "\t"
            else "    "
            for c in line[: width * (lines + 1)]
        )
        folds += textwrap.wrap(clean, width, drop_whitespace=False, replace_whitespace=False) or [
            ""
        ]
        if len(folds) > lines:
            break
    if len(folds) <= lines:
        return folds
    shown = folds[: lines - 1]
    return [*shown, f"… {len(text):,} characters; all of it: --json"]


def cut(text: str, width: int) -> str:
    """The beginning of a text, on one line of at most so many characters."""
    line = printable(" ".join(text[: 4 * width].split()))
    return line if len(line) <= width else line[: width - 1] + "…"


def table(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> None:
    """Print rows in aligned columns, on stdout; the columns in `right` are flush right."""
    for line in aligned(rows, right=right):
        print(line)


def json_text(value: Any) -> str:
    """A value of a document, in one line; `-` where there is none."""
    return "-" if value is None else json.dumps(value, ensure_ascii=False)


def print_json(value: Any) -> None:
    """Print a JSON value on stdout. Names that are not UTF-8 get surrogate escapes (\\udcXX)."""
    print(json.dumps(value, indent=1))


@contextmanager
def progress(total: int | None, what: str) -> Iterator[Callable[[int], object] | None]:
    """A bar of bytes on stderr, where that is a terminal; to be called with bytes done. Or None."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(
        total=total,
        desc=what,
        unit="B",
        unit_scale=True,
        delay=0.5,
        leave=False,
        dynamic_ncols=True,
    ) as bar:
        yield bar.update
