"""gitbatch runs note: what a user says of a run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from gitbatch_core.cli.runs.opening import runs_here
from gitbatch_core.errors import UsageError
from gitbatch_core.history import marks

if TYPE_CHECKING:
    import argparse


def note(arguments: argparse.Namespace) -> int:
    """Show, write or remove the note of a run."""
    runs = runs_here()
    run = runs.one(arguments.run)
    if arguments.remove:
        if arguments.text is not None:
            raise UsageError("--remove takes no text.")
        marks.remove_note(runs, run)
    elif arguments.text is None:
        print(marks.note(runs, run), end="")
    else:
        text = sys.stdin.read() if arguments.text == "-" else arguments.text
        marks.write_note(runs, run, text)
    return 0
