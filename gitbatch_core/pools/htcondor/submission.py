"""Hands submit descriptions to the schedd: all of them or none, and no job twice.

An answer may be lost on its way; the queue then tells whether the jobs are there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from gitbatch_core.errors import PoolError
from gitbatch_core.pools.htcondor.submit import SubmitDescription, named

if TYPE_CHECKING:
    from pathlib import Path

    from gitbatch_core.pools.htcondor.retry import Patience
    from gitbatch_core.pools.htcondor.schedd import Schedd

JobId = tuple[int, int]
"""A job's cluster and proc."""

_LATE = "late-{}.json"
"""Has the numbers of the jobs of one submit description, in their order."""

_NAMES = ("ClusterId", "ProcId", "GitbatchNumber")


def of_run(run: str, numbers: Iterable[int] | None = None) -> str:
    """The constraint that a run's jobs meet, or those with these numbers."""
    ours = f'GitbatchRun == "{run}"'
    if numbers is None:
        return ours
    # The ad of a whole cluster has the number of its first job.
    return f"{ours} && ProcId =!= undefined && {among(numbers)}"


def among(numbers: Iterable[int]) -> str:
    return f"member(GitbatchNumber, {{{', '.join(map(str, sorted(numbers)))}}})"


def job_id(text: str) -> JobId:
    """Of `12.0`."""
    cluster, proc = text.split(".")
    return int(cluster), int(proc)


class HandOver:
    """Hands over the jobs of `run`."""

    def __init__(self, *, run: str, schedd: Schedd, patience: Patience, folder: Path) -> None:
        """`folder` takes what another process of the run would have to know."""
        self._folder = folder
        self._run = run
        self._schedd = schedd
        self._patience = patience
        self.late: set[int] = set()
        """Clusters whose jobs the schedd makes bit by bit: most are not in the queue at first."""

    def __call__(self, descriptions: Sequence[SubmitDescription]) -> dict[int, str]:
        """Submit all or, where one is refused, none; the jobs' ids by their numbers. Raises
        PoolError."""
        ids: dict[int, str] = {}
        done: list[SubmitDescription] = []
        try:
            for description in descriptions:
                ids |= self._one(description)
                done.append(description)
        except PoolError:
            if done:
                clusters = " || ".join(self._cluster(description) for description in done)
                why = "handed over together with jobs that were refused"
                self._patience.insist(lambda: self._schedd.remove(clusters, why))
            raise
        return ids

    def not_made_yet(self) -> dict[JobId, int]:
        """Numbers of the jobs, of this run's earlier processes too, that the schedd is to make bit
        by bit, and has not made yet. Raises PoolError."""
        numbers_by_job: dict[JobId, int] = {}
        for file in self._folder.glob(_LATE.format("*")):
            numbers = json.loads(file.read_bytes())
            ours = f"{of_run(self._run)} && GitbatchFirst == {numbers[0]}"
            for cluster, first in self._schedd.not_made(ours).items():
                self.late.add(cluster)
                numbers_by_job |= {
                    (cluster, proc): n for proc, n in enumerate(numbers) if proc >= first
                }
        return numbers_by_job

    def _cluster(self, description: SubmitDescription) -> str:
        """The constraint that its jobs meet, and what makes them where that comes late."""
        return f"{of_run(self._run)} && GitbatchFirst == {description.jobs[0].number}"

    def _one(self, description: SubmitDescription) -> dict[int, str]:
        numbers = [spec.number for spec in description.jobs]
        if description.late:
            (self._folder / _LATE.format(numbers[0])).write_text(json.dumps(numbers))
        look = self._look_late if description.late else self._look
        for last_try in (False, True):
            try:
                ids = dict(zip(numbers, self._schedd.submit(description), strict=True))
            except PoolError as error:
                ids = self._patience.insist(lambda: look(description, numbers))
                if not ids and last_try:
                    raise PoolError(
                        f"HTCondor does not take {named(description.jobs)}: {error.message}"
                    ) from error
            if ids:
                break
        if description.late:
            self.late |= {job_id(text)[0] for text in ids.values()}
        return ids

    def _look(self, description: SubmitDescription, numbers: Sequence[int]) -> dict[int, str]:
        """The jobs' ids, where they are in the queue."""
        queued = self._schedd.query(of_run(self._run, numbers), _NAMES)
        if len(queued) != len(numbers):
            return {}
        return {ad["GitbatchNumber"]: f"{ad['ClusterId']}.{ad['ProcId']}" for ad in queued}

    def _look_late(self, description: SubmitDescription, numbers: Sequence[int]) -> dict[int, str]:
        clusters = self._schedd.not_made(self._cluster(description))
        return {n: f"{cluster}.{proc}" for cluster in clusters for proc, n in enumerate(numbers)}
