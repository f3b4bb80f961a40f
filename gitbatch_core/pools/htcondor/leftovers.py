"""Jobs in the queue of runs whose controllers are gone."""

from __future__ import annotations

import time

from gitbatch_core.errors import PoolError
from gitbatch_core.pools.htcondor.probe import probe

_GONE_S = 60.0


def has_jobs(run: str) -> bool:
    """Whether the queue holds jobs of the run with this id, in any state. Raises PoolError where
    no schedd answers."""
    schedd = probe()
    if not schedd.answers:
        raise PoolError(f"The queue cannot be asked for jobs of run {run}: {schedd.text}")
    from gitbatch_core.pools.htcondor.schedd import Schedd

    return bool(Schedd().query(_of(run), ["ClusterId"]))


def remove_jobs(run: str) -> None:
    """Remove all jobs of the run with this id, and wait until they are gone. Raises PoolError."""
    if not has_jobs(run):
        return
    from gitbatch_core.pools.htcondor.schedd import Schedd

    Schedd().remove(_of(run), "cancelled by gitbatch")
    deadline = time.monotonic() + _GONE_S
    while Schedd().query(_of(run), ["ClusterId"]):
        if time.monotonic() > deadline:
            raise PoolError(
                f"Jobs of run {run} were removed, but are still in the queue after "
                f"{_GONE_S:.0f} seconds.",
                hint=f"condor_q -constraint '{_of(run)}' shows them.",
            )
        time.sleep(0.1)


def _of(run: str) -> str:
    return f'GitbatchRun == "{run}"'
