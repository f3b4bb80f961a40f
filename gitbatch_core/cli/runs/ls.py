"""gitbatch runs ls: one line per run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitbatch_core.cli import output
from gitbatch_core.cli.runs.opening import runs_here
from gitbatch_core.history import summary
from gitbatch_core.run.run_commit import TAGS

if TYPE_CHECKING:
    import argparse

_HEAD = ("RUN", "STATE", "JOBS", "STARTED (UTC)", "COMMIT", "POOL", "TAGS", "MESSAGE")
_LONGEST = 60


def ls(arguments: argparse.Namespace) -> int:
    """List them, the latest last."""
    runs = runs_here()
    chosen = None if arguments.range is None else runs.some([arguments.range])
    summaries = summary.entries(runs, chosen)
    if arguments.json:
        output.print_json([entry.as_json() for entry in summaries])
        return 0
    shown = summaries if arguments.all or chosen is not None else summaries[-arguments.shown :]
    if shown:
        output.table([_HEAD, *map(_row, shown)], right=frozenset({2}))
    if len(shown) < len(summaries):
        output.message(f"{len(summaries) - len(shown)} earlier ones: gitbatch runs ls --all")
    for entry in summaries:
        if entry.state == summary.LOST:
            output.message(
                f"Run {entry.run} is lost: its controller has died, and its jobs may still run. "
                f"gitbatch run --resume {entry.run} resumes it, gitbatch runs cancel "
                f"{entry.run} ends it."
            )
    return 0


def _row(entry: summary.RunSummary) -> tuple[str, ...]:
    jobs = str(entry.jobs_done) if entry.jobs is None else f"{entry.jobs_done} of {entry.jobs}"
    marks = [entry.state, *["tainted"] * entry.tainted, *["kept"] * entry.kept]
    marks += ["reproduction"] * (entry.reproduces is not None)
    own = TAGS + entry.run
    tags = [f"{TAGS}…" if tag == own else tag for tag in entry.tags]
    return (
        entry.run,
        ", ".join(marks),
        jobs,
        entry.started.replace("T", " ")[:16],
        entry.commit[:10],
        entry.pool,
        output.printable(" ".join(tags)),
        "; ".join(filter(None, (_first_line(entry.message), _first_line(entry.note)))),
    )


def _first_line(text: str) -> str:
    return output.printable(text.partition("\n")[0][:_LONGEST])
