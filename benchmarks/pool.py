"""How fast jobs go through a real HTCondor pool, against what else could run them there.

    python benchmarks/pool.py [--rounds N] [--small] [--defaults] [--output DIR]

The same trivial jobs, in one run on one pool of 8 slots, in turn:

    raw        HTCondor itself: one submission per level, followed by its event log, no Snakemake
    plugin     snakemake-executor-plugin-htcondor, looking at jobs every second (--defaults: and
               as it is when nothing is set)
    local      Snakemake alone, on this machine
    gitbatch   `snakemake --executor gitbatch`: commit, worktree, archive, records included

Puts its tables into benchmarks/README.md, all figures into benchmarks/pool.json, and draws where
the time of one level of a chain goes: docs/benchmark-pool.svg. With --small these go to a folder
in /tmp.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import phases

TOP = Path(__file__).resolve().parent.parent
SLOTS = 8
README, FIGURES, FIGURE = "benchmarks/README.md", "benchmarks/pool.json", "docs/benchmark-pool.svg"
MARKS = ("<!-- pool.py writes from here -->", "<!-- to here -->")
LONGEST_S = 300
"""For one workflow, once."""

# So many jobs in each level; each needs all of the level before.
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
SCRIPT = '#!/bin/bash\nmkdir -p "${1%/*}" && echo $EPOCHREALTIME > "$1"\n'

# Sub-second times, in the pool's own log of all events: no job's log changes.
LOCAL_CONF = """\
EVENT_LOG = $(LOG)/EventLog
EVENT_LOG_FORMAT_OPTIONS = UTC, ISO_DATE, SUB_SECOND
EVENT_LOG_MAX_SIZE = 0
"""

WAYS = {
    "raw": None,
    "gitbatch": ["--executor", "gitbatch", "--gitbatch-pool", "htcondor"],
    "plugin": ["--executor", "htcondor", "--seconds-between-status-checks", "1"],
    "plugin, defaults": ["--executor", "htcondor"],
    "local": ["--cores", str(SLOTS)],
}


@dataclass(frozen=True, kw_only=True)
class Done:
    """One workflow, run once in one way."""

    seconds: float
    levels: list[phases.Level] = field(default_factory=list)
    """Of a chain: where the time of each job went."""


def main() -> None:
    arguments = parse()
    workflows = SMALL if arguments.small else WORKFLOWS
    ways = [way for way in WAYS if arguments.defaults or way != "plugin, defaults"]
    found: dict[str, dict[str, list[Done]]] = {w: {way: [] for way in ways} for w in workflows}
    with tempfile.TemporaryDirectory(prefix="gbb-", dir="/tmp") as folder:
        measure(Path(folder), workflows, found, arguments.rounds)
    figures = {
        name: {way: [round(done.seconds, 3) for done in found[name][way]] for way in ways}
        for name in workflows
    }
    chain = next(iter(workflows))
    stacks = {
        way: phases.medians([level for done in found[chain][way] for level in done.levels])
        for way in ways
        if way not in ("local", "plugin, defaults")
    }
    tables = "\n".join([*table(figures), "", *phases.table(stacks["gitbatch"])])
    print(tables)
    document = {"machine": machine(), "versions": versions(), "seconds": figures, "level": stacks}
    keep(arguments.output, tables, document)
    phases.draw(stacks, arguments.output / FIGURE)
    say(f"{README}, {FIGURES} and {FIGURE} in {arguments.output}")


def measure(
    folder: Path,
    workflows: dict[str, list[int]],
    found: dict[str, dict[str, list[Done]]],
    rounds: int | None,
) -> None:
    """Run everything, on one pool; adds to `found`."""
    with pool(folder / "pool") as events:
        for name, levels in workflows.items():
            ways = list(found[name])
            for n in range(rounds or ROUNDS.get(name, 1)):
                # In turn, and each time another one first.
                for way in ways[n % len(ways) :] + ways[: n % len(ways)]:
                    done = once(folder, way, levels, events)
                    found[name][way].append(done)
                    say(f"{name}, round {n + 1}, {way}: {done.seconds:.2f} s")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, help=f"of each workflow; default: {ROUNDS}")
    parser.add_argument("--small", action="store_true", help="a few jobs, to see that it works")
    parser.add_argument("--defaults", action="store_true", help="the plugin's defaults, too")
    parser.add_argument("--output", type=Path, help=f"folder for results; default: {TOP}")
    arguments = parser.parse_args()
    if arguments.output is None:
        arguments.output = Path(tempfile.mkdtemp()) if arguments.small else TOP
    return arguments


def keep(folder: Path, tables: str, document: dict[str, object]) -> None:
    """Write the figures, and put the tables into the README."""
    for name in (README, FIGURES, FIGURE):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / FIGURES).write_text(json.dumps(document, indent=1) + "\n")
    before, mark, rest = (TOP / README).read_text().partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    (folder / README).write_text(f"{before}{mark}\n{tables}\n{end}{after}")


@contextmanager
def pool(folder: Path) -> Iterator[Path]:
    """A pool, with this process's environment pointing to it; the log of all its events."""
    tool = str(TOP / "tools" / "htcondor-pool")

    def call(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, tool, *words, "--dir", str(folder)], check=True, stdout=subprocess.PIPE
        )
        return done.stdout.decode()

    try:
        call("up", "--slots", str(SLOTS))  # makes the folder, where the settings go
        call("down")
        (folder / "local.conf").write_text(LOCAL_CONF)
        call("up", "--slots", str(SLOTS))
        for line in call("env").splitlines():
            name, _, value = shlex.split(line)[1].partition("=")
            os.environ[name] = os.path.expandvars(value)
        yield folder / "log" / "EventLog"
    finally:
        call("down")


def once(folder: Path, way: str, levels: list[int], events: Path) -> Done:
    """Run the workflow in a repository of its own, which is gone afterwards."""
    release()
    place = folder / "project"
    place.mkdir()
    try:
        begin = events.stat().st_size if events.exists() else 0
        options = WAYS[way]
        lines: list[phases.Line] = []
        began = time.time()
        if options is None:
            moments = raw(place, levels)
        else:
            prepare(place, levels)
            began = time.time()
            lines = snakemake(place, options)
            moments = []
        ended = time.time()
        check(place, levels)
        if way == "local" or len(levels) < 3 or set(levels) != {1}:
            return Done(seconds=ended - began)
        text = events.read_bytes()[begin:].decode()
        return Done(
            seconds=ended - began,
            levels=phases.levels(place, len(levels), text, lines, moments),
        )
    finally:
        shutil.rmtree(place)


def release() -> None:
    """Have the pool forget what it keeps for us: no run starts on machines of the one before."""
    subprocess.run(["condor_vacate", "-fast", "-all"], check=True, stdout=subprocess.DEVNULL)
    for _ in range(300):
        if b"Claimed" not in subprocess.check_output(["condor_status", "-af", "State"]).split():
            return
        time.sleep(0.1)
    sys.exit("the pool's slots are not released")


def prepare(place: Path, levels: list[int]) -> None:
    (place / "Snakefile").write_text(SNAKEFILE.format(levels=levels))
    (place / ".gitignore").write_text(".snakemake/\nout/\n")
    identity = ["-c", "user.name=Benchmark", "-c", "user.email=benchmark@example.org"]
    for words in (["init", "-q"], ["add", "--all"], ["commit", "-qm", "workflow"]):
        subprocess.run(["git", *identity, *words], cwd=place, check=True)


def snakemake(place: Path, options: list[str]) -> list[phases.Line]:
    """Run Snakemake to its end; its lines with the moments they came at."""
    command = [sys.executable, "-m", "snakemake", "--nocolor", "--max-jobs-per-timespan", "1000/1s"]
    jobs = [] if "--cores" in options else ["--jobs", "1000"]
    process = subprocess.Popen(
        [*command, *options, *jobs],
        cwd=place,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    limit = threading.Timer(LONGEST_S, process.kill)
    limit.start()
    lines = [phases.Line(at=time.time(), text=line.rstrip()) for line in process.stdout]
    code = process.wait()
    limit.cancel()
    if code != 0:
        sys.exit("\n".join(line.text for line in lines[-40:]))
    return lines


def raw(place: Path, levels: list[int]) -> list[phases.Moment]:
    """The same commands without Snakemake: one cluster per level, followed by the event log.

    When each level was handed over, and when it was seen to have ended.
    """
    # Here, as they read the configuration when they are imported.
    import htcondor2

    script = place / "job.sh"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    log = place / "events.log"
    log.touch()
    reader = htcondor2.JobEventLog(str(log))
    description = htcondor2.Submit(
        {
            "universe": "vanilla",
            "executable": str(script),
            "transfer_executable": "false",
            "should_transfer_files": "IF_NEEDED",
            "arguments": "$(target)",
            "log": str(log),
            "keep_claim_idle": "10",
        }
    )
    schedd = htcondor2.Schedd()
    moments = []
    for level, number in enumerate(levels):
        handed_over = time.time()
        targets = [{"target": str(place / f"out/{level}/{n}.txt")} for n in range(number)]
        schedd.submit(description, itemdata=iter(targets))
        left = number
        while left:
            time.sleep(0.01)
            if time.time() - handed_over > LONGEST_S:
                sys.exit("HTCondor does not run the jobs")
            seen = reader.events(stop_after=0)
            left -= sum(event.type == htcondor2.JobEventType.JOB_TERMINATED for event in seen)
        moments.append(phases.Moment(handed_over=handed_over, seen=time.time()))
    reader.close()
    return moments


def check(place: Path, levels: list[int]) -> None:
    """All outputs are there, each with a moment in it."""
    for level, number in enumerate(levels):
        for n in range(number):
            float((place / f"out/{level}/{n}.txt").read_text())


def table(figures: dict[str, dict[str, list[float]]]) -> list[str]:
    """Rows for README.md: gitbatch against each other way."""
    names = {
        "raw": "raw HTCondor, without Snakemake",
        "plugin": "`snakemake-executor-plugin-htcondor` at its best",
        "plugin, defaults": "`snakemake-executor-plugin-htcondor` as it is",
        "local": "plain Snakemake, local",
    }
    rows = ["| what | against | ratio | here | rounds |", "| --- | --- | --- | --- | --- |"]
    for workflow, ways in figures.items():
        ours = statistics.median(ways["gitbatch"])
        for way, name in names.items():
            if way in ways:
                theirs = statistics.median(ways[way])
                here = f"{ours:.1f} s : {theirs:.1f} s"
                ratio = f"{ours / theirs:.2g} : 1"
                rows.append(f"| {workflow} | {name} | {ratio} | {here} | {len(ways[way])} |")
    return rows


def machine() -> dict[str, str | int]:
    return {"cpus": os.cpu_count() or 1, "system": platform.system(), "slots": SLOTS}


def versions() -> dict[str, str]:
    names = ("snakemake", "snakemake-executor-plugin-htcondor", "htcondor")
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in names}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
