"""The costs of a run, per job and per rule: what was requested, what was used, what to request next
time.

Times in seconds, memory and disk in MB (10^6 bytes), as `mem_mb` and `disk_mb` of a rule. Every
execution counts, including failed ones. What was not measured is None, and no part of any sum.
"""

from __future__ import annotations

import datetime
import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from gitbatch_core.model.documents import Document
from gitbatch_core.model.job_record import JobRecord, Usage
from gitbatch_core.pools.base import JobSpec
from gitbatch_core.reports import advice

_MIB = 1.048576
"""MB in a MiB."""


@dataclass(frozen=True, kw_only=True)
class JobCost:
    """One execution of one job."""

    number: int
    """Of the run's executions, from 1."""
    name: str
    """Rule and wildcards."""
    rule: str
    attempt: int
    group: bool = False
    """Whether it is made of several: what it asks for stands in no rule."""
    id: str = ""
    """The pool's own."""
    state: str = "cancelled"
    """`done` or `failed`; `cancelled` as long as neither is known."""
    host: str | None = None
    cpus: int
    asked_mb: float | None
    asked_disk_mb: float | None
    submitted: float | None = None
    """Seconds since 1970, as `started`."""
    started: float | None = None
    wall_s: float | None = None
    cpu_s: float | None = None
    memory_mb: float | None = None
    disk_mb: float | None = None
    read_mb: float | None = None
    written_mb: float | None = None

    @property
    def waited_s(self) -> float | None:
        """In the queue; at least 0, as the clocks of two machines differ."""
        if self.submitted is None or self.started is None:
            return None
        return max(0.0, self.started - self.submitted)

    @property
    def cpu_efficiency(self) -> float | None:
        """Share of the job's cores that was busy."""
        return _ratio(self.cpu_s, None if self.wall_s is None else self.wall_s * self.cpus)

    @property
    def memory_efficiency(self) -> float | None:
        """Share of the requested memory that was used at the peak."""
        return _ratio(self.memory_mb, self.asked_mb)


@dataclass(frozen=True, kw_only=True)
class RuleCost:
    """All executions of the jobs of one rule."""

    rule: str
    jobs: int
    executions: int
    """Of these jobs: more where some were tried again."""
    failed: int
    """Executions."""
    waited_s: float | None
    """Median."""
    wall_s: float | None
    """Median."""
    longest_s: float | None
    total_s: float
    """Wall time of all."""
    core_s: float
    """Wall time times cores: what was kept from others."""
    cpu_s: float
    cpu_efficiency: float | None
    cpus: int
    asked_mb: float | None
    """The most that any asked for."""
    memory_mb: float | None
    """The most that any used."""
    memory_efficiency: float | None
    """Of the one that used the most."""
    next_time: str
    """Resources to write into the rule; empty where all is well."""


@dataclass(kw_only=True)
class Costs:
    """Collects the costs of a run while it lasts."""

    clock: Callable[[], float] = time.time
    _jobs: dict[int, JobCost] = field(default_factory=dict)
    _reused: dict[str, list[float | None]] = field(default_factory=dict)
    """By rule, the memory of jobs that an earlier run has done."""
    undone: frozenset[str] = frozenset()
    """Rules of which jobs are left that are not done."""

    def order(self, spec: JobSpec, attempt: int, *, group: bool = False) -> None:
        """Take note of a job that is about to be handed to a pool."""
        self._jobs[spec.number] = JobCost(
            number=spec.number,
            name=spec.name,
            rule=spec.labels.get("rule", spec.name),
            attempt=attempt,
            group=group,
            cpus=spec.request.cpus,
            asked_mb=_asked_mb(spec.request.memory_mb),
            asked_disk_mb=_asked_mb(spec.request.disk_mb),
        )

    def recall(self, record: JobRecord, id: str, submitted: float) -> None:
        """Take note of a job that another process has handed over, by the beginning of its record
        and the time, in seconds since 1970."""

        def asked(unit: str) -> int | None:
            amounts = [member.resources.get(unit) for member in record.members]
            return max((value for value in amounts if isinstance(value, int)), default=None)

        self._jobs[record.number] = JobCost(
            number=record.number,
            name=record.rule,
            rule=record.rule,
            attempt=record.attempt,
            group=len(record.members) > 1,
            cpus=max(member.threads for member in record.members),
            asked_mb=_asked_mb(asked("mem_mib")),
            asked_disk_mb=_asked_mb(asked("disk_mib")),
            submitted=submitted,
            id=id,
        )

    def reuse(self, record: JobRecord) -> None:
        """Take note of a job that an earlier run has done, by its record: another time it may have
        to run again."""
        self._reused.setdefault(record.rule, []).append(_mb(record.usage.memory_mb))

    def submit(self, number: int, id: str) -> None:
        """The pool has taken it."""
        self._change(number, submitted=self.clock(), id=id)

    def measure(
        self, number: int, record: JobRecord, pool: Mapping[str, float], host: str | None
    ) -> None:
        """Take what the runner says in the job record, which may be empty, before what the pool
        says, whose numbers are coarser and include what the pool itself needs."""
        runner, coarse = record.usage, Usage.from_dict(pool)

        def first(measured: float | None, instead: float | None) -> float | None:
            return instead if measured is None else measured

        self._change(
            number,
            host=record.host.name or host,
            started=_moment(record.started),
            wall_s=first(runner.wall_s, coarse.wall_s),
            cpu_s=first(runner.cpu_s, coarse.cpu_s),
            memory_mb=_mb(first(runner.memory_mb, coarse.memory_mb)),
            disk_mb=_mb(coarse.disk_mb),
            read_mb=runner.read_mb,
            written_mb=runner.written_mb,
        )

    def conclude(self, number: int, *, succeeded: bool) -> None:
        """How it has ended."""
        self._change(number, state="done" if succeeded else "failed")

    def _change(self, number: int, **changes: Any) -> None:
        if number in self._jobs:
            self._jobs[number] = replace(self._jobs[number], **changes)

    def jobs(self) -> list[JobCost]:
        """All that a pool has taken, in their order."""
        return [job for _, job in sorted(self._jobs.items()) if job.submitted is not None]

    def unfinished(self) -> list[int]:
        """Numbers of those of which it is not known how they ended."""
        return [job.number for job in self.jobs() if job.state == "cancelled"]

    def states(self) -> dict[str, int]:
        """How many jobs ended how, by the last attempt of each; `repeated`: attempts that were
        followed by another one."""
        states = dict.fromkeys(("done", "failed", "cancelled"), 0)
        for job in self.jobs():
            states[job.state] += 1
        # Not by name: groups of the same rules have the same.
        repeated = sum(job.attempt > 1 for job in self.jobs())
        return states | {"failed": max(0, states["failed"] - repeated), "repeated": repeated}

    def complete(self, record: JobRecord, pool: Mapping[str, float]) -> JobRecord:
        """A job's record with the fields that only run.json has."""
        record = record.replace(pool_usage=pool)
        if (job := self._jobs.get(record.number)) is None:
            return record
        asked = {"cpus": job.cpus, "mem_mb": job.asked_mb, "disk_mb": job.asked_disk_mb}
        return record.replace(
            request={name: value for name, value in asked.items() if value is not None},
            waited_s=_rounded(job.waited_s),
        )

    def rules(self) -> list[RuleCost]:
        """One row per rule, the one that took the most cores for the longest time first."""
        by_rule: dict[str, list[JobCost]] = {}
        for job in self.jobs():
            by_rule.setdefault(job.rule, []).append(job)
        rows = [_row(rule, jobs, self._next_time(rule, jobs)) for rule, jobs in by_rule.items()]
        return sorted(rows, key=lambda row: (-row.core_s, row.rule))

    def _next_time(self, rule: str, jobs: list[JobCost]) -> str:
        """What the jobs of a rule should ask for; see `advice`."""
        if any(job.group for job in jobs):
            return ""
        done = [job for job in jobs if job.state == "done"]
        reused = self._reused.get(rule, [])
        used = (*(job.memory_mb for job in jobs), *reused)
        # A job that failed, was ended or has not run might need more than all others.
        all_known = rule not in self.undone and None not in reused
        all_done = all_known and len(done) >= sum(job.attempt == 1 for job in jobs)
        cpus = {job.cpus for job in jobs}
        busy = [(j.cpu_s, j.wall_s) for j in done if j.cpu_s is not None and j.wall_s is not None]
        wishes = (
            advice.threads(cpus=cpus.pop(), busy=busy) if len(cpus) == 1 else "",
            advice.memory(
                used_mb=max((mb for mb in used if mb), default=None),
                asked_mb=max((j.asked_mb for j in jobs if j.asked_mb is not None), default=None),
                all_done=all_done,
            ),
        )
        return ", ".join(filter(None, wishes))

    def document(self) -> Document:
        """For run.json: the sums and the rules."""
        return {
            "jobs": self.states(),
            "rules": [
                {name: _rounded(value) for name, value in asdict(row).items()}
                for row in self.rules()
            ],
        }


def _row(rule: str, jobs: list[JobCost], next_time: str) -> RuleCost:
    timed = [job for job in jobs if job.wall_s is not None and job.cpu_s is not None]
    walls = [job.wall_s for job in timed if job.wall_s is not None]
    cpu_s = sum(job.cpu_s for job in timed if job.cpu_s is not None)
    core_s = sum(job.wall_s * job.cpus for job in timed if job.wall_s is not None)
    largest = max(jobs, key=lambda job: job.memory_mb or 0.0)
    asked_mb = max((job.asked_mb for job in jobs if job.asked_mb is not None), default=None)
    wall_s = statistics.median(walls) if walls else None
    cpus = max(job.cpus for job in jobs)
    waits = [job.waited_s for job in jobs if job.waited_s is not None]
    return RuleCost(
        rule=rule,
        jobs=sum(job.attempt == 1 for job in jobs),
        executions=len(jobs),
        failed=sum(job.state == "failed" for job in jobs),
        waited_s=statistics.median(waits) if waits else None,
        wall_s=wall_s,
        longest_s=max(walls, default=None),
        total_s=sum(walls),
        core_s=core_s,
        cpu_s=cpu_s,
        cpu_efficiency=_ratio(cpu_s, core_s),
        cpus=cpus,
        asked_mb=asked_mb,
        memory_mb=largest.memory_mb,
        memory_efficiency=largest.memory_efficiency,
        next_time=next_time,
    )


def _ratio(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _mb(mib: float | None) -> float | None:
    return None if mib is None else round(mib * _MIB, 1)


def _asked_mb(mib: int | None) -> float | None:
    """The least MB that Snakemake, which rounds up, makes so many MiB."""
    return None if mib is None else float(math.floor(max(0, mib - 1) * _MIB) + 1)


def _moment(text: str | None) -> float | None:
    return None if text is None else datetime.datetime.fromisoformat(text).timestamp()


def _rounded(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value
