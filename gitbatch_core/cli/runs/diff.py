"""gitbatch runs diff: show how two runs differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitbatch_core.cli import output
from gitbatch_core.cli.runs.opening import runs_here
from gitbatch_core.history import run_diff
from gitbatch_core.run import run_commit
from gitbatch_core.wording import job_title

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from gitbatch_core.model.documents import Document


def diff(arguments: argparse.Namespace) -> int:
    """Print it; 1 where anything differs."""
    runs = runs_here()
    then, now = (
        run_commit.read(runs.repository, runs.one(name).ended())
        for name in (arguments.then, arguments.now)
    )
    difference = run_diff.difference(runs.repository, then, now)
    if arguments.patch:
        difference["patch"] = run_diff.code(runs.repository, then, now)
    if arguments.json:
        output.print_json(difference)
    else:
        _print(difference)
    return 1 if run_diff.differs(difference) else 0


def _print(difference: Document) -> None:
    if code := difference.get("patch", difference["code"]):
        print("code")
        print("".join(f"  {line}\n" for line in code.splitlines()), end="")
    for name in ("start", "config"):
        _section(name, (_change(change) for change in difference[name]))
    _section("rules", map(_rule, difference["rules"]))
    for name in ("inputs", "outputs"):
        _section(name, map(_file, difference[name]))
    _section("environment", (_change(change) for change in difference["environment"]))
    output.message(
        f"outputs: {difference['outputs_same']} the same, {len(difference['outputs'])} not"
    )


def _section(name: str, lines: Iterable[str]) -> None:
    for number, line in enumerate(lines):
        if not number:
            print(name)
        print(f"  {output.printable(line)}")


def _change(change: Document) -> str:
    return (
        f"{change['what']}: {output.json_text(change['then'])} -> {output.json_text(change['now'])}"
    )


def _rule(change: Document) -> str:
    if "only" in change:
        return f"{change['rule']}: only in the {'first' if change['only'] == 'then' else 'second'}"
    jobs = "" if change["jobs"] == 1 else f" ({change['jobs']} jobs)"
    return f"{job_title(change['rule'], change['wildcards'])}{jobs}: {_change(change)}"


def _file(change: Document) -> str:
    if change["now"] is None:
        return f"only in the first: {change['what']}"
    if change["then"] is None:
        return f"only in the second: {change['what']}"
    return f"differs: {change['what']}"
