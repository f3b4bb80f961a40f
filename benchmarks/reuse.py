"""What reuse costs, and a run that has nothing to do.

    python benchmarks/reuse.py [--jobs NUMBER] [--rounds NUMBER]

Jobs that an earlier run has done, by gitbatch, against an executor that says of each job at once
that it was done, and does nothing (`peers/`): the same Snakefile, settings and reason to run, which
is an input with a new time; outputs are in place for both. And a start that finds nothing to do,
against plain Snakemake's. All are timed in turn; the ratios are those of the medians. First, the
jobs really run once: that takes most of the time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SNAKEFILE = """
rule all:
    input: expand("out/{{n}}.txt", n=range({jobs}))
rule make:
    input: "in.txt"
    output: "out/{{n}}.txt"
    shell: "echo {{wildcards.n}} > {{output}}"
"""
SETTINGS = ("--jobs", "1000", "--max-jobs-per-timespan", "100000/1s", "--scheduler", "greedy")
PEERS = Path(__file__).parent / "peers"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gitbatch-reuse-") as folder:
        top = Path(folder)
        (top / "Snakefile").write_text(SNAKEFILE.format(jobs=arguments.jobs))
        (top / "in.txt").write_text("in\n")
        (top / ".gitignore").write_text("/out/\n/.snakemake/\n")
        for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
            subprocess.run(["git", *words], cwd=top, check=True)
        gitbatch = ("--executor", "gitbatch", "--gitbatch-pool", "local")
        print(f"{arguments.jobs} jobs run once: {run(top, *gitbatch, *SETTINGS):.1f} s", flush=True)
        commands = {
            "reused": (*gitbatch, *SETTINGS),
            "idle": ("--executor", "idle", *SETTINGS),
            "nothing": (*gitbatch, *SETTINGS),
            "plain": ("--cores", "1"),
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(arguments.rounds):
            for name, command in commands.items():
                if name in ("reused", "idle"):
                    # Without what it knows of earlier jobs, Snakemake goes by times.
                    shutil.rmtree(top / ".snakemake", ignore_errors=True)
                    (top / "in.txt").touch()
                times[name].append(run(top, *command))
    medians = {name: statistics.median(each) for name, each in times.items()}
    print(f"{'| what | against | ratio | here |'}")
    for ours, other, what, against in (
        ("reused", "idle", f"{arguments.jobs} jobs reused", "an executor that does nothing"),
        ("nothing", "plain", "a run that has nothing to do", "plain Snakemake"),
    ):
        print(
            f"| {what} | {against} | {medians[ours] / medians[other]:.2f} : 1 "
            f"| {medians[ours]:.2f} s : {medians[other]:.2f} s |"
        )


def run(folder: Path, *arguments: str) -> float:
    """Seconds of wall time that Snakemake took."""
    path = os.pathsep.join(filter(None, (str(PEERS), os.environ.get("PYTHONPATH"))))
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    took = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return took


if __name__ == "__main__":
    main()
