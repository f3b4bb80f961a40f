"""The document of an attempt to make a run's outputs again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from gitbatch_core.model.data import EMPTY, Data, many, one, texts
from gitbatch_core.model.documents import StoredDocument
from gitbatch_core.model.job_record import FILE, PoolFacts

IDENTICAL, DIFFERS, FAILED, NOT_RUN = "identical", "differs", "failed", "not run"
VERDICTS = (IDENTICAL, DIFFERS, FAILED, NOT_RUN)


class Difference(Data):
    """Something that is not the same in two documents."""

    what: str
    """Dotted name."""
    then: Any = None
    now: Any = None


class OtherCode(Data):
    """Whose code had made an output, where that was not the run's commit."""

    commit: str | None = None
    files: Sequence[str] | None = None
    """In which the code differs; None where nobody could say."""


class ReproducedOutput(Data):
    """One output of the run, or of the attempt, and what became of it."""

    path: str
    """Relative to the top of the work tree."""
    rule: str | None = None
    wildcards: Mapping[str, str] = EMPTY
    kind: str = FILE
    expected: str | None = None
    """The address that the run has; None where it has none."""
    found: str | None = None
    """The address that came out; None where nothing did."""
    verdict: str = ""
    hosts: Sequence[str] = texts(default=())
    """Machines that made it again."""
    asked: bool = True
    """Whether it was asked for; else it was only needed for what was."""
    other_code: OtherCode | None = one(OtherCode, default=None)
    stale_inputs: Sequence[str] = texts(default=())
    """What other code had made and it was made from, in the run."""
    after: Sequence[str] = texts(default=())
    """Inputs of its job that were not the same already."""
    changes: Sequence[Difference] = many(Difference, default=())
    """Between the jobs that made it."""


class Reproduction(StoredDocument):
    """In the archive: reproductions/RUN/AGAIN.json."""

    FORMAT: ClassVar[str] = "gitbatch-reproduction"
    VERSION: ClassVar[int] = 1

    run: str
    """Whose outputs were to be made again."""
    again: str
    """The run that was the attempt."""
    source_commit: str = ""
    user: str | None = None
    host: str | None = None
    pool: PoolFacts = one(PoolFacts, default=PoolFacts())
    started: str | None = None
    """UTC, ISO 8601."""
    ended: str | None = None
    outputs: Sequence[ReproducedOutput] = many(ReproducedOutput, default=())
    differences: Sequence[Difference] = many(Difference, default=())
    """Between the two runs' environments."""
