"""Hands jobs to their pool together; one that the pool refuses does not stop the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gitbatch_core.errors import GitbatchError
from gitbatch_core.pools.base import JobSpec, Pool, RefusedError


@dataclass(kw_only=True)
class Submission:
    """A pool's answers for jobs, by their numbers."""

    ids: dict[int, str] = field(default_factory=dict)
    """Of those that it has taken: its own."""
    refusals: dict[int, str] = field(default_factory=dict)
    """Of the others: why, for people."""


def submit(pool: Pool, specs: Sequence[JobSpec]) -> Submission:
    """Hand over all that the pool takes."""
    submission = Submission()
    _submit(pool, specs, submission)
    return submission


def _submit(pool: Pool, specs: Sequence[JobSpec], submission: Submission) -> None:
    if not specs:
        return
    try:
        ids = pool.submit(specs)
    except RefusedError as error:
        for number, why in error.refused.items():
            submission.refusals[number] = str(GitbatchError(why, hint=error.hint))
        _submit(pool, [each for each in specs if each.number not in error.refused], submission)
    except GitbatchError as error:
        if len(specs) == 1:
            submission.refusals[specs[0].number] = str(error)
        else:  # all or none: find the ones that the pool does not take
            for spec in specs:
                _submit(pool, [spec], submission)
    else:
        submission.ids.update(zip((spec.number for spec in specs), ids, strict=True))
