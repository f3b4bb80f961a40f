"""List the runs of this repository, follow one, end one."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core.cli import output
from gitbatch_core.errors import RunError
from gitbatch_core.git.repo import Repository
from gitbatch_core.runs import controller, overview
from gitbatch_core.runs.owner import Owner, owners

if TYPE_CHECKING:
    import argparse

_ENDED_S = 120.0
_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    verbs = parser.add_subparsers(dest="action", metavar="ACTION")
    ls = verbs.add_parser("ls", help=f"list the last {_SHOWN} runs (this is the default)")
    ls.add_argument("--all", action="store_true", help="list all runs")
    ls.add_argument("--json", action="store_true", help="print a JSON list")
    attach = verbs.add_parser(
        "attach", help="show what a run prints, until it ends; Ctrl-C stops showing it"
    )
    cancel = verbs.add_parser(
        "cancel", help="end a run and its jobs, also where its controller is gone"
    )
    for verb in (attach, cancel):
        verb.add_argument(
            "run", metavar="RUN", nargs="?", default="", help="its id, or how it begins or ends"
        )
    parser.set_defaults(action="ls", all=False, json=False)


def run(arguments: argparse.Namespace) -> int:
    """List: one line per run. Attach: 0 where the run succeeded, else 1."""
    repository = Repository.find(Path.cwd())
    if arguments.action == "ls":
        return _list(repository, every=arguments.all, as_json=arguments.json)
    owner = overview.chosen(owners(repository), arguments.run, what="run that has not ended")
    if arguments.action == "attach":
        return _attach(repository, owner)
    return _cancel(repository, owner)


def _list(repository: Repository, *, every: bool, as_json: bool) -> int:
    found = overview.entries(repository)
    if as_json:
        output.print_json([entry.as_json() for entry in found])
        return 0
    shown = found if every else found[-_SHOWN:]
    if shown:
        head = [("RUN", "STATE", "JOBS", "STARTED (UTC)", "COMMIT", "POOL", "MESSAGE")]
        output.table(head + [_row(entry) for entry in shown], right=frozenset({2}))
    if len(shown) < len(found):
        output.message(f"{len(found) - len(shown)} earlier ones: gitbatch runs ls --all")
    for entry in found:
        if entry.state == overview.LOST:
            output.message(
                f"The controller of {entry.run} is gone, and its jobs may go on. "
                f"gitbatch run --resume {entry.run} goes on with it, gitbatch runs cancel "
                f"{entry.run} ends it."
            )
    return 0


def _row(entry: overview.Entry) -> tuple[str, ...]:
    jobs = str(entry.jobs_done) if entry.jobs is None else f"{entry.jobs_done} of {entry.jobs}"
    return (
        entry.run,
        entry.state,
        jobs,
        entry.started.replace("T", " ")[:16],
        entry.commit[:10],
        entry.pool,
        output.printable(entry.message.partition("\n")[0][:60]),
    )


def _attach(repository: Repository, owner: Owner) -> int:
    log = Path(owner.about["log"])
    if not log.is_file():
        raise RunError(f"The log of run {owner.run} is not there: {log}")
    for text in controller.follow(log, lambda: _goes_on(repository, owner)):
        print(text, end="", flush=True)
    ended = [e for e in overview.entries(repository) if e.run == owner.run]
    state = ended[0].state if ended else ""
    if state in (overview.RUNNING, overview.LOST):
        output.message(
            f"The controller of run {owner.run} is gone: gitbatch run --resume {owner.run}"
        )
    return 0 if state == "succeeded" else 1


def _goes_on(repository: Repository, owner: Owner) -> bool:
    return any(each.run == owner.run and not each.is_dead for each in owners(repository))


def _cancel(repository: Repository, owner: Owner) -> int:
    if owner.is_dead:
        if owner.pool == "htcondor":
            from gitbatch_core.pools.htcondor.left import remove_jobs

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
