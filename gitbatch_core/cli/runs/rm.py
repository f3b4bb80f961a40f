"""gitbatch runs rm: remove runs. The archive stays as it is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from gitbatch_core.cli import output
from gitbatch_core.cli.runs.opening import archive_of, runs_here
from gitbatch_core.errors import UsageError
from gitbatch_core.history import removal
from gitbatch_core.wording import count

if TYPE_CHECKING:
    import argparse


def rm(arguments: argparse.Namespace) -> int:
    """Say what goes, ask, and do it; 1 where the answer is no."""
    runs = runs_here()
    chosen = runs.some(arguments.runs)
    removal.refuse(chosen)
    if not (arguments.dry_run or arguments.yes or sys.stdin.isatty()):
        raise UsageError(
            "Cannot ask for confirmation: standard input is not a terminal.",
            hint="--dry-run shows what would be removed; -y removes it without asking.",
        )
    for run in chosen:
        tags = f"  {' '.join(run.tags)}" if run.tags else ""
        print(f"{run.run}{output.printable(tags)}")
    if (archive := archive_of(runs, arguments)) is not None:
        freed = removal.freed(runs, chosen, archive)
        output.message(
            f"Nothing else names {count(freed.objects, 'object')} of the archive "
            f"({output.human_size(freed.bytes)}), as far as this repository knows: others that "
            "share the archive may need them. Nothing is removed from the archive."
        )
    if arguments.dry_run:
        return 0
    if not arguments.yes:
        output.message(f"Forget {'this run' if len(chosen) == 1 else f'these {len(chosen)} runs'}?")
        print("[y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            return 1
    removal.forget(runs, chosen)
    return 0
