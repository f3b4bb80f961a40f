"""Which runs are tainted: their jobs changed files of the commit, so that the code that made their
outputs is not known."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gitbatch_core.archive import records
from gitbatch_core.errors import GitbatchError
from gitbatch_core.log import suppressed
from gitbatch_core.model.ended_run import EndedRun
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.run_document import RunDocument

TAINTED = "tainted"
"""In the document of a run: the files; of an output that another run has left: whether that is
tainted."""


@dataclass(kw_only=True)
class TaintedRuns:
    """As the runs' documents say, or else the archive at `root`."""

    root: Path | None
    _known: dict[str, bool] = field(default_factory=dict)

    def have_made(self, job: JobRecord, document: RunDocument | None = None) -> bool:
        """Whether the run of a job is tainted. `document`: that of the run that names the job."""
        run = job.run
        if document is not None and document.run == run and TAINTED in document:
            return bool(document.tainted)
        if run not in self._known:
            ended: EndedRun | None = None
            if self.root is not None and run:
                with suppressed(GitbatchError, OSError):
                    ended = records.read_run(self.root, run)
            self._known[run] = ended is not None and bool(ended.tainted)
        return self._known[run]
