"""The costs of a run for people: a short table for the terminal, a report for each job in a file.

The report's columns have the names of Slurm's accounting, which also Snakemake's Slurm plugin uses.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gitbatch_core import fs
from gitbatch_core.errors import UsageError
from gitbatch_core.model import documents
from gitbatch_core.reports.costs import Costs, JobCost, RuleCost
from gitbatch_core.wording import aligned, count, duration

FORMAT, VERSION = "gitbatch-efficiency", 1
_MOST_ROWS = 12
_WIDTH, _SHORTEST_NAME = 100, 12
_HEAD = ("rule", "jobs", "failed", "waited", "wall", "longest", "CPU", "used", "asked", "next time")
_NOTE = (
    "(failed: attempts; waited, wall: medians; CPU: busy part of cores; used, asked: MB, the most)"
)


def table(costs: Costs) -> str:
    """At most 100 columns wide, a few lines long; empty where no job has run."""
    rows = costs.rules()
    if not rows:
        return ""
    shown = sorted(rows, key=lambda row: not row.next_time)[:_MOST_ROWS]
    lines = _aligned([_HEAD, *(_cells(row) for row in rows if row in shown)])
    if len(rows) > len(shown):
        advised = sum(bool(row.next_time) for row in rows if row not in shown)
        also = f", {advised} of them with advice" if advised else ""
        lines.append(f"… and {count(len(rows) - len(shown), 'rule')} more{also}")
    return "\n".join([summary(costs), *(f"  {line}" for line in lines), f"  {_NOTE}"])


def summary(costs: Costs) -> str:
    """`jobs: 40 done, 1 failed, 2 attempts repeated; …` in one line."""
    states = costs.states()
    repeated = states.pop("repeated")
    parts = [f"{number} {state}" for state, number in states.items() if number] or ["none"]
    if repeated:
        parts.append(f"{count(repeated, 'attempt')} repeated")
    rows = costs.rules()
    cpu_s, core_s = sum(row.cpu_s for row in rows), sum(row.core_s for row in rows)
    used = f"; {duration(cpu_s)} of CPU in {duration(core_s)} of core time" if core_s else ""
    return f"jobs: {', '.join(parts)}{used}"


def check_name(path: Path) -> None:
    """Raise UsageError where the name does not say what the report is to be."""
    if path.suffix not in (".csv", ".json"):
        raise UsageError(
            f"The efficiency report {path} is neither .csv nor .json.",
            hint="The name's end says which of the two it becomes.",
        )


def check(path: Path) -> None:
    """Raise UsageError where the report cannot be written to `path`."""
    check_name(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        trial = fs.temporary_beside(path)
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise UsageError(
            f"The efficiency report {path} cannot be written: {error.strerror}.",
            hint="Choose another --gitbatch-efficiency-report.",
        ) from error


def write(path: Path, costs: Costs, run: str) -> None:
    """The report of all jobs, as CSV or JSON by the path's suffix. Raises OSError."""
    rows = [_columns(job) for job in costs.jobs()]
    if path.suffix == ".json":
        document = {"format": FORMAT, "version": VERSION, "run": run, "jobs": rows}
        document["rules"] = [asdict(row) for row in costs.rules()]
        data = documents.dumps(document)
    else:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(_COLUMNS), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        data = text.getvalue().encode(errors="backslashreplace")
    fs.replace_with_bytes(path, data)


_COLUMNS = (
    "JobID", "JobName", "RuleName", "Attempt", "State", "Host", "NCPUS", "Waited_sec",
    "Elapsed_sec", "TotalCPU_sec", "MaxRSS_MB", "RequestedMem_MB", "MaxDisk_MB",
    "RequestedDisk_MB", "Read_MB", "Written_MB", "CPU Efficiency (%)", "Memory Usage (%)",
)  # fmt: skip


def _columns(job: JobCost) -> dict[str, Any]:
    values = (
        job.id, job.name, job.rule, job.attempt, job.state, job.host, job.cpus, job.waited_s,
        job.wall_s, job.cpu_s, job.memory_mb, job.asked_mb, job.disk_mb, job.asked_disk_mb,
        job.read_mb, job.written_mb, _percent(job.cpu_efficiency), _percent(job.memory_efficiency),
    )  # fmt: skip
    rounded = (round(value, 3) if isinstance(value, float) else value for value in values)
    return dict(zip(_COLUMNS, rounded, strict=True))


def _percent(part: float | None) -> float | None:
    return None if part is None else round(100 * part, 2)


def _cells(row: RuleCost) -> tuple[str, ...]:
    return (
        row.rule,
        str(row.jobs),
        str(row.failed or ""),
        duration(row.waited_s),
        duration(row.wall_s),
        duration(row.longest_s),
        "" if row.cpu_efficiency is None else f"{100 * row.cpu_efficiency:.0f}%",
        "" if row.memory_mb is None else f"{row.memory_mb:.0f}",
        "" if row.asked_mb is None else f"{row.asked_mb:.0f}",
        row.next_time,
    )


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns; those with nothing below their head are left out, long names are cut."""
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    room = _WIDTH - sum(2 + max(map(len, column)) for column in columns[1:])
    names = [_cut(name, max(_SHORTEST_NAME, room - 2)) for name in columns[0]]
    table = [*zip(names, *columns[1:], strict=True)]
    return aligned(table, right=range(1, len(columns)))


def _cut(name: str, width: int) -> str:
    end = (width - 1) // 2
    return name if len(name) <= width else f"{name[: width - 1 - end]}…{name[-end:]}"
