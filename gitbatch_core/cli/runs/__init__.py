"""Look at the runs of this repository and manage them.

RUN is an id, or how it begins or ends; a tag; a commit that holds .gitbatch/run.json; or `last`
(`@`), the latest that is no attempt to reproduce another. Where several can be named, also A..B:
all from A to B, by time; A and B may be beginnings of ids, such as 20261101, and either may be left
out.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core.cli.main import add_archive_option

if TYPE_CHECKING:
    from collections.abc import Callable

_ACTIONS = {
    "ls": "listing",
    "show": "show",
    "out": "out",
    "diff": "diff",
    "note": "marks",
    "tag": "marks",
    "keep": "marks",
    "rm": "rm",
    "checkout": "checkout",
    "attach": "control",
    "cancel": "control",
}
"""Action, and the module that has it as a function."""

_RUN_HELP = "id or an end of it, tag, commit, or `last`: see gitbatch runs --help"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions and their arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_archive_option(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    shown = 20

    def add(name: str, text: str, run: str = "", **run_options: str) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=text, description=text, allow_abbrev=False)
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
    ls.add_argument("range", metavar="RANGE", nargs="?", help="these runs only: A..B, or RUN")
    ls.add_argument("--all", action="store_true", help="list all runs")
    show = add("show", "all that matters of a run at a glance", "run")
    out = add("out", "what a run printed: its own log, or those of jobs", "run")
    out.add_argument(
        "names", metavar="RULE|PATH", nargs="*", help="of these rules' jobs, or of who made these"
    )
    diff = add("diff", "show how two runs differ (exit code 1 where they do)", "then")
    diff.add_argument("now", metavar="RUN", help=_RUN_HELP)
    diff.add_argument("--patch", action="store_true", help="show the code's changes in full")
    for action in (ls, show, diff):
        action.add_argument("--json", action="store_true", help="print JSON")
    note = add("note", "write a note on a run, or show it", "run")
    note.add_argument("text", metavar="TEXT|-", nargs="?", help="the note; -: from standard input")
    note.add_argument("--remove", action="store_true", help="take it away")
    tag = add("tag", "give a run a name: a git tag", "run", nargs="?")
    tag.add_argument("name", metavar="NAME", nargs="?", help="of the tag")
    tag.add_argument("--delete", metavar="NAME", help="take away the tag NAME of a run instead")
    keep = add("keep", "keep runs from being removed", "runs", nargs="+")
    keep.add_argument("--off", action="store_true", help="let them be removed again")
    rm = add("rm", "forget runs: commit, tags, note; nothing of the archive", "runs", nargs="+")
    rm.add_argument("--dry-run", action="store_true", help="say what would be removed, no more")
    rm.add_argument("-y", "--yes", action="store_true", help="do not ask")
    checkout = add("checkout", "have a run's results here, or in a new work tree", "run")
    checkout.add_argument("--into", metavar="DIR", type=Path, help="a new linked work tree")
    for name, text in (
        ("attach", "show what a run prints, until it ends; Ctrl-C stops showing it"),
        ("cancel", "end a run and its jobs, also where its controller is gone"),
    ):
        add(name, text, "run", nargs="?", default="", help=f"{_RUN_HELP}; default: the only one")
    parser.set_defaults(action="ls", range=None, all=False, json=False, shown=shown)


def run(arguments: argparse.Namespace) -> int:
    """Do it. 1: two runs differ, or an attached one did not succeed."""
    module = importlib.import_module(f"{__name__}.{_ACTIONS[arguments.action]}")
    function: Callable[[argparse.Namespace], int] = getattr(module, arguments.action)
    return function(arguments)
