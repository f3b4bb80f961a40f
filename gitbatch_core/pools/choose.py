"""The kinds of pools, and which of them a run uses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitbatch_core.errors import PoolError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitbatch_core.pools.base import Availability, Pool, PoolKind, PoolOptions

AUTO = "auto"
"""The first kind that answers."""


def _htcondor() -> PoolKind:
    from gitbatch_core.pools.htcondor.kind import HTCondorKind

    return HTCondorKind()


def _local() -> PoolKind:
    from gitbatch_core.pools.local.kind import LocalKind

    return LocalKind()


KINDS: dict[str, Callable[[], PoolKind]] = {"htcondor": _htcondor, "local": _local}
"""By name, in the order in which `auto` tries them. This machine always answers."""


def names() -> tuple[str, ...]:
    """What `--gitbatch-pool` takes."""
    return (AUTO, *KINDS)


def kinds() -> list[PoolKind]:
    """All of them."""
    return [make() for make in KINDS.values()]


def kind_named(name: str) -> PoolKind:
    """The kind of pool with this name. Raises PoolError where there is none."""
    if name not in KINDS:
        raise PoolError(f"There is no pool `{name}`.", hint=f"Choose one of {', '.join(names())}.")
    return KINDS[name]()


def find(name: str) -> tuple[PoolKind, Availability]:
    """The kind of pool that a run with `--gitbatch-pool NAME` uses, and its availability, with a
    text that says why it was chosen. Raises PoolError if the named one does not answer."""
    if name != AUTO:
        kind = kind_named(name)
        availability = kind.probe()
        if not availability.answers:
            text = f"No {kind.label} to run on: {availability.text}"
            raise PoolError(text, hint=kind.hint or None)
        return kind, replace(availability, text=availability.text or "as asked")
    missing: list[str] = []
    for kind in kinds():
        availability = kind.probe()
        if availability.answers:
            text = "; ".join(filter(None, (*missing, availability.text)))
            return kind, replace(availability, text=text)
        missing.append(f"no {kind.label}: {availability.text}")
    raise PoolError(f"There is no pool to run on: {'; '.join(missing)}")


def choose(name: str, options: PoolOptions, *, run: str, private_folder: Path) -> tuple[Pool, str]:
    """The pool for `run` and a line that says which and why. Raises PoolError: see `find`."""
    kind, availability = find(name)
    pool = kind.open(options, run=run, private_folder=private_folder, availability=availability)
    about = dict.fromkeys((availability.text, pool.describe()))
    return pool, f"pool: {kind.name} ({'; '.join(about)})"
