"""What runs that are gone have left in the queue."""

from __future__ import annotations

from gitbatch_core.errors import PoolError
from gitbatch_core.pools.htcondor.probe import probe


def has_jobs(run: str) -> bool:
    """Whether the queue holds jobs of the run with this id, in any state. Raises PoolError where
    no schedd answers."""
    found = probe()
    if not found.answers:
        raise PoolError(f"The queue cannot be asked for jobs of run {run}: {found.text}")
    from gitbatch_core.pools.htcondor.schedd import Schedd

    return bool(Schedd().query(f'GitbatchRun == "{run}"', ["ClusterId"]))
