"""Check whether runs can work here: git, archive, pool. Exit code 1: something is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core.cli import output
from gitbatch_core.cli.main import add_archive_option
from gitbatch_core.doctor import archive, machine, trial
from gitbatch_core.errors import GitbatchError, PoolError, UsageError
from gitbatch_core.model.check import Check, failed, wrong
from gitbatch_core.pools import choose

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_archive_option(parser)
    parser.add_argument(
        "--pool",
        choices=choose.names(),
        default=choose.AUTO,
        help="pool to check, as --gitbatch-pool",
    )
    parser.add_argument(
        "--worktrees",
        metavar="DIR",
        type=Path,
        help="folder for worktrees, as --gitbatch-worktrees",
    )
    parser.add_argument("--job", action="store_true", help="also run one tiny job in the pool")
    parser.add_argument(
        "--wait",
        metavar="S",
        type=float,
        default=300.0,
        help="seconds to wait for that job (default: %(default)g)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print what was found, as it is found."""
    if arguments.wait <= 0:
        raise UsageError("--wait takes a number of seconds above 0")
    checks = []
    for check in _checks(arguments):
        checks.append(check)
        if not arguments.json:
            _show(check)
    if arguments.json:
        output.print_json([vars(check) for check in checks])
    return 0 if all(check.ok for check in checks) else 1


def _checks(arguments: argparse.Namespace) -> Iterator[Check]:
    here = Path.cwd()
    yield machine.git(here)
    repository, checks = machine.repository(here)
    yield from checks
    yield from machine.software()
    yield machine.temporary()
    try:
        yield from archive.checks(repository, arguments.archive, arguments.worktrees)
    except (GitbatchError, OSError) as error:
        yield wrong("archive", str(error))
    if repository is not None:
        yield machine.event_log(repository)
    yield from _pool(arguments.pool)
    if arguments.job and repository is None:
        yield wrong("job", "without a repository there is nothing to run it from")
    elif arguments.job:
        assert repository is not None
        yield trial.trial(
            repository, arguments.archive, arguments.worktrees, arguments.pool, arguments.wait
        )


def _pool(name: str) -> Iterator[Check]:
    """Of the pool that a run with `--gitbatch-pool NAME` would use."""
    try:
        kind, availability = choose.find(name)
    except PoolError as error:
        yield failed("pool", error)
        return
    yield from kind.checks(availability)


def _show(check: Check) -> None:
    word = "ok" if check.ok else "WRONG"
    print(f"{word:<5}  {check.check}: {_line(check.text)}", flush=True)
    if check.hint:
        print(f"       {_line(check.hint)}", flush=True)


def _line(text: str) -> str:
    return output.printable(" ".join(text.split()))
