"""How much memory a job takes at its peak: all of its processes together, looked at now and then.

Not from the job's cgroup: what that counts includes the cache of the files that a job reads, which
the kernel gives back when it must and nobody has to ask for.
"""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Callable, Iterable
from pathlib import Path

_REST_S = 1.0
"""Between two looks."""
_SHARE = 50
"""A look may take one part in so many of the time: the page tables of large processes are long."""
_PAGE_KB = resource.getpagesize() // 1024


class FamilyMemory:
    """The peak of the processes that `family` lists."""

    def __init__(self, family: Callable[[], Iterable[int]]) -> None:
        self._family = family
        self._peak_kb = 0
        self._next = time.monotonic() + _REST_S / 2

    def look_sometimes(self) -> float:
        """Look, where that is due; seconds until the next time."""
        now = time.monotonic()
        if now >= self._next:
            self._look()
            took = time.monotonic() - now
            self._next = now + max(_REST_S, took * _SHARE)
        return max(0.0, self._next - time.monotonic())

    def peak_mb(self) -> float:
        """MiB: the largest sum that was seen, at least what the largest process had, which the
        kernel knows between two looks too."""
        largest_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        return max(self._peak_kb, largest_kb) / 1024

    def _look(self) -> None:
        pids = list(self._family())
        # Pages that several processes share count once in PSS, in each in RSS. The first is slow
        # to ask for, and never more than the second.
        if sum(map(_rss_kb, pids)) > self._peak_kb:
            self._peak_kb = max(self._peak_kb, sum(map(_pss_kb, pids)))


def _rss_kb(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_KB
    return 0


def _pss_kb(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return _rss_kb(pid)  # of another user, or of a kernel without
