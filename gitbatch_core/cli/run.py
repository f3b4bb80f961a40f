"""Run a workflow independently of the terminal, or resume a run whose controller has died.

You see the output of the controller (Snakemake's main process), which continues if the terminal
closes. Ctrl-C ends the run. With --detach, nothing is shown; on HTCondor the controller is then a
job of the local universe, which the schedd restarts after a crash.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core import snakemake_command
from gitbatch_core.cli import output
from gitbatch_core.errors import RunError, UsageError
from gitbatch_core.git.repository import Repository
from gitbatch_core.history import run_names
from gitbatch_core.pools import choose
from gitbatch_core.run import controller
from gitbatch_core.run.lease import owners

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from subprocess import Popen

    from gitbatch_core.pools.base import PoolKind
    from gitbatch_core.run.controller import ControllerCommand

_STARTED_S = 300.0
"""Reading a large workflow takes its time, and so may the start of a job."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = (
        "gitbatch run [--detach] [-m TEXT] -- ARGUMENTS OF SNAKEMAKE\n"
        "       gitbatch run [--detach] --resume [RUN] [-- ARGUMENTS OF SNAKEMAKE]"
    )
    parser.add_argument(
        "--detach", action="store_true", help="return as soon as the run has started"
    )
    parser.add_argument("-m", "--message", metavar="TEXT", help="what the run is for")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="",
        metavar="RUN",
        help="resume this run, whose controller has died; default: the only lost run",
    )
    parser.add_argument(
        "arguments",
        nargs="*",
        metavar="ARGUMENTS",
        help="arguments of snakemake; with --resume, default: those of the run",
    )


def run(arguments: argparse.Namespace) -> int:
    """Do it; Snakemake's exit status."""
    repository = Repository.find(Path.cwd())
    if arguments.resume is None:
        command = controller.ControllerCommand.new(arguments.arguments, message=arguments.message)
    else:
        if arguments.message is not None:
            raise UsageError("A resumed run has its message already: leave --message out.")
        dead = [o for o in owners(repository) if o.is_dead and not o.is_cancelled]
        what = "run, started on this host, that has lost its controller"
        lost = run_names.open_run(dead, arguments.resume, what=what)
        command = controller.ControllerCommand.again(lost, arguments.arguments)
        controller.release_lock(lost)
    return _detached(command, repository) if arguments.detach else _attached(command)


def _attached(command: ControllerCommand) -> int:
    log = command.new_log()
    process = controller.start_process(command, log)
    signal.signal(signal.SIGINT, lambda *_: process.send_signal(signal.SIGINT))
    for text in controller.follow(log, lambda: process.poll() is None):
        print(text, end="", flush=True)
    status = process.wait()
    return status if status >= 0 else 128 - status


def _detached(command: ControllerCommand, repository: Repository) -> int:
    log = command.new_log()
    process: Popen[bytes] | None = None
    kind = _pool_of(command)
    if (submit := kind.controller_submit()) is not None:
        id = controller.start_job(submit, command, log, repository)
        output.message(f"The controller is job {id} of {kind.label}")
        goes_on: Callable[[], bool] = controller.job_folder(log, repository).exists
    else:
        process = controller.start_process(command, log)
        goes_on = lambda: process.poll() is None  # noqa: E731
    deadline = time.monotonic() + _STARTED_S
    while time.monotonic() < deadline:
        if (owner := controller.owner_of(repository, log)) is not None:
            print(owner.run)
            output.message(f"gitbatch runs attach {owner.run}  # shows it, gitbatch runs: all")
            return 0
        if not goes_on():  # nothing to do, an error, or a run of no time at all
            print(log.read_text(errors="replace"), end="", file=sys.stderr)
            return process.wait() if process else controller.status_of(log)
        time.sleep(0.1)
    raise RunError(f"The run has not started in {_STARTED_S:.0f} s.", hint=f"See its log: {log}")


def _pool_of(command: ControllerCommand) -> PoolKind:
    """The kind of the run's pool, as far as its arguments say. Raises PoolError."""
    kind, _ = choose.find(snakemake_command.pool(command.arguments) or choose.AUTO)
    return kind
