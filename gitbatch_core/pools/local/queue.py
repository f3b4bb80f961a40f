"""Which waiting job starts next on one machine: first come, first served, gaps filled.

Pure bookkeeping of cores and memory; starts nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitbatch_core.pools.base import JobSpec

_PATIENCE = 20
"""So many jobs may overtake one that does not fit; then the machine is kept free for it."""

_LOOK_AHEAD = 200
"""So many waiting jobs are looked at for one that fits."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """What a job takes of the machine while it runs."""

    cores: int
    memory_mb: int
    notice: str | None = None
    """For people: what it asked for and does not get."""


class Queue:
    """Jobs that wait for their share of `cores` and `memory_mb` (MiB). Not thread-safe."""

    def __init__(self, *, cores: int, memory_mb: int) -> None:
        self.cores = cores
        self.memory_mb = memory_mb
        self._free_cores = cores
        self._free_memory_mb = memory_mb
        self._waiting: deque[JobSpec] = deque()
        self._overtaken = 0
        """How many jobs overtook the first of `_waiting`."""

    def add(self, jobs: Iterable[JobSpec]) -> None:
        self._waiting.extend(jobs)

    def put_back(self, spec: JobSpec, share: Share) -> None:
        """A job from `take` could not be started now."""
        self.give_back(share)
        self._waiting.appendleft(spec)

    def take(self) -> tuple[JobSpec, Share] | None:
        """The next job to start, with its share, which is now taken; None: nothing fits."""
        if self._free_cores <= 0:
            return None
        last = _LOOK_AHEAD if self._overtaken < _PATIENCE else 1
        for place, spec in enumerate(self._waiting):
            if place >= last:
                break
            share = self.share(spec)
            if share.cores <= self._free_cores and share.memory_mb <= self._free_memory_mb:
                del self._waiting[place]
                self._overtaken = self._overtaken + 1 if place else 0
                self._free_cores -= share.cores
                self._free_memory_mb -= share.memory_mb
                return spec, share
        return None

    def give_back(self, share: Share) -> None:
        self._free_cores += share.cores
        self._free_memory_mb += share.memory_mb

    def drop(self, numbers: frozenset[int] | None) -> None:
        """Forget these jobs, or all."""
        first = self._waiting[0] if self._waiting else None
        kept = [] if numbers is None else [s for s in self._waiting if s.number not in numbers]
        self._waiting = deque(kept)
        if not self._waiting or self._waiting[0] is not first:
            self._overtaken = 0

    def share(self, spec: JobSpec) -> Share:
        """What the job gets: what it asks for, or the whole machine where it asks for more."""
        cores, memory_mb = max(1, spec.request.cpus), spec.request.memory_mb or 0
        too_much = []
        if cores > self.cores:
            too_much.append(f"{cores} cores of {self.cores}")
        if memory_mb > self.memory_mb:
            too_much.append(f"{memory_mb} MiB of memory of {self.memory_mb} MiB")
        if too_much:
            return Share(
                cores=self.cores,
                memory_mb=self.memory_mb,
                notice=f"asks for {' and '.join(too_much)}: runs alone, with what this machine has",
            )
        return Share(cores=cores, memory_mb=memory_mb)
