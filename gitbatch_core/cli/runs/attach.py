"""gitbatch runs attach: show what a run prints, until it ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core.cli import output
from gitbatch_core.cli.runs.opening import goes_on, open_run
from gitbatch_core.errors import RunError
from gitbatch_core.git.repository import Repository
from gitbatch_core.history import run_names, summary
from gitbatch_core.run import controller

if TYPE_CHECKING:
    import argparse


def attach(arguments: argparse.Namespace) -> int:
    """Show what it prints; 0 where it succeeded, else 1."""
    repository = Repository.find(Path.cwd())
    owner = open_run(repository, arguments.run)
    log = Path(owner.about["log"])
    if not log.is_file():
        raise RunError(f"The log of run {owner.run} is missing: {log}.")
    for text in controller.follow(log, lambda: goes_on(repository, owner)):
        print(text, end="", flush=True)
    ended = [e for e in summary.entries(run_names.Runs.of(repository)) if e.run == owner.run]
    state = ended[0].state if ended else ""
    if state in (summary.RUNNING, summary.LOST):
        output.message(
            f"Run {owner.run} is lost: its controller has died. To resume it: "
            f"gitbatch run --resume {owner.run}"
        )
    return 0 if state == "succeeded" else 1
