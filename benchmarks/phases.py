"""Where the time of one level of a chain goes, from stamps that are there anyway.

Nothing is added to what is measured: HTCondor's log of all events (to the millisecond), the lines
that Snakemake prints and the moment they came at, the rule's output (the moment of its command),
the job record (`started`, `ended`), the times of the record's file and of the output's link.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

Level = dict[str, float]
"""Seconds by phase."""

HANDED = "Snakemake hands the next job over"
SUBMIT = "job prepared and submitted"
START = "HTCondor starts it"
RUNNER = "runner starts"
SNAKEMAKE = "the job's Snakemake, until the rule's command"
COMMAND = "the rule's command, the job's Snakemake ends"
PUBLISH = "outputs and record into the archive"
END = "runner ends, HTCondor says so"
LINK = "the job's sign seen, output linked"
REPORT = "Snakemake told"

COLORS = {
    HANDED: "#9d755d",
    SUBMIT: "#4c78a8",
    START: "#e45756",
    RUNNER: "#9ecae9",
    SNAKEMAKE: "#d8d8d8",
    COMMAND: "#b0b0b0",
    PUBLISH: "#54a24b",
    END: "#ff9d98",
    LINK: "#72b7b2",
    REPORT: "#d6a5c9",
}
OF_SNAKEMAKE = (SNAKEMAKE, COMMAND)
"""The rest is HTCondor's and ours."""

NAMES = {"raw": "HTCondor alone", "gitbatch": "gitbatch", "plugin": "executor plugin htcondor"}

_EVENT = re.compile(r"^(\d{3}) \((\d+)\.(\d+)\.\d+\) (\S+)[ T](\S+)", re.MULTILINE)
_SUBMITTED, _EXECUTES, _TERMINATED = "000", "001", "005"


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line that Snakemake printed, and when it came (seconds since 1970)."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Of a level that we submit ourselves (seconds since 1970)."""

    handed_over: float
    seen: float


def levels(
    place: Path, number: int, events: str, lines: Sequence[Line], moments: Sequence[Moment]
) -> list[Level]:
    """The warm levels of a chain of `number` jobs that ran in `place`: all but the first, which
    waits for a machine. `events` is the pool's event log, `lines` Snakemake's, `moments` ours."""
    submitted, executes, terminated = (
        _times(events, kind, number) for kind in (_SUBMITTED, _EXECUTES, _TERMINATED)
    )
    commands = [float((place / f"out/{n}/0.txt").read_text()) for n in range(number)]
    records = _records(place)
    shown = [line.at for line in lines if line.text.startswith("rule job:")]
    finished = [line.at for line in lines if line.text.startswith("Finished job")]
    levels = []
    for n in range(1, number):
        if moments:
            points = [(HANDED, moments[n - 1].seen), (SUBMIT, moments[n].handed_over)]
        else:
            points = [(HANDED, finished[n - 1]), (SUBMIT, shown[n])]
        points.append((START, submitted[n]))
        if records:
            record, kept = records[n]
            points += [
                (RUNNER, executes[n]),
                (SNAKEMAKE, _seconds(record["started"])),
                (COMMAND, commands[n]),
                (PUBLISH, _seconds(record["ended"])),
                # What HTCondor says of the end comes later, and holds nothing up.
                (LINK, kept),
                (REPORT, (place / f"out/{n}/0.txt").lstat().st_ctime),
            ]
        else:
            points += [
                (COMMAND if moments else SNAKEMAKE, executes[n]),
                (END if moments else COMMAND, commands[n]),
                (REPORT, terminated[n]),
            ]
        end = moments[n].seen if moments else finished[n]
        levels.append(_between(points, end))
    return levels


def _between(points: Sequence[tuple[str, float]], end: float) -> Level:
    """How long each phase took; a stamp that comes late does not make another phase negative, and
    what goes on after the end holds nothing up."""
    latest = points[0][1]
    level = {}
    ends = [at for _, at in points[1:]] + [end]
    for (name, _), at in zip(points, ends, strict=True):
        until = min(max(at, latest), end)
        level[name] = until - latest
        latest = until
    return level


def _times(events: str, kind: str, number: int) -> list[float]:
    """When this happened to the jobs, in the order they were submitted. Jobs that gitbatch queues
    to have the schedd look at its claims do not count: they never run, or come last."""
    seen: dict[str, dict[tuple[int, int], float]] = {kind: {}, _EXECUTES: {}}
    for code, cluster, proc, day, clock in _EVENT.findall(events):
        if code in seen:
            seen[code][int(cluster), int(proc)] = _seconds(f"{day}T{clock}")
    jobs = [job for job in sorted(seen[_EXECUTES]) if job in seen[kind]][:number]
    if len(jobs) != number:
        raise SystemExit(f"the event log has {len(jobs)} events {kind} of {number} jobs")
    return [seen[kind][job] for job in jobs]


def _records(place: Path) -> list[tuple[dict[str, str], float]]:
    """The job records in their order, with the moment that each was kept."""
    paths = place.glob(".git/gitbatch/archive/records/*/*/*.json")
    records = [(json.loads(path.read_bytes()), path.stat().st_ctime) for path in paths]
    return sorted(records, key=lambda pair: pair[0]["number"])


def _seconds(text: str) -> float:
    """Of an ISO time in UTC."""
    return datetime.fromisoformat(text.removesuffix("Z") + "+00:00").timestamp()


def medians(levels: Sequence[Level]) -> Level:
    """Phase by phase, in their order."""
    return {
        name: round(statistics.median(level[name] for level in levels), 4)
        for name in COLORS
        if name in levels[0]
    }


def table(level: Level) -> list[str]:
    """Rows for README.md."""
    rows = ["| one level of the chain, by gitbatch | s |", "| --- | --- |"]
    rows += [f"| {name} | {seconds:.3f} |" for name, seconds in level.items()]
    rest = sum(seconds for name, seconds in level.items() if name not in OF_SNAKEMAKE)
    rows.append(f"| all | {sum(level.values()):.3f} |")
    return [*rows, f"| all but the job's own Snakemake and command | {rest:.3f} |"]


def draw(stacks: Mapping[str, Level], path: Path) -> None:
    """One bar per way, one piece per phase. The same figures give the same bytes."""
    import matplotlib

    matplotlib.use("svg" if path.suffix == ".svg" else "agg")
    matplotlib.rcParams |= {"svg.hashsalt": "gitbatch", "svg.fonttype": "none", "font.size": 9}
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8.5, 3.9), layout="constrained")
    names = [way for way in NAMES if way in stacks]
    drawn = set()
    for row, way in enumerate(names):
        left = 0.0
        for phase, seconds in stacks[way].items():
            label = None if phase in drawn else phase
            drawn.add(phase)
            axes.barh(row, seconds, left=left, color=COLORS[phase], label=label, height=0.6)
            if seconds > 0.12:
                axes.text(left + seconds / 2, row, f"{seconds:.2f}", ha="center", va="center")
            left += seconds
        axes.text(left, row, f" {left:.2f} s", va="center", weight="bold")
    axes.set_yticks(range(len(names)), [NAMES[way] for way in names])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12 * max(sum(level.values()) for level in stacks.values()))
    axes.set_xlabel("seconds for one more level of a chain (median)")
    axes.spines[["top", "right"]].set_visible(False)
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda n: list(COLORS).index(labels[n]))
    figure.legend(
        [handles[n] for n in order],
        [labels[n] for n in order],
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize=8,
    )
    metadata = {"Date": None} if path.suffix == ".svg" else None
    figure.savefig(path, metadata=metadata, dpi=110)
