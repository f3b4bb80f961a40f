"""gitbatch runs attach and cancel: follow a run, end it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core.cli import output
from gitbatch_core.errors import RunError
from gitbatch_core.git.repository import Repository
from gitbatch_core.history import run_names, summary
from gitbatch_core.run import controller
from gitbatch_core.run.lease import Owner, owners

if TYPE_CHECKING:
    import argparse

_ENDED_S = 120.0
_WHAT = "run that has not ended"


def attach(arguments: argparse.Namespace) -> int:
    """Show what it prints; 0 where it succeeded, else 1."""
    repository = Repository.find(Path.cwd())
    return _attach(repository, run_names.open_run(owners(repository), arguments.run, what=_WHAT))


def cancel(arguments: argparse.Namespace) -> int:
    """End it."""
    repository = Repository.find(Path.cwd())
    return _cancel(repository, run_names.open_run(owners(repository), arguments.run, what=_WHAT))


def _attach(repository: Repository, owner: Owner) -> int:
    log = Path(owner.about["log"])
    if not log.is_file():
        raise RunError(f"The log of run {owner.run} is not there: {log}")
    for text in controller.follow(log, lambda: _goes_on(repository, owner)):
        print(text, end="", flush=True)
    ended = [e for e in summary.entries(run_names.Runs.of(repository)) if e.run == owner.run]
    state = ended[0].state if ended else ""
    if state in (summary.RUNNING, summary.LOST):
        output.message(
            f"The controller of run {owner.run} is gone: gitbatch run --resume {owner.run}"
        )
    return 0 if state == "succeeded" else 1


def _goes_on(repository: Repository, owner: Owner) -> bool:
    return any(each.run == owner.run and not each.is_dead for each in owners(repository))


def _cancel(repository: Repository, owner: Owner) -> int:
    if owner.is_dead:
        if owner.pool == "htcondor":
            from gitbatch_core.pools.htcondor.leftovers import remove_jobs

            remove_jobs(owner.run)
        owner.cancel()
        output.message(f"run {owner.run} is cancelled; the next start clears it away")
        return 0
    if owner.host != os.uname().nodename:
        raise RunError(
            f"The controller of run {owner.run} is on {owner.host}.",
            hint=f"There: gitbatch runs cancel {owner.run}",
        )
    os.kill(owner.pid, signal.SIGINT)
    deadline = time.monotonic() + _ENDED_S
    while _goes_on(repository, owner):
        if time.monotonic() > deadline:
            raise RunError(
                f"The controller of run {owner.run}, process {owner.pid}, was asked to end, but "
                f"goes on after {_ENDED_S:.0f} s."
            )
        time.sleep(0.1)
    output.message(f"run {owner.run} has ended")
    return 0
