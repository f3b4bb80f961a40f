"""How a run has ended, as the archive knows it: only then others reuse what its jobs have made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from gitbatch_core.model.data import EMPTY, many
from gitbatch_core.model.documents import StoredDocument
from gitbatch_core.model.run_document import UndeclaredFile, of_rules, reproduced_run


class EndedRun(StoredDocument):
    """In the archive: runs/RUN.json. Of run.json what matters to other repositories."""

    FORMAT: ClassVar[str] = "gitbatch-ended-run"
    VERSION: ClassVar[int] = 1

    run: str
    outcome: str = ""
    """`succeeded`, `failed` or `interrupted`."""
    tainted: bool | None = None
    """Whether jobs changed files of the commit; then nobody reuses what they made."""
    repository: str = ""
    """The top of the work tree, on `host`."""
    commit: str | None = None
    """The run commit; None of a run whose controller was lost and that nobody resumed."""
    source_commit: str = ""
    message: str = ""
    user: str = ""
    host: str = ""
    started: str = ""
    ended: str | None = None
    reproduces: str | None = None
    """The run that it was to make again."""
    jobs_without_code: Mapping[str, str] = EMPTY
    """Key without the code -> `KEY/RUN-NUMBER`, the job's record."""
    undeclared: Sequence[UndeclaredFile] = many(UndeclaredFile, default=(), older=of_rules)
    """Those that come along with the run's own jobs."""

    @property
    def reproduced_run(self) -> str | None:
        """The run that it was to make again, whatever version wrote it."""
        return reproduced_run(self.reproduces, self.message)

    def undeclared_by_job(self) -> dict[int, list[UndeclaredFile]]:
        """By the number of a job: what comes along with it."""
        by_job: dict[int, list[UndeclaredFile]] = {}
        for file in self.undeclared:
            for number in file.jobs if file.is_kept else ():
                by_job.setdefault(int(number), []).append(file)
        return by_job
