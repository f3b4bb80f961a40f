"""What a run has cost: sums, advice, the table and the report."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from gitbatch_core.errors import UsageError
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.pools.base import JobSpec, Request
from gitbatch_core.reports import advice, efficiency
from gitbatch_core.reports.costs import Costs
from gitbatch_core.wording import duration

START = "1970-01-01T00:00:30.000Z"


class Run:
    """Costs, and jobs to put into them."""

    def __init__(self) -> None:
        self.costs = Costs(clock=lambda: 20.0)
        self.number = 0

    def job(
        self,
        rule: str,
        name: str = "",
        *,
        attempt: int = 1,
        succeeded: bool | None = True,
        cpus: int = 1,
        memory_mb: int | None = None,
        group: bool = False,
        record: dict[str, object] | None = None,
        pool: dict[str, float] | None = None,
        **usage: float,
    ) -> int:
        self.number += 1
        spec = JobSpec(
            number=self.number,
            name=name or rule,
            argv=("true",),
            folder=Path("/nowhere"),
            request=Request(cpus=cpus, memory_mb=memory_mb),
            labels={"rule": rule},
        )
        self.costs.order(spec, attempt, group=group)
        self.costs.submit(self.number, f"12.{self.number}")
        if succeeded is not None:
            measured = {"started": START, "usage": usage} if record is None else record
            self.costs.measure(self.number, JobRecord.from_dict(measured), pool or {}, "node7")
            self.costs.conclude(self.number, succeeded=succeeded)
        return self.number


def test_every_execution_counts_and_each_job_once() -> None:
    run = Run()
    run.job("a", "a[n=1]", cpus=2, wall_s=10.0, cpu_s=10.0, memory_mb=None)
    run.job("a", "a[n=2]", cpus=2, wall_s=30.0, cpu_s=30.0, attempt=1, succeeded=False)
    run.job("a", "a[n=2]", cpus=2, wall_s=20.0, cpu_s=20.0, attempt=2)
    run.job("b", succeeded=False, record={}, pool={"memory_mb": 1000.0, "wall_s": 5.0})
    run.job("c", succeeded=None)
    run.job("c", succeeded=None)  # groups of the same rules have the same name
    assert run.costs.states() == {"done": 2, "failed": 1, "cancelled": 2, "repeated": 1}
    assert run.costs.unfinished() == [5, 6]
    a, b, c = run.costs.rules()
    assert (a.rule, a.jobs, a.executions, a.failed) == ("a", 2, 3, 1)
    assert (a.waited_s, a.wall_s, a.longest_s, a.total_s) == (10.0, 20.0, 30.0, 60.0)
    assert (a.core_s, a.cpu_s, a.cpu_efficiency) == (120.0, 60.0, 0.5)
    # What only the pool knows counts too; what nobody knows is nothing, not 0.
    assert (b.memory_mb, b.wall_s, b.cpu_efficiency, b.waited_s) == (1048.6, None, None, None)
    assert (c.rule, c.wall_s, c.memory_mb) == ("c", None, None)


def test_a_request_is_what_the_rule_says() -> None:
    run = Run()
    run.job("a", memory_mb=954)  # Snakemake's mem_mib of mem_mb=1000
    assert run.costs.rules()[0].asked_mb == 1000


@pytest.mark.parametrize(
    ("used", "asked", "said"),
    [
        (1830.0, 2000.0, "mem_mb=2200"),  # nearly all of it
        (12_345.0, 8000.0, "mem_mb=15000"),  # more than it
        (1500.0, 2000.0, ""),
        (300.0, 8000.0, "mem_mb=400"),
        (300.0, 1000.0, ""),  # little to be gained
        (None, 8000.0, ""),
        (300.0, None, ""),
        (5000.0, None, "mem_mb=6000"),
    ],
)
def test_memory_for_next_time(used: float | None, asked: float | None, said: str) -> None:
    assert advice.memory(used_mb=used, asked_mb=asked, all_done=True) == said
    # Where not all is done that is to be done, what was used is the least that is needed.
    less = asked is not None and used is not None and used < asked / 2
    assert advice.memory(used_mb=used, asked_mb=asked, all_done=False) == ("" if less else said)


def test_less_is_only_advised_where_all_is_known() -> None:
    """A job that died at once, was ended, or has not run may need more than all others."""

    def advised(*jobs: dict[str, Any], undone: str = "", reused_mb: float | None = 0) -> str:
        run = Run()
        for job in jobs:
            usage = {"wall_s": 100.0, "cpu_s": 100.0, "memory_mb": 80.0}
            usage |= job.pop("usage", {})
            run.job("a", memory_mb=2862, record={"started": START, "usage": usage}, **job)
        run.costs.undone = frozenset([undone])
        if reused_mb != 0:
            usage = {} if reused_mb is None else {"memory_mb": reused_mb}
            run.costs.reuse(JobRecord.from_dict({"rule": "a", "usage": usage}))
        [row] = run.costs.rules()
        return row.next_time

    failed, ended, large = {"succeeded": False}, {"succeeded": None}, {"memory_mb": 2750.0}
    assert advised({}) == "mem_mb=150" == advised({}, {}) == advised({}, undone="b")
    assert advised(failed) == advised({}, failed) == advised({}, ended) == ""
    assert advised(failed, {"attempt": 2}) == "mem_mb=150"
    assert advised({}, undone="a") == ""
    # More is: it was needed, whatever came of it.
    assert advised({"succeeded": False, "usage": large}) == "mem_mb=3500"
    # Another time, what was reused may have to run.
    assert advised({}, reused_mb=70.0) == "mem_mb=150"
    assert advised({}, reused_mb=2000.0) == advised({}, reused_mb=None) == ""
    assert advised({}, reused_mb=2650.0) == "mem_mb=3400"
    # What a group asks for stands in no rule; with functions of threads, no number is right.
    assert advised({"group": True}) == ""
    busy = {"wall_s": 100.0, "cpu_s": 100.0, "memory_mb": 1800.0}
    assert advised({"cpus": 4, "usage": busy}) == "threads=1"
    assert advised({"cpus": 4, "usage": busy}, {"cpus": 1, "usage": busy}) == ""


@pytest.mark.parametrize(
    ("cpus", "busy", "said"),
    [
        (4, [(100.0, 100.0), (110.0, 100.0)], "threads=2"),
        (4, [(390.0, 100.0)], ""),
        (1, [(390.0, 100.0)], "threads=4"),  # more than it may
        (1, [(2.0, 100.0)], ""),  # it waits for something; there is no less than one
        (4, [(1.0, 1.0)], ""),  # over before anything can be said
        (4, [], ""),
    ],
)
def test_threads_for_next_time(cpus: int, busy: list[tuple[float, float]], said: str) -> None:
    assert advice.threads(cpus=cpus, busy=busy) == said


def test_the_table_of_many_rules_is_short_and_narrow() -> None:
    run = Run()
    for n in range(50):
        memory = {"memory_mb": 5000.0} if n in (0, 49) else {}
        run.job(
            f"a_rule_whose_name_is_long_and_then_goes_on_and_on_{n:02}",
            cpus=4,
            memory_mb=2048,
            wall_s=1e6 + n,
            cpu_s=3.6e6,
            succeeded=n > 0,
            record={"started": START, "usage": {"wall_s": 1e6 + n, "cpu_s": 3.6e6, **memory}},
        )
    lines = efficiency.table(run.costs).splitlines()
    assert len(lines) < 20 and max(map(len, lines)) <= 100
    assert "49 done, 1 failed" in lines[0]
    assert any("38 rules more" in line for line in lines)
    # Rules with advice are shown, whatever they cost.
    assert [line for line in lines if "_00 " in line and line.endswith("mem_mb=6300")]
    assert efficiency.table(Costs()) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 s"),
        (99.9, "100 s"),
        (100, "2 min"),
        (5940, "99 min"),
        (6000, "1 h 40"),
        (172_800, "2 d 00 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_report_as_csv_and_json(tmp_path: Path) -> None:
    run = Run()
    name = 'a[n="x,y"\n\udcff]'
    run.job("a", name, memory_mb=954, record={
        "started": START,
        "host": {"name": "node8"},
        "usage": {"wall_s": 10.0, "cpu_s": 5.0, "memory_mb": 476.837, "read_mb": 1.5},
    }, pool={"disk_mb": 100.0, "cpu_s": 9.0})  # fmt: skip
    run.job("b", succeeded=None)
    linked = tmp_path / "object"
    linked.write_text("is never written through")
    path = tmp_path / "report.csv"
    path.symlink_to(linked)
    efficiency.write(path, run.costs, "r")
    assert linked.read_text() == "is never written through"
    with path.open(newline="") as file:
        first, second = csv.DictReader(file)
    assert first["JobName"] == 'a[n="x,y"\n\\udcff]' and first["Host"] == "node8"
    assert (first["JobID"], first["State"], first["Waited_sec"]) == ("12.1", "done", "10.0")
    assert (first["MaxRSS_MB"], first["RequestedMem_MB"]) == ("500.0", "1000.0")
    assert (first["CPU Efficiency (%)"], first["Memory Usage (%)"]) == ("50.0", "50.0")
    assert (second["State"], second["TotalCPU_sec"]) == ("cancelled", "")
    efficiency.write(tmp_path / "report.json", run.costs, "r")
    document = json.loads((tmp_path / "report.json").read_bytes())
    assert document["jobs"][1]["TotalCPU_sec"] is None
    assert [row["rule"] for row in document["rules"]] == ["a", "b"]


def test_a_report_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    efficiency.check(tmp_path / "new" / "report.csv")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "closed").mkdir(mode=0o500)
    (tmp_path / "folder.csv").mkdir()
    for path in ("report.txt", "report", "folder.csv", "closed/report.csv", "closed/new/a.json"):
        with pytest.raises(UsageError, match="efficiency report"):
            efficiency.check(tmp_path / path)
