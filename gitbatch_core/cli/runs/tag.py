"""gitbatch runs tag: names for runs, as git tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitbatch_core.cli import output
from gitbatch_core.cli.runs.opening import runs_here
from gitbatch_core.errors import UsageError
from gitbatch_core.history import marks

if TYPE_CHECKING:
    import argparse


def tag(arguments: argparse.Namespace) -> int:
    """Give a run a tag, or take one away."""
    runs = runs_here()
    if arguments.delete is not None:
        if arguments.run is not None:
            raise UsageError("--delete takes the tag's name only.")
        run = marks.delete_tag(runs, arguments.delete)
        output.message(f"Run {run} is no longer called {arguments.delete}.")
    elif arguments.name is None:
        raise UsageError("Which run, and which name?", hint="gitbatch runs tag RUN NAME")
    else:
        marks.tag(runs, runs.one(arguments.run), arguments.name)
    return 0
