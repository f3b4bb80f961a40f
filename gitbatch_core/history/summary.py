"""The runs of a repository at a glance: those that go on, were lost, or ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gitbatch_core.git import refs
from gitbatch_core.history.run_names import NOTES, ListedRun, Runs
from gitbatch_core.model.job_result import RESULT_NAME
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.run import lease
from gitbatch_core.run.lease import Owner

RUNNING, LOST, CANCELLED = "running", "lost", "cancelled"
"""Of runs that have not ended: with a controller, without, and without one that is to come."""


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """One run."""

    run: str
    state: str
    """`running`; `lost`: its controller is gone; `cancelled` after that; else as it ended:
    `succeeded`, `failed`, `interrupted`."""
    started: str
    ended: str | None
    commit: str
    message: str
    jobs_done: int
    jobs: int | None
    """How many it will have, as far as that was known at its start; None where it has ended."""
    pool: str
    host: str
    """Where its controller is, or was."""
    tainted: bool = False
    """Whether jobs changed files of the commit."""
    tags: tuple[str, ...] = ()
    """That lead to its commit."""
    kept: bool = False
    """Whether it is marked against being removed."""
    note: str = ""
    reproduces: str | None = None
    """The run that it was to make again."""

    def as_json(self) -> dict[str, Any]:
        return dict(vars(self))


def entries(runs: Runs, chosen: Sequence[ListedRun] | None = None) -> list[RunSummary]:
    """These runs, or all, the oldest first. Raises GitError."""
    runs_listed = list(runs.by_id.values()) if chosen is None else chosen
    documents = runs.documents(runs_listed)
    notes = refs.notes(runs.repository, NOTES) if runs_listed else {}
    summaries = []
    for each in runs_listed:
        if each.owner is not None:
            summaries.append(replace(_going(each.owner), reproduces=each.reproduces))
        elif each.run in documents:
            summaries.append(
                replace(
                    _ended(documents[each.run]),
                    tags=tuple(each.tags),
                    kept=each.kept is not None,
                    note=notes.get(each.commit or "", ""),
                    reproduces=each.reproduces,
                )
            )
    return summaries


def _going(each: Owner) -> RunSummary:
    about = each.about
    done = sum(
        (each.staging / lease.JOBS_NAME / str(n) / RESULT_NAME).exists() for n in each.job_numbers()
    )
    return RunSummary(
        run=each.run,
        state=RUNNING if not each.is_dead else CANCELLED if each.is_cancelled else LOST,
        started=about.get("begun", ""),
        ended=None,
        commit=about.get("commit", ""),
        message=about.get("message", ""),
        jobs_done=done,
        jobs=about.get("jobs"),
        pool=each.pool,
        host=each.host,
    )


def _ended(run: RunDocument) -> RunSummary:
    return RunSummary(
        run=run.run,
        state=run.outcome,
        started=run.started,
        ended=run.ended,
        commit=run.source_commit,
        message=run.message,
        jobs_done=run.jobs_finished,
        jobs=None,
        pool=run.pool.kind,
        host=run.host,
        tainted=bool(run.tainted),
    )
