"""How fast jobs go through a real HTCondor pool, against what else could run them there.

    python benchmarks/pool.py [--defaults] [--rounds N] [--only WORKFLOW] [--small]
                              [--plugin-defaults] [--output DIR]

The same trivial jobs, in one run on one pool of 8 slots, in turn; with --defaults the pool has
HTCondor's own settings (`tools/htcondor-pool up --defaults`), else those that make it quick:

    raw        HTCondor itself: one submission per level, followed by its event log, no Snakemake
    plugin     snakemake-executor-plugin-htcondor, looking at jobs every second
               (--plugin-defaults: and as it is when nothing is set)
    local      Snakemake alone, on this machine
    gitbatch   `snakemake --executor gitbatch`: commit, worktree, archive, records included

With --defaults also how long the slots stay claimed after each, and the plugin when it comes right
after gitbatch.

Puts its tables into benchmarks/README.md, all figures into benchmarks/pool.json (--defaults:
pool-defaults.json), and draws where the time of one level of a chain goes:
docs/benchmark-pool.svg. With --small these go to a folder in /tmp.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import phases
from pool_table import table
from ways import AFTER, LONGEST_S, SLOTS, WAYS, raw, snakemake
from workloads import ROUNDS, SMALL, WORKFLOWS, check, prepare

TOP = Path(__file__).resolve().parent.parent
README, FIGURE = "benchmarks/README.md", "docs/benchmark-pool.svg"

# Sub-second times, in the pool's own log of all events: no job's log changes.
LOCAL_CONF = """\
EVENT_LOG = $(LOG)/EventLog
EVENT_LOG_FORMAT_OPTIONS = UTC, ISO_DATE, SUB_SECOND
EVENT_LOG_MAX_SIZE = 0
"""


@dataclass(frozen=True, kw_only=True)
class Done:
    """One workflow, run once in one way."""

    seconds: float
    levels: list[phases.Level] = field(default_factory=list)
    """Of a chain: where the time of each job went."""
    held_s: float | None = None
    """For so long after its end slots were claimed."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """A pool, and where what is measured on it goes."""

    options: tuple[str, ...]
    figures: str
    marks: tuple[str, str]
    keep_claim_idle_s: int
    """What HTCondor alone is asked for: where the schedd looks at idle claims every five minutes
    only, it is faster without."""


QUICK = Site(
    options=(),
    figures="benchmarks/pool.json",
    marks=("<!-- pool.py writes from here -->", "<!-- to here -->"),
    keep_claim_idle_s=10,
)
DEFAULTS = Site(
    options=("--defaults",),
    figures="benchmarks/pool-defaults.json",
    marks=("<!-- pool.py --defaults writes from here -->", "<!-- and to here -->"),
    keep_claim_idle_s=0,
)


def main() -> None:
    arguments = parse()
    site = DEFAULTS if arguments.defaults else QUICK
    workflows = SMALL if arguments.small else WORKFLOWS
    if arguments.only:
        workflows = {name: workflows[name] for name in arguments.only}
    left_out = {"plugin, defaults": not arguments.plugin_defaults, AFTER: site is QUICK}
    ways = [way for way in WAYS if not left_out.get(way)]
    runs: dict[str, dict[str, list[Done]]] = {w: {way: [] for way in ways} for w in workflows}
    with tempfile.TemporaryDirectory(prefix="gbb-", dir="/tmp") as folder:
        measure(site, Path(folder), workflows, runs, arguments.rounds)
    figures = {
        name: {way: [round(done.seconds, 3) for done in runs[name][way]] for way in ways}
        for name in workflows
    }
    stacks = {}
    for way in ways:
        if levels := [level for name in workflows for d in runs[name][way] for level in d.levels]:
            stacks[way] = phases.medians(levels)
    held = {
        name: {way: [d.held_s for d in runs[name][way] if d.held_s is not None] for way in ways}
        for name in workflows
    }
    rows = table(figures, held)
    if site is QUICK and stacks:
        rows += ["", *phases.table(stacks["gitbatch"])]
    tables = "\n".join(rows)
    print(tables)
    document = {"machine": machine(), "versions": versions(), "seconds": figures}
    document |= {"level": stacks} if site is QUICK else {"claimed_after_s": held}
    keep(site, arguments.output, tables, document)
    say(f"{README} and {site.figures} in {arguments.output}")
    if site is QUICK and stacks:
        phases.draw(stacks, arguments.output / FIGURE)
        say(f"{FIGURE} in {arguments.output}")


def measure(
    site: Site,
    folder: Path,
    workflows: dict[str, list[int]],
    runs: dict[str, dict[str, list[Done]]],
    rounds: int | None,
) -> None:
    """Run everything, on one pool; adds to `runs`."""
    with pool(site, folder / "pool") as events:
        for name, levels in workflows.items():
            ways = list(runs[name])
            for n in range(rounds or ROUNDS.get(name, 1)):
                # In turn, and each time another one first.
                for way in ways[n % len(ways) :] + ways[: n % len(ways)]:
                    if way == AFTER:
                        once(site, folder, "gitbatch", levels, events, wait=False)
                    done = once(site, folder, way, levels, events)
                    runs[name][way].append(done)
                    say(f"{name}, round {n + 1}, {way}: {done.seconds:.2f} s")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, help=f"of each workflow; default: {ROUNDS}")
    parser.add_argument("--small", action="store_true", help="a few jobs, to see that it works")
    parser.add_argument("--defaults", action="store_true", help="a pool with HTCondor's settings")
    parser.add_argument("--plugin-defaults", action="store_true", help="the plugin's, too")
    parser.add_argument("--only", action="append", metavar="WORKFLOW", help="not all of them")
    parser.add_argument("--output", type=Path, help=f"folder for results; default: {TOP}")
    arguments = parser.parse_args()
    if unknown := {*(arguments.only or ())} - {*(SMALL if arguments.small else WORKFLOWS)}:
        parser.error(f"no workflow of this benchmark: {', '.join(unknown)}")
    if arguments.output is None:
        arguments.output = Path(tempfile.mkdtemp()) if arguments.small else TOP
    return arguments


def keep(site: Site, folder: Path, tables: str, document: dict[str, object]) -> None:
    """Write the figures, and put the tables into the README."""
    for name in (README, site.figures, FIGURE):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / site.figures).write_text(json.dumps(document, indent=1) + "\n")
    before, mark, rest = (TOP / README).read_text().partition(site.marks[0])
    _, end, after = rest.partition(site.marks[1])
    (folder / README).write_text(f"{before}{mark}\n{tables}\n{end}{after}")


@contextmanager
def pool(site: Site, folder: Path) -> Iterator[Path]:
    """A pool, with this process's environment pointing to it; the log of all its events."""
    tool = str(TOP / "tools" / "htcondor-pool")

    def call(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, tool, *words, "--dir", str(folder)], check=True, stdout=subprocess.PIPE
        )
        return done.stdout.decode()

    try:
        call("up", "--slots", str(SLOTS), *site.options)  # makes the folder for the settings
        call("down")
        (folder / "local.conf").write_text(LOCAL_CONF)
        call("up", "--slots", str(SLOTS), *site.options)
        for line in call("env").splitlines():
            name, _, value = shlex.split(line)[1].partition("=")
            os.environ[name] = os.path.expandvars(value)
        yield folder / "log" / "EventLog"
    finally:
        call("down")


def once(
    site: Site, folder: Path, way: str, levels: list[int], events: Path, *, wait: bool = True
) -> Done:
    """Run the workflow in a repository of its own, which is gone afterwards. `wait`: with
    HTCondor's own settings, until all slots are given back."""
    if way != AFTER:
        release()
    place = folder / "project"
    place.mkdir()
    try:
        begin = events.stat().st_size if events.exists() else 0
        options = WAYS[way]
        lines: list[phases.Line] = []
        began = time.time()
        if options is None:
            moments = raw(place, levels, keep_claim_idle_s=site.keep_claim_idle_s)
        else:
            prepare(place, levels)
            began = time.time()
            lines = snakemake(place, options)
            moments = []
        ended = time.time()
        check(place, levels)
        held_s = given_back() if site is DEFAULTS and wait else None
        if way == "local" or len(levels) < 3 or set(levels) != {1}:
            return Done(seconds=ended - began, held_s=held_s)
        text = events.read_bytes()[begin:].decode()
        return Done(
            seconds=ended - began,
            held_s=held_s,
            levels=phases.levels(place, len(levels), text, lines, moments),
        )
    finally:
        shutil.rmtree(place)


def release() -> None:
    """Have the pool forget what it keeps for us: no run starts on machines of the one before."""
    subprocess.run(["condor_vacate", "-fast", "-all"], check=True, stdout=subprocess.DEVNULL)
    given_back(30)


def given_back(longest_s: float = LONGEST_S) -> float:
    """Wait until no slot is claimed; for so many seconds one was."""
    began = time.monotonic()
    while b"Claimed" in subprocess.check_output(["condor_status", "-af", "State"]).split():
        if time.monotonic() - began > longest_s:
            sys.exit("the pool's slots are not released")
        time.sleep(0.1)
    return round(time.monotonic() - began, 1)


def machine() -> dict[str, str | int]:
    return {"cpus": os.cpu_count() or 1, "system": platform.system(), "slots": SLOTS}


def versions() -> dict[str, str]:
    names = ("snakemake", "snakemake-executor-plugin-htcondor", "htcondor")
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in names}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
