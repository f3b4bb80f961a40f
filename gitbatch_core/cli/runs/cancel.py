"""gitbatch runs cancel: end a run and its jobs, also where its controller has died."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core.cli import output
from gitbatch_core.cli.runs.opening import goes_on, open_run
from gitbatch_core.errors import RunError
from gitbatch_core.git.repository import Repository
from gitbatch_core.pools import choose

if TYPE_CHECKING:
    import argparse

    from gitbatch_core.run.lease import Owner

_ENDED_S = 120.0


def cancel(arguments: argparse.Namespace) -> int:
    """End it."""
    repository = Repository.find(Path.cwd())
    owner = open_run(repository, arguments.run)
    if owner.is_dead:
        _cancel_lost(owner)
    else:
        _interrupt(repository, owner)
    return 0


def _cancel_lost(owner: Owner) -> None:
    choose.kind_named(owner.pool).remove_jobs(owner.run)
    owner.cancel()
    output.message(f"Run {owner.run} is cancelled; the next start removes what is left of it.")


def _interrupt(repository: Repository, owner: Owner) -> None:
    """Ask the controller to end, and wait until it has."""
    if owner.host != os.uname().nodename:
        raise RunError(
            f"The controller of run {owner.run} is on {owner.host}.",
            hint=f"There: gitbatch runs cancel {owner.run}",
        )
    os.kill(owner.pid, signal.SIGINT)
    deadline = time.monotonic() + _ENDED_S
    while goes_on(repository, owner):
        if time.monotonic() > deadline:
            raise RunError(
                f"The controller of run {owner.run}, process {owner.pid}, was asked to end, but "
                f"has not ended after {_ENDED_S:.0f} s."
            )
        time.sleep(0.1)
    output.message(f"Run {owner.run} has ended.")
