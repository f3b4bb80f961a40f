"""Which pool a run uses, and why, in one line for people."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gitbatch_core.errors import PoolError
from gitbatch_core.pools.local.pool import LocalPool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitbatch_core.pools.base import Pool
    from gitbatch_core.pools.htcondor.probe import Probe

_log = logging.getLogger(__name__)

KINDS = ("auto", "htcondor", "local")


def find_htcondor(kind: str) -> Probe:
    """What there is of an HTCondor pool, for a run that wants this kind. Raises PoolError where
    there has to be one and is none, and for what is no kind of pool."""
    from gitbatch_core.pools.htcondor.probe import Probe, probe

    if kind not in KINDS:
        raise PoolError(f"There is no pool `{kind}`", hint=f"Choose one of {', '.join(KINDS)}.")
    if kind == "local":
        return Probe(answers=False, text="as asked")
    found = probe()
    if kind == "htcondor" and not found.answers:
        raise PoolError(
            f"No HTCondor to run on: {found.text}",
            hint="Run on the access point of a pool, or point CONDOR_CONFIG to its "
            "configuration; without HTCondor, `--gitbatch-pool local` uses this machine.",
        )
    return found


def choose(
    kind: str,
    *,
    run: str,
    private_folder: Path,
    cores: int | None = None,
    unmatched: str = "refuse",
    held_timeout_s: int = 14400,
    notice: Callable[[str], None] = _log.warning,
) -> tuple[Pool, str]:
    """The pool for `run` and a line that says which and why.

    `auto` is HTCondor where its bindings are installed and a schedd answers, else this machine.
    `cores` limits the local pool only; for the last three, see `HTCondorPool`. Raises PoolError for
    `htcondor` where there is none.
    """
    found = find_htcondor(kind)
    if found.answers:
        # Imported here: the local pool must work, and start fast, without HTCondor's bindings.
        from gitbatch_core.pools.htcondor.pool import HTCondorPool

        pool: Pool = HTCondorPool(
            run=run,
            private_folder=private_folder,
            found=found,
            unmatched=unmatched,
            held_timeout_s=held_timeout_s,
            notice=notice,
        )
        return pool, f"pool: htcondor ({pool.describe()})"
    why = found.text if kind == "local" else f"no HTCondor: {found.text}"
    pool = LocalPool(cores=cores)
    return pool, f"pool: local ({why}; {pool.describe()})"
