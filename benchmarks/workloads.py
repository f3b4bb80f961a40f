"""The workflows of the benchmark of pools: trivial jobs in levels, each needing all of the level
before."""

from __future__ import annotations

import subprocess
from pathlib import Path

# So many jobs in each level.
WORKFLOWS = {"chain of 10": [1] * 10, "fan-out of 200": [200], "diamond of 60": [1, 58, 1]}
SMALL = {"chain of 3": [1] * 3, "fan-out of 10": [10], "diamond of 6": [1, 4, 1]}
ROUNDS = {"chain of 10": 3, "fan-out of 200": 1, "diamond of 60": 3}

# The moment that the rule's command runs is its output: bash knows it without another process.
SNAKEFILE = """\
LEVELS = {levels}
def before(wildcards):
    level = int(wildcards.level)
    return [f"out/{{level - 1}}/{{n}}.txt" for n in range(LEVELS[level - 1])] if level else []
rule all:
    input: [f"out/{{len(LEVELS) - 1}}/{{n}}.txt" for n in range(LEVELS[-1])]
rule job:
    input: before
    output: "out/{{level}}/{{n}}.txt"
    shell: "echo $EPOCHREALTIME > {{output}}"
"""


def prepare(place: Path, levels: list[int]) -> None:
    (place / "Snakefile").write_text(SNAKEFILE.format(levels=levels))
    (place / ".gitignore").write_text(".snakemake/\nout/\n")
    identity = ["-c", "user.name=Benchmark", "-c", "user.email=benchmark@example.org"]
    for words in (["init", "-q"], ["add", "--all"], ["commit", "-qm", "workflow"]):
        subprocess.run(["git", *identity, *words], cwd=place, check=True)


def check(place: Path, levels: list[int]) -> None:
    """All outputs are there, each with a moment in it."""
    for level, number in enumerate(levels):
        for n in range(number):
            float((place / f"out/{level}/{n}.txt").read_text())
