"""The job result: what became of a job. The runner writes it into the job's folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar, Self

from gitbatch_core.model.data import one
from gitbatch_core.model.documents import StoredDocument
from gitbatch_core.model.job_record import JobRecord

RESULT_NAME, LOG_NAME = "answer.json", "output.log"
"""In a job's folder."""

UNSEEN = 66
"""The runner's exit status where its machine does not see the job's folder."""


class JobResult(StoredDocument):
    """What became of a job, as the runner saw it."""

    FORMAT: ClassVar[str] = "gitbatch-answer"
    VERSION: ClassVar[int] = 1
    is_written_whole: ClassVar[bool] = True

    succeeded: bool
    exit_code: int | None = None
    signal: int | None = None
    reason: str | None = None
    """For people: why it failed where the command itself did not (publishing, cancelled)."""
    record: JobRecord = one(JobRecord, default=JobRecord.from_dict({}))

    @classmethod
    def of_job(cls, folder: Path, *, within_s: float = 0) -> Self | None:
        """The result in a job's folder, if a shared file system shows it in so many seconds. Raises
        FormatError."""
        deadline = time.monotonic() + within_s
        while True:
            try:
                return cls.read(folder / RESULT_NAME)
            except FileNotFoundError:
                if time.monotonic() >= deadline:
                    return None
                time.sleep(0.1)

    def write(self, path: Path, **_: Any) -> None:
        """Not durably: a run that loses it runs the job again."""
        super().write(path, durable=False)
