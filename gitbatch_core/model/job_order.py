"""The job order: what the runner is to do. The access point writes it into the job's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from gitbatch_core.model.data import Data, many, one, texts
from gitbatch_core.model.documents import StoredDocument
from gitbatch_core.model.job_record import JobRecord

ORDER_NAME = "order.json"
"""In a job's folder."""


class DeclaredOutput(Data):
    """An output that a job is to make."""

    is_written_whole: ClassVar[bool] = True

    path: str
    """Relative to the worktree's top."""
    folder: bool = False
    temporary: bool = False
    """Hashed and recorded, but it stays in the worktree and goes with it."""


class JobOrder(StoredDocument):
    """What the runner is to do."""

    FORMAT: ClassVar[str] = "gitbatch-order"
    VERSION: ClassVar[int] = 1
    is_written_whole: ClassVar[bool] = True

    argv: Sequence[str] = texts()
    folder: str
    """Where the command starts: a folder of the worktree, absolute."""
    worktree: str
    archive: str
    environment: Mapping[str, str]
    """All of the command's environment but the secrets and the pool's TMPDIR."""
    outputs: Sequence[DeclaredOutput] = many(DeclaredOutput)
    sign: str | None = None
    """The done marker: a file to make when all is done, with success."""
    logs: Sequence[str] = texts(default=())
    """Logs and benchmarks, relative to the worktree's top."""
    tools: Sequence[str] = texts(default=())
    """Words of the command that may name programs, to be looked for on its PATH."""
    record: JobRecord = one(JobRecord, default=JobRecord.from_dict({}))
    """What the access point knows of the job record; the runner adds what it measures."""

    def write(self, path: Path, **_: Any) -> None:
        """For its owner alone, and not durably: the run goes with the machine's power too."""
        super().write(path, mode=0o600, durable=False)
