"""Inspect and manage the runs of this repository.

RUN is an id, or its beginning or end; a tag; a commit that contains
.gitbatch/run.json; or `last` (`@`), the latest run that is not an attempt to
reproduce another. Actions that take several runs also take a range A..B, by
time and inclusive. A and B may be beginnings of ids, such as 20261101, and
either may be omitted.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core.cli.main import add_archive_option

if TYPE_CHECKING:
    from collections.abc import Callable

_RUN_HELP = "id, its beginning or end, tag, commit, or `last`: see gitbatch runs --help"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions and their arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_archive_option(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    shown = 20

    def add(name: str, text: str, run: str = "", **run_options: str) -> argparse.ArgumentParser:
        description = f"{text[0].upper()}{text[1:]}."
        action = actions.add_parser(name, help=text, description=description, allow_abbrev=False)
        # Without a default, or it would hide the one that stands before the action.
        action.add_argument(
            "--archive",
            metavar="PATH",
            type=Path,
            default=argparse.SUPPRESS,
            help="the archive's folder",
        )
        if run:
            run_options = {"help": _RUN_HELP, **run_options}
            action.add_argument(run, metavar="RUN", **run_options)  # type: ignore[arg-type]
        return action

    ls = add("ls", f"list the last {shown} runs (this is the default)")
    ls.add_argument("range", metavar="RANGE", nargs="?", help="only these runs: A..B, or RUN")
    ls.add_argument("--all", action="store_true", help="list all runs")
    show = add("show", "show the essentials of a run", "run")
    out = add("out", "show the output of a run, or the logs of its jobs", "run")
    out.add_argument(
        "names",
        metavar="RULE|PATH",
        nargs="*",
        help="jobs of this rule, or the job that made this path",
    )
    diff = add("diff", "show how two runs differ (exit code 1 if they do)", "then")
    diff.add_argument("now", metavar="RUN", help=_RUN_HELP)
    diff.add_argument("--patch", action="store_true", help="show all changes of the code")
    for action in (ls, show, diff):
        action.add_argument("--json", action="store_true", help="print JSON")
    note = add("note", "write or show a note on a run", "run")
    note.add_argument("text", metavar="TEXT|-", nargs="?", help="the note; - reads standard input")
    note.add_argument("--remove", action="store_true", help="remove the note")
    tag = add("tag", "tag a run with a git tag", "run", nargs="?")
    tag.add_argument("name", metavar="NAME", nargs="?", help="name of the tag")
    tag.add_argument("--delete", metavar="NAME", help="delete the tag NAME of a run instead")
    keep = add("keep", "protect runs from removal", "runs", nargs="+")
    keep.add_argument("--off", action="store_true", help="remove the protection")
    rm = add("rm", "remove runs (commit, tags, note), but no data", "runs", nargs="+")
    rm.add_argument("--dry-run", action="store_true", help="only show what would be removed")
    rm.add_argument("-y", "--yes", action="store_true", help="do not ask for confirmation")
    checkout = add("checkout", "check out the results of a run, here or in a new work tree", "run")
    checkout.add_argument(
        "--into", metavar="DIR", type=Path, help="create a linked work tree there"
    )
    for name, text in (
        ("attach", "follow the output of a run until it ends; Ctrl-C only stops following"),
        ("cancel", "end a run and its jobs, even if its controller has died"),
    ):
        add(name, text, "run", nargs="?", default="", help=f"{_RUN_HELP}; default: the only one")
    parser.set_defaults(action="ls", range=None, all=False, json=False, shown=shown)


def run(arguments: argparse.Namespace) -> int:
    """Do it. 1: two runs differ, or an attached one did not succeed."""
    module = importlib.import_module(f"{__name__}.{arguments.action}")
    function: Callable[[argparse.Namespace], int] = getattr(module, arguments.action)
    return function(arguments)
