"""The runs of a repository at a glance: those that go on, were lost, or ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gitbatch_core.errors import UsageError
from gitbatch_core.git.repo import Repository
from gitbatch_core.jsonio import Document
from gitbatch_core.records import ANSWER_NAME
from gitbatch_core.runs import document, owner
from gitbatch_core.runs.owner import Owner

RUNNING, LOST, CANCELLED = "running", "lost", "cancelled"
"""Of runs that have not ended: with a controller, without, and without one that is to come."""


@dataclass(frozen=True, kw_only=True)
class Entry:
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

    def as_json(self) -> dict[str, Any]:
        return dict(vars(self))


def entries(repository: Repository) -> list[Entry]:
    """All runs that this repository knows, the oldest first. Raises GitError."""
    found = {each["run"]: _ended(each) for each in document.earlier(repository)}
    for each in owner.owners(repository):
        found.setdefault(each.run, _going(each))
    return [found[run] for run in sorted(found)]


def chosen(owners: Sequence[Owner], name: str, *, what: str) -> Owner:
    """The one whose id begins or ends with `name`; without a name the only one. `what`: for the
    message. Raises UsageError."""
    fits = [each for each in owners if each.run.startswith(name) or each.run.endswith(name)]
    if len(fits) == 1:
        return fits[0]
    listed = ", ".join(each.run for each in fits or owners)
    if not fits:
        raise UsageError(
            f"There is no {what}" + (f" called {name!r}." if name else "."),
            hint=f"There are: {listed}" if listed else "gitbatch runs shows all runs.",
        )
    raise UsageError(f"Which run? There are several: {listed}", hint="Name one by its id.")


def _going(each: Owner) -> Entry:
    about = each.about
    done = sum(
        (each.staging / owner.JOBS_NAME / str(n) / ANSWER_NAME).exists() for n in each.job_numbers()
    )
    return Entry(
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


def _ended(found: Document) -> Entry:
    return Entry(
        run=found["run"],
        state=found.get("outcome", ""),
        started=found.get("started", ""),
        ended=found.get("ended"),
        commit=found.get("source_commit", ""),
        message=found.get("message", ""),
        jobs_done=found.get("jobs_finished", 0),
        jobs=None,
        pool=found.get("pool", {}).get("kind", ""),
        host=found.get("host", ""),
    )
