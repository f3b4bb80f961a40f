"""How fast the storage answers whether and when: 5,000 names at once, against plain files.

    python benchmarks/storage.py [NUMBER]

The limit is what the operating system needs for the same questions of the same number of files:
list their folder, stat each. Both are timed in turn, in one process, on the same file system; the
ratio is that of the medians.
"""

from __future__ import annotations

import asyncio
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from snakemake.io import IOCache

from gitbatch_core.archive import names
from gitbatch_core.archive.store import Archive
from snakemake_storage_plugin_gitbatch import StorageProvider, StorageProviderSettings

REPEATS = 7


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        archive = Archive.create(top / "archive")
        stored = archive.put_bytes(b"content", name="x.txt")
        plain = top / "plain"
        plain.mkdir()
        for n in range(number):
            address, size = stored.address, stored.size
            names.write(archive, f"prefix/{n}.txt", address, object=stored.name, size=size)
            (plain / f"{n}.txt").write_bytes(b"content")

        def inventory() -> None:
            provider = StorageProvider(
                local_prefix=top / "local",
                logger=logging.getLogger(),
                settings=StorageProviderSettings(archive=archive.root),
            )
            cache = IOCache(max_wait_time=60)
            name = provider.object("gitbatch://name/prefix/0.txt")
            asyncio.run(name.inventory(cache))
            assert len(cache.mtime) == number

        def limit() -> None:
            with os.scandir(plain) as entries:
                assert sum(entry.stat().st_mtime_ns > 0 for entry in entries) == number

        os.chdir(top)
        times = alternate(inventory, limit)
    ours, least = (statistics.median(each) for each in times)
    print(
        f"{number} names: {ours:.3f} s; {number} plain files: {least:.3f} s; {ours / least:.1f} : 1"
    )


def alternate(*what: Callable[[], None]) -> list[list[float]]:
    """Seconds that each took, in turn."""
    times: list[list[float]] = [[] for _ in what]
    for _ in range(REPEATS):
        for each, seconds in zip(what, times, strict=True):
            began = time.perf_counter()
            each()
            seconds.append(time.perf_counter() - began)
    return times


if __name__ == "__main__":
    main()
