"""The cores and memory that this machine has for jobs, as far as this process may use them.

Counts what limits a process on a shared machine: its CPU affinity and the cgroups (v1 and v2) in
which a container, a batch system or systemd put it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_MIB = 1024 * 1024


def cores() -> int:
    """How many cores this process may keep busy at once; at least 1."""
    allowed = len(os.sched_getaffinity(0))
    return max(1, min([allowed, *(int(quota) for quota in _cpu_quotas())]))


def memory_mb() -> int:
    """MiB of memory that this process and what it starts may use together."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min([physical, *_memory_limits()]) // _MIB)


def _cpu_quotas() -> Iterator[float]:
    for folder in _folders("cpu"):
        words = _words(folder / "cpu.max")
        if not words:
            words = _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
        if len(words) == 2 and words[0].isdigit() and words[1].isdigit() and int(words[1]):
            yield int(words[0]) / int(words[1])


def _memory_limits() -> Iterator[int]:
    for folder in _folders("memory"):
        for name in ("memory.max", "memory.high", "memory.limit_in_bytes"):
            words = _words(folder / name)
            # Without a limit: `max` in v2, a number near 2**63 in v1, which the minimum discards.
            if words and words[0].isdigit() and int(words[0]):
                yield int(words[0])


def _folders(controller: str) -> Iterator[Path]:
    """The cgroup folders that limit this process, its own and all above it."""
    for line in _lines(_MEMBERSHIP):
        _, controllers, path = line.split(":", 2)
        if not controllers:
            mount = _CGROUPS
        elif controller in controllers.split(","):
            mount = _CGROUPS / controllers
            if not mount.is_dir():
                mount = _CGROUPS / controller
        else:
            continue
        # In a container the path may be the host's; the mount itself then is our own cgroup.
        own = mount / path.strip("/")
        yield from (f for f in (own, *own.parents) if f == mount or mount in f.parents)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()
