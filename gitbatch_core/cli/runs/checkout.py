"""gitbatch runs checkout: check out the results of a run in a work tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitbatch_core.cli import output
from gitbatch_core.cli.runs.opening import runs_here
from gitbatch_core.history.checkout import check_out
from gitbatch_core.wording import listed

if TYPE_CHECKING:
    import argparse

_MOST = 20


def checkout(arguments: argparse.Namespace) -> int:
    """Do it; prints the folder to start Snakemake in. 1 where not all of it can be had."""
    runs = runs_here()
    run = runs.one(arguments.run)
    done = check_out(runs, run, into=arguments.into, archive=arguments.archive)
    print(done.folder)
    if done.missing:
        _list(f"The archive {done.archive.root} lacks these, or some of each:", done.missing)
        if done.is_other_archive:
            output.message(
                "It is another archive than the run's. Name that one: git config gitbatch.archive "
                f"DIR; then, in that folder: gitbatch runs checkout {run.run}"
            )
    if done.strange:
        _list("These lie in folders that the run made, but are none of it:", done.strange)
    return 1 if done.missing else 0


def _list(head: str, paths: list[str]) -> None:
    output.message(f"{head}\n{listed(map(output.printable, paths), _MOST)}")
