"""Report everything that would make a start with these arguments of Snakemake fail.

Nothing is started or submitted, and nothing is written to your folder, git or the archive. Exit
code 0: the run would start. 1: the run, or one of its jobs, would be refused.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitbatch_core import snakemake_command
from gitbatch_core.cli import output
from gitbatch_core.errors import RunError
from gitbatch_core.run import controller
from gitbatch_core.run.obstacles import Obstacle, as_list, blocks
from gitbatch_core.wording import count

if TYPE_CHECKING:
    import argparse

TAKES_REST = True
"""All arguments that are not this verb's are Snakemake's."""

_MODULE = "snakemake_executor_plugin_gitbatch.run.check_program"
_MOST_LINES = 40
_READING, _HEADER = "Building DAG of jobs...\n", re.compile(r"SNAKEMAKE\n=+\n(  .*\n)+")
"""Of what Snakemake prints before anything can be wrong."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = "gitbatch check [--json] [ARGUMENTS OF SNAKEMAKE]"
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print what was found."""
    archive = () if arguments.archive is None else snakemake_command.archive(arguments.archive)
    command = controller.ControllerCommand.new([*archive, *arguments.more], message=None)
    with tempfile.TemporaryDirectory(prefix="gitbatch-") as folder:
        file = Path(folder, "report.json")
        done = subprocess.run(
            [sys.executable, "-m", _MODULE, str(file), *command.arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="surrogateescape",
        )
        if done.returncode not in (0, 1) or not file.exists():
            print(done.stdout, end="", file=sys.stderr)
            if done.returncode in (2, 3):
                return done.returncode
            raise RunError("Snakemake ended before there was anything to look at; see above.")
        preview = json.loads(file.read_bytes())
    if done.returncode != 0:
        preview["obstacles"].insert(0, _of_snakemake(done.stdout))
    if arguments.json:
        output.print_json(preview)
    else:
        _show(preview)
    return 1 if preview["obstacles"] else 0


def _of_snakemake(printed: str) -> dict[str, Any]:
    """What Snakemake itself says against a start."""
    words = printed.rpartition(_READING)[2] if _READING in printed else _HEADER.sub("", printed)
    text = "\n".join(["Snakemake cannot start:", *words.strip().splitlines()[-_MOST_LINES:]])
    return {"kind": "workflow", "text": text, "hint": "", "names": []}


def _show(preview: dict[str, Any]) -> None:
    obstacles = [
        Obstacle(**each | {"names": tuple(each["names"])}) for each in preview["obstacles"]
    ]
    if obstacles:
        print("A start would be refused:")
        print(_clean(as_list(blocks(obstacles))))
    elif not preview["jobs"]:
        print("There is nothing to do.")
    else:
        jobs = count(preview["jobs"], "job")
        commit, pool = preview["commit"][:10], preview["pool"]
        print(f"The run would start: {jobs}, commit {commit}, pool {pool}")
    for note in preview["notes"]:
        output.message(f"gitbatch: {note}")


def _clean(text: str) -> str:
    return "\n".join(map(output.printable, text.split("\n")))
