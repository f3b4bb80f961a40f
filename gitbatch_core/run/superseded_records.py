"""Jobs that earlier runs have done with other code, looked up by their key without the code.

The document of an ended run lists its jobs by that key; no record is read for a look-up.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gitbatch_core.archive import layout, records
from gitbatch_core.errors import GitbatchError
from gitbatch_core.log import suppressed
from gitbatch_core.model.job_record import JobRecord

_MOST_RUNS = 100
"""The latest; what only older ones have done is not missed."""


def listed(jobs: Iterable[JobRecord]) -> dict[str, str]:
    """What a run's document says of its jobs, from their records."""
    return {
        job.key_without_code: f"{job.key}/{job.name}"
        for job in jobs
        if job.reusable is True and job.key_without_code is not None
    }


@dataclass(kw_only=True)
class DoneBefore:
    """The jobs of the latest runs that have ended, untainted, in the archive at `root`."""

    root: Path
    _names: dict[str, str] | None = None

    def find(self, without_code: str) -> JobRecord | None:
        """The latest record of a job with this key without code."""
        if self._names is None:
            self._names = self._read()
        if (named := self._names.get(without_code)) is None:
            return None
        key, _, name = named.partition("/")
        run, _, number = name.rpartition("-")
        with suppressed(GitbatchError, OSError, ValueError):
            return JobRecord.read(self.root / layout.record_path(key, run, int(number)))
        return None

    def _read(self) -> dict[str, str]:
        names: dict[str, str] = {}
        with contextlib.suppress(OSError):
            runs = sorted(os.listdir(self.root / layout.RUNS))[-_MOST_RUNS:]
            for run in (file.removesuffix(".json") for file in runs):
                with suppressed(GitbatchError, OSError):
                    ended = records.read_run(self.root, run)
                    if ended is not None and ended.tainted is False:
                        names.update(ended.jobs_without_code)
        return names
