"""The jobs of one run in HTCondor's queue: the progress of each, what is to be reported, and which
must be removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitbatch_core.pools.htcondor import ads, events
from gitbatch_core.pools.htcondor.ads import job_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from gitbatch_core.pools.base import JobStatus
    from gitbatch_core.pools.htcondor.events import Event, Progress, Step
    from gitbatch_core.pools.htcondor.schedd import Ad
    from gitbatch_core.pools.htcondor.submission import JobId

_LOOKS_WITHOUT = 2
"""So many times neither queue nor history must know a job before it counts as lost: a job on its
way from one to the other is in neither for a moment."""


class FollowedJobs:
    """Not thread-safe: the pool's lock is held."""

    def __init__(self) -> None:
        self._progress: dict[JobId, Progress] = {}
        self._news: list[JobStatus] = []
        self._early: list[Event] = []
        """Of jobs that are being handed over: their ids are not known yet."""
        self._handing_over = 0
        self._given_up: set[int] = set()
        """On hold, and failed for us: all that is left is to remove them."""
        self._to_remove: set[int] = set()
        """Those of them that still have to be."""
        self._missing: dict[JobId, int] = {}
        """How many looks had a job neither in the queue nor in the history."""

    def __contains__(self, job: JobId) -> bool:
        return job in self._progress

    def number(self, job: JobId) -> int:
        return self._progress[job].number

    def is_final(self, job: JobId) -> bool:
        return self._progress[job].state.final

    def all_final(self) -> bool:
        return all(progress.state.final for progress in self._progress.values())

    def any_waits(self) -> bool:
        """Whether one is in the queue for a machine."""
        return any(progress.waits for progress in self._progress.values())

    def unfinished(self) -> dict[JobId, Progress]:
        return {job: p for job, p in self._progress.items() if not p.state.final}

    # --------------------------------------------------------------------- jobs come and go

    def begin_hand_over(self) -> None:
        """From now on there may be events of jobs that are not here yet."""
        self._handing_over += 1

    def end_hand_over(self) -> None:
        self._handing_over -= 1

    def add(self, jobs: Mapping[JobId, Progress]) -> None:
        """Follow these jobs, too; early events of them are taken into account now."""
        self.adopt(jobs)
        early, self._early = self._early, []
        self.hear(early)

    def adopt(self, jobs: Mapping[JobId, Progress]) -> None:
        """Follow these jobs of an earlier process."""
        self._progress |= jobs

    def drop(self, is_dropped: Callable[[int], bool]) -> None:
        """Report nothing more about these numbers."""
        self._progress = {j: p for j, p in self._progress.items() if not is_dropped(p.number)}
        self._news = [status for status in self._news if not is_dropped(status.number)]

    # --------------------------------------------------------------------- what is new of them

    def hear(self, news: Iterable[Event]) -> None:
        """Take events into account."""
        for event in news:
            job = (event.cluster, event.proc)
            if job in self._progress:
                self._step(job, events.advance(self._progress[job], event))
            elif self._handing_over:
                self._early.append(event)

    def signed(self, jobs: Iterable[JobId]) -> None:
        """These jobs have said themselves that they have done their work."""
        for job in jobs:
            if job in self._progress:
                self._step(job, events.done(self._progress[job]))

    def observe(self, ad: Ad) -> None:
        """Take into account what queue or history have of a job."""
        job = job_of(ad)
        self._step(job, ads.observe(self._progress[job], ad))

    def compare(
        self, before: Mapping[JobId, Progress], queue: Iterable[Ad], not_made: Collection[JobId]
    ) -> dict[JobId, int]:
        """Take into account what the queue has of the jobs that were like this `before` and still
        are; the numbers of those that it ought to have and has not."""
        queued = {job_of(ad): ad for ad in queue}
        unchanged = [job for job, p in before.items() if self._progress.get(job) == p]
        for job in unchanged:
            if job in queued:
                self.observe(queued[job])
        gone = {
            job: before[job].number
            for job in unchanged
            if job not in queued and job not in not_made
        }
        self._missing = {job: times for job, times in self._missing.items() if job in gone}
        return gone

    def look_back(self, gone: Iterable[JobId], history: Iterable[Ad]) -> None:
        """Take into account what the history has of jobs that are not in the queue. What it has not
        either, repeatedly, is lost."""
        past = {job_of(ad): ad for ad in history}
        for job in gone:
            if job not in self._progress:
                continue
            if job in past:
                self.observe(past[job])
            else:
                self._missing[job] = self._missing.get(job, 0) + 1
            if self._missing.get(job, 0) >= _LOOKS_WITHOUT:
                self._step(job, ads.lost(self._progress[job]))

    def _step(self, job: JobId, step: Step) -> None:
        progress, status = step
        self._progress[job] = progress
        if progress.remove and status:
            self._given_up.add(progress.number)
            self._to_remove.add(progress.number)
        if status:
            self._news.append(status)

    def take_news(self) -> list[JobStatus]:
        news, self._news = self._news, []
        return news

    # --------------------------------------------------------------------- what has to go

    def remove_once_made(self, clusters: Collection[int], numbers: Collection[int]) -> None:
        """Of the jobs with these numbers, those of the clusters that the schedd makes bit by bit
        are removed as they come."""
        self._to_remove |= {
            p.number
            for (cluster, _), p in self._progress.items()
            if cluster in clusters and p.number in numbers
        }

    def given_up(self) -> frozenset[int]:
        """The numbers of jobs that are on hold and have failed for us."""
        return frozenset(self._given_up)

    def to_remove(self) -> frozenset[int]:
        return frozenset(self._to_remove)

    def removed(self, numbers: Iterable[int]) -> None:
        self._to_remove -= set(numbers)
