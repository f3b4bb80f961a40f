"""gitbatch runs keep: keep runs from being removed, or let them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitbatch_core.cli.runs.opening import runs_here
from gitbatch_core.history import marks

if TYPE_CHECKING:
    import argparse


def keep(arguments: argparse.Namespace) -> int:
    """Keep runs from being removed, or let them."""
    runs = runs_here()
    chosen = runs.some(arguments.runs)
    for run in chosen:
        run.ended()
    for run in chosen:
        (marks.let_go if arguments.off else marks.keep)(runs, run)
    return 0
