"""Snakemake's files: what flags one has, and lists of them, whose items may have names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from snakemake.io import apply_wildcards, is_flagged

__all__ = ["apply_wildcards", "is_flagged", "names", "reorder", "storage"]


def storage(path: Any) -> Any | None:
    """The storage's object where an input or output lies in another storage: `path` is then where
    its local copy is, or will be."""
    return path.storage_object if is_flagged(path, "storage_object") else None


def names(items: Any) -> list[str | None]:
    """The name of each item of one of Snakemake's lists, None for those without."""
    by_position: list[str | None] = [None] * len(items)
    for name, (start, end) in items._get_names():
        for position in range(start, start + 1 if end is None else end):
            by_position[position] = name
    return by_position


def reorder(files: Any, paths: Sequence[str]) -> None:
    """Put one of Snakemake's lists of files into the order of `paths`, where these are the same."""
    own = [str(path) for path in files]
    if paths != own and sorted(paths) == sorted(own):
        by_path: dict[str, list[Any]] = {}
        for path in files:
            by_path.setdefault(str(path), []).append(path)
        ranges = list(files._get_names())
        files[:] = [by_path[path].pop(0) for path in paths]
        files._take_names(iter(ranges))
