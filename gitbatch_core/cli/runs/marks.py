"""gitbatch runs note, tag and keep: marks that users put on runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from gitbatch_core.cli import output
from gitbatch_core.cli.runs.opening import runs_here
from gitbatch_core.errors import UsageError
from gitbatch_core.history import marks

if TYPE_CHECKING:
    import argparse


def note(arguments: argparse.Namespace) -> int:
    """Show, write or remove the note of a run."""
    runs = runs_here()
    known = runs.one(arguments.run)
    if arguments.remove:
        if arguments.text is not None:
            raise UsageError("--remove takes no text.")
        marks.remove_note(runs, known)
    elif arguments.text is None:
        print(marks.note(runs, known), end="")
    else:
        text = sys.stdin.read() if arguments.text == "-" else arguments.text
        marks.write_note(runs, known, text)
    return 0


def tag(arguments: argparse.Namespace) -> int:
    """Give a run a tag, or take one away."""
    runs = runs_here()
    if arguments.delete is not None:
        if arguments.run is not None:
            raise UsageError("--delete takes the tag's name only.")
        run = marks.delete_tag(runs, arguments.delete)
        output.message(f"run {run} is no longer called {arguments.delete}")
    elif arguments.name is None:
        raise UsageError("Which run, and which name?", hint="gitbatch runs tag RUN NAME")
    else:
        marks.tag(runs, runs.one(arguments.run), arguments.name)
    return 0


def keep(arguments: argparse.Namespace) -> int:
    """Keep runs from being removed, or let them."""
    runs = runs_here()
    chosen = runs.some(arguments.runs)
    for known in chosen:
        known.ended()
    for known in chosen:
        (marks.let_go if arguments.off else marks.keep)(runs, known)
    return 0
