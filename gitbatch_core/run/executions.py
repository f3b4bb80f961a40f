"""When the jobs of a run ran, and so which of them may have written a file that no rule
declares."""

from __future__ import annotations

import contextlib
import datetime
import heapq
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gitbatch_core.errors import FormatError, GitbatchError
from gitbatch_core.log import suppressed
from gitbatch_core.model.job_order import ORDER_NAME, JobOrder
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.job_result import LOG_NAME, JobResult
from gitbatch_core.model.run_document import UndeclaredBy

_TICK_NS = 20_000_000
"""By so much two times of one clock may seem to be in another order."""
_UNKNOWN_NS = 2_000_000_000
"""By so much a clock may differ that nobody has compared."""
_MOST_COMPARED = 20
"""Jobs of a machine."""
_FOREVER_NS = 2**63


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One execution of a job, by its number in the run."""

    number: int
    rule: str
    members: tuple[str, ...]
    """Its single jobs, for people: `align[sample=a]`."""
    outputs: tuple[str, ...]
    """Relative to the top."""
    start_ns: int
    """Since 1970; not later than it began to write."""
    end_ns: int
    """Not earlier than it ceased to."""
    failed: bool = False

    @classmethod
    def of_record(
        cls, record: JobRecord, *, ahead_ns: int | None = None, failed: bool = False
    ) -> Execution:
        """By what the runner has measured. `ahead_ns`: how much the clock of files is ahead of
        that machine's, where somebody knows."""
        slack = _UNKNOWN_NS if ahead_ns is None else _TICK_NS
        return cls(
            rule=record.rule,
            members=_members(record),
            number=record.number,
            outputs=tuple(output.path for output in record.outputs),
            start_ns=_ns(record.started) + (ahead_ns or 0) - slack,
            end_ns=_ns(record.ended) + (ahead_ns or 0) + slack,
            failed=failed,
        )

    @classmethod
    def of_order(
        cls, order: JobOrder, record: JobRecord | None, *, ordered_ns: int, ahead_ns: int = 0
    ) -> Execution:
        """Of a job of which nobody knows when it began, and without its `record` when it ended."""
        end_ns = _FOREVER_NS if record is None else _ns(record.ended) + ahead_ns + _UNKNOWN_NS
        return cls(
            rule=order.record.rule,
            members=_members(order.record),
            number=order.record.number,
            outputs=tuple(output.path for output in order.outputs),
            start_ns=ordered_ns - _TICK_NS,
            end_ns=end_ns,
            failed=record is None,
        )

    def as_undeclared_by(self) -> UndeclaredBy:
        """What a run's document says of it."""
        job = UndeclaredBy(rule=self.rule, members=self.members, outputs=self.outputs)
        return job.replace(failed=True) if self.failed else job


def _members(record: JobRecord) -> tuple[str, ...]:
    return tuple(member.title for member in record.members)


def all_of(
    records: Iterable[JobRecord], jobs: Path, restarted: Collection[int]
) -> Iterator[Execution]:
    """All executions of a run: the jobs that succeeded, by their `records`, and all others that
    have an order in `jobs`, the folder of its jobs. Those in `restarted` may have run before,
    too."""
    done = {record.number: record for record in records}
    ahead = _ahead(done.values(), jobs)
    for number, record in done.items():
        if number not in restarted:
            yield Execution.of_record(record, ahead_ns=ahead.get(_host(record)))
    for name in os.listdir(jobs) if jobs.is_dir() else ():
        if not name.isdigit() or (int(name) in done and int(name) not in restarted):
            continue
        with suppressed(GitbatchError, OSError, KeyError):
            path = jobs / name / ORDER_NAME
            order, ordered_ns = JobOrder.read(path), path.stat().st_mtime_ns
            answer = JobResult.of_job(jobs / name)
            if answer is not None and "ended" in answer.record and int(name) not in restarted:
                clocks = _ahead([answer.record], jobs) | ahead
                yield Execution.of_record(
                    answer.record,
                    ahead_ns=clocks.get(_host(answer.record)),
                    failed=not answer.succeeded,
                )
            else:
                earlier = done.get(int(name))
                its = 0 if earlier is None else ahead.get(_host(earlier), 0)
                yield Execution.of_order(order, earlier, ordered_ns=ordered_ns, ahead_ns=its)


def _ahead(records: Iterable[JobRecord], jobs: Path) -> dict[str, int]:
    """By machine: how much the clock of files is ahead of its own. The runner touches a file when
    it notes that the command has ended; what it does in between can only make that look less."""
    by_host: dict[str, int] = {}
    compared: Counter[str] = Counter()
    for record in records:
        host = _host(record)
        if compared[host] < _MOST_COMPARED:
            compared[host] += 1
            with contextlib.suppress(OSError):
                touched = (jobs / str(record.number) / LOG_NAME).stat().st_mtime_ns
                ahead = touched - _ns(record.ended)
                by_host[host] = max(by_host.get(host, ahead), ahead)
    return by_host


def _host(record: JobRecord) -> str:
    return record.host.name or ""


def running_at(
    executions: Iterable[Execution], moments: Iterable[int]
) -> dict[int, list[Execution]]:
    """By moment: what ran then."""
    waiting = sorted(executions, key=lambda each: each.start_ns, reverse=True)
    running: list[tuple[int, int, Execution]] = []
    by_moment = {}
    for moment in sorted(set(moments)):
        while waiting and waiting[-1].start_ns <= moment:
            each = waiting.pop()
            heapq.heappush(running, (each.end_ns, each.number, each))
        while running and running[0][0] < moment:
            heapq.heappop(running)
        by_moment[moment] = [each for *_, each in running]
    return by_moment


def nearest(path: str, executions: Collection[Execution]) -> list[Execution]:
    """Of several that ran, those beside whose outputs the name `path` puts a file: `a.bam.bai` and
    `a.bai` lie by `a.bam`, and by another job's outputs in the same folder only where there are no
    closer ones. All of them where the name says nothing."""
    if len(executions) < 2:
        return list(executions)
    ranks = {e: max((_rank(path, o) for o in e.outputs), default=0) for e in executions}
    best = max(ranks.values())
    return [each for each, rank in ranks.items() if rank == best]


def belongs(path: str, output: str) -> bool:
    """Whether a name is that of an output with something added, or in the place of its suffix."""
    return any(
        path.startswith(begin) and not path[len(begin) :][:1].isalnum()
        for begin in (output, os.path.splitext(output)[0])
    )


def _rank(path: str, output: str) -> int:
    """How much of the name they share: as it is the output's, or lies in its folder."""
    if belongs(path, output):
        return (
            2 * (len(output) if path.startswith(output) else len(os.path.splitext(output)[0])) + 1
        )
    folder = output.rpartition("/")[0]
    return 2 * len(folder) if folder and path.startswith(f"{folder}/") else 0


def _ns(moment: str | None) -> int:
    if moment is None:
        raise FormatError("A job record lacks the time of its start or end.")
    seconds = datetime.datetime.fromisoformat(moment).timestamp()
    return round(seconds * 1000) * 1_000_000
