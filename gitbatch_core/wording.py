"""Numbers, names, lists and tables for people, so that long ones stay short."""

from __future__ import annotations

import os
import shlex
from collections.abc import Container, Iterable, Mapping, Sequence

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", "\t": r"\t", "\r": r"\r", "\x1b": r"\x1b"})


def printable(name: object) -> str:
    """A file's name on one line: backslash, newline, tab, return and escape are escaped."""
    return str(name).translate(_ESCAPES)


def typed(path: str | os.PathLike[str]) -> str:
    """A path in a command to type: quoted, and absolute where the shell that has started this
    process is in another folder than this process is."""
    text = os.fspath(path)
    inside = os.path.relpath(text)
    if os.path.realpath(os.environ.get("PWD", "/")) != os.getcwd() or inside.startswith("../"):
        return shlex.quote(os.path.abspath(text))
    return shlex.quote(f"./{inside}" if inside.startswith("-") else inside)


def typed_files(paths: Iterable[str | os.PathLike[str]], most: int = 10) -> str:
    """Several of them; FILES where they are too many to be typed."""
    files = list(paths)
    return " ".join(map(typed, files)) if len(files) <= most else "FILES"


def count(number: int, noun: str) -> str:
    """`1 job`, `2 jobs`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def human_size(size: int | None) -> str:
    """`950 B`, `1.2 kB`, `3.4 GB` (powers of 1000); `?` for None."""
    if size is None:
        return "?"
    if size < 1000:
        return f"{size} B"
    value, unit = float(size), ""
    for unit in ("kB", "MB", "GB", "TB", "PB"):  # noqa: B007
        value /= 1000
        if value < 999.95:
            break
    return f"{value:.1f} {unit}"


def duration(seconds: float | None) -> str:
    """`0.4 s`, `12 s`, `3 min`, `2 h 05`, `4 d 03 h`; nothing for None."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02}"
    return f"{hours // 24} d {hours % 24:02} h"


def job_title(rule: str, wildcards: Mapping[str, object]) -> str:
    """What people call a single job: `align[sample=a,unit=1]`."""
    inner = ",".join(f"{name}={value}" for name, value in wildcards.items())
    return f"{rule}[{inner}]" if inner else rule


def aligned(rows: Sequence[Sequence[str]], *, right: Container[int] = frozenset()) -> list[str]:
    """Lines of columns; those in `right` are flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def some(names: Iterable[str], most: int = 3, *, noun: str = "") -> str:
    """`a, b, c and 4 more`; with a noun `a, b, c and 4 more files`."""
    all_names = list(names)
    shown, rest = ", ".join(all_names[:most]), len(all_names) - most
    if rest <= 0:
        return shown
    return f"{shown} and {count(rest, f'more {noun}') if noun else f'{rest} more'}"


def shortened(lines: Iterable[str], most: int, *, rest: str = "more") -> list[str]:
    """The first lines, and one that counts the rest of them: `… and 4 more`."""
    all_lines = list(lines)
    more = [f"… and {len(all_lines) - most} {rest}"] if len(all_lines) > most else []
    return [*all_lines[:most], *more]


def listed(lines: Iterable[str], most: int) -> str:
    """The same as a text, indented."""
    return "\n".join(f"  {line}" for line in shortened(lines, most))
