"""What a dry run leaves in a working directory: Snakemake's folder, with a cache of what it has
seen of files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

_OWN, _CACHE = ".snakemake", Path("iocache", "latest.pkl")


@contextlib.contextmanager
def removed(folder: Path) -> Iterator[None]:
    """Remove what the dry run within leaves in a working directory, or makes of it."""
    own, cache = folder / _OWN, folder / _OWN / _CACHE
    new = [each for each in (own, folder, *folder.parents) if not each.exists()]
    inner, logs = _names_in(own), _names_in(own / "log")
    cached = (cache.read_bytes(), cache.stat()) if cache.exists() else None
    try:
        yield
    finally:
        if _names_in(own / "log") == logs:  # else Snakemake has started there meanwhile
            if cached is None:
                cache.unlink(missing_ok=True)
            elif cache.stat().st_mtime_ns != cached[1].st_mtime_ns:
                cache.write_bytes(cached[0])
                os.utime(cache, ns=(cached[1].st_atime_ns, cached[1].st_mtime_ns))
            _remove_empty(own / name for name in _names_in(own) - inner)
            _remove_empty(new)


def forget(folder: Path) -> None:
    """Remove what a dry run has left in a working directory where nothing else has been."""
    own = folder / _OWN
    if all(path.is_dir() or path == own / _CACHE for path in own.rglob("*")):
        (own / _CACHE).unlink(missing_ok=True)
        _remove_empty([*(own / name for name in _names_in(own)), own])


def _names_in(folder: Path) -> set[str]:
    return set(os.listdir(folder)) if folder.is_dir() else set()


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
