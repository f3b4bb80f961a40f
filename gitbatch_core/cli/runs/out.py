"""gitbatch runs out: the output of a run, or the logs of its jobs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from gitbatch_core.cli import output
from gitbatch_core.cli.runs.opening import archive_of, runs_here
from gitbatch_core.history import logs

if TYPE_CHECKING:
    import argparse


def out(arguments: argparse.Namespace) -> int:
    """Print it; of several texts, each with a line that says what it is."""
    runs = runs_here()
    run, archive = runs.one(arguments.run), archive_of(runs, arguments)
    texts = [] if arguments.names else [logs.of_run(runs, run, archive)]
    for name in arguments.names:
        printed = logs.of_jobs(runs, run, archive, name)
        texts += printed
        if not printed:
            output.message(f"{name}: no log. It declares none, and no failed job has left one.")
    for text in texts:
        if len(texts) > 1:
            print(f"==> {output.printable(text.title)} <==", flush=True)
        sys.stdout.buffer.write(text.data)
        if len(texts) > 1 and not text.data.endswith(b"\n"):
            sys.stdout.buffer.write(b"\n")
        sys.stdout.flush()
    return 0
