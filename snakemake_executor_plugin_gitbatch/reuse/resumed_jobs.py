"""What another process of the same run has begun, and did not live to take over.

A job is the same one where it has the same job key: its result is taken over, or it is followed
where the pool still has it. No job runs twice, and nothing that is finished is lost.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gitbatch_core.errors import FormatError, RunError
from gitbatch_core.model.documents import Document
from gitbatch_core.model.job_documents import ANSWER_NAME, ORDER_NAME, Answer, Order
from gitbatch_core.pools.base import JobStatus, Pool, State
from gitbatch_core.run.lease import Owner
from gitbatch_core.run.mirror import output_links
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.run.run import Run
from snakemake_executor_plugin_gitbatch.job import job_description

_ENDING_S = 60.0
"""Jobs on this machine end with the process that started them, in up to 20 seconds."""


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """An earlier job that is the one to run now."""

    number: int
    order: Order
    id: str
    """The pool's own."""
    ended: JobStatus | None
    """Where it has ended, with success; None: it is queued or running."""
    handed_over: float
    """To the pool, in seconds since 1970."""


@dataclass(kw_only=True)
class ResumedJobs:
    """The jobs of one run that an earlier process has handed over."""

    last_number: int = 0
    records: dict[int, Document] = field(default_factory=dict)
    """Of those that succeeded, by number."""
    failed: list[str] = field(default_factory=list)
    """For people: those that failed."""
    _orders: dict[int, Order] = field(default_factory=dict)
    _handed_over: dict[int, float] = field(default_factory=dict)
    _claimed: set[int] = field(default_factory=set)
    _ids: dict[int, str] = field(default_factory=dict)
    """Of those that the pool still has."""
    _by_key: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, run: Run, mine: Owner, pool: Pool) -> ResumedJobs:
        """What `run` has in its staging and in `pool`. Raises PoolError, RunError."""
        found = cls(last_number=max(mine.job_numbers(), default=0))
        for number in mine.job_numbers():
            with contextlib.suppress(FileNotFoundError, FormatError):
                path = run.job_folder(number) / ORDER_NAME
                found._orders[number] = Order.read(path)
                found._handed_over[number] = path.stat().st_mtime
        remote = {n for n, o in found._orders.items() if o.record["pool"]["kind"] != "local"}
        _await_ends(mine, found._orders.keys() - remote)
        # The pool before the answers: a job that ends meanwhile is in one of them.
        names = {n: found._orders[n].sign for n in remote}
        signs = {n: Path(name) if name else None for n, name in names.items()}
        found._ids = pool.adopt(signs) if pool.kind != "local" else {}
        for number, order in found._orders.items():
            answer = None
            with contextlib.suppress(FileNotFoundError, FormatError):
                answer = Answer.read(run.job_folder(number) / ANSWER_NAME)
            if answer is not None and answer.succeeded:
                found.records[number] = answer.record
                # It may be in the queue for a moment still, but there is nothing to wait for.
                if found._ids.pop(number, None) and (sign := signs[number]) is not None:
                    sign.touch()  # the runner may have been ended before it could
            elif number not in found._ids:
                if answer is not None:
                    found.failed.append(_title(answer.record))
                continue
            found._by_key.setdefault(order.record["key"], []).append(number)
        return found

    def describe(self) -> str:
        """For people."""
        done, here = len(self.records), len(self._ids)
        return (
            "The run goes on where its last controller was lost: "
            f"{done} of its jobs {'has' if done == 1 else 'have'} finished, "
            f"{here} {'is' if here == 1 else 'are'} queued or running."
        )

    def recall(self, mirror: Mirror) -> list[str]:
        """Tell `mirror` what the earlier process had put in place, and is still there; paths of the
        temporary outputs among that."""
        temporary = []
        for record in self.records.values():
            for output in record["outputs"]:
                if output_links.recall(mirror, output) and output.get("temporary"):
                    temporary.append(output["path"])
        return temporary

    def claim(self, key: str, mirror: Mirror) -> Claimed | None:
        """The earlier job with this key, if its result is there or is still to come."""
        for number in reversed(self._by_key.get(key, ())):
            order, ended = self._orders[number], None
            if number in self.records:
                if not all(
                    output_links.is_there(mirror, o) for o in self.records[number]["outputs"]
                ):
                    continue
                ended = JobStatus(number=number, state=State.ENDED, exit_code=0)
            self._by_key[key].remove(number)
            self._claimed.add(number)
            id = self._ids.pop(number, f"earlier.{number}")
            handed_over = self._handed_over[number]
            return Claimed(number=number, order=order, id=id, ended=ended, handed_over=handed_over)
        return None

    def before_update(self, updated: dict[str, str], mirror: Mirror) -> dict[str, str]:
        """Where the outputs of these paths and addresses were made by an earlier job that updates
        them in place: what they were before."""
        found = dict(updated)
        for record in self.records.values():
            made = {output["path"]: output["address"] for output in record["outputs"]}
            for path, address in updated.items():
                if made.get(mirror.relative(path) or "") == address:
                    found |= {path: record["updated"].get(path, "")}
        return {path: address for path, address in found.items() if address}

    def concluded(self) -> Iterator[tuple[Document, float]]:
        """Records of jobs that nothing had to ask for again, and when these were handed over."""
        for number, record in self.records.items():
            if number not in self._claimed:
                yield record, self._handed_over[number]

    def writers(self, paths: set[str | None]) -> list[int]:
        """Jobs in the pool, claimed by nobody, that would write one of `paths` (to the top)."""
        return [n for n in self._ids if any(o.path in paths for o in self._orders[n].outputs)]

    def not_asked_for(self, mirror: Mirror) -> list[str]:
        """Names of jobs that the pool still has, or whose results are not in place, and that
        nothing has asked for."""
        numbers = [*self._ids]
        for number, record in self.records.items():
            lasting = [o for o in record["outputs"] if not o.get("temporary")]
            missing = [o for o in lasting if not os.path.lexists(mirror.top / o["path"])]
            if number not in self._claimed and any(
                output_links.is_there(mirror, o) for o in missing
            ):
                numbers.append(number)
        return [_title(self._orders[number].record) for number in dict.fromkeys(numbers)]

    def forget(self, numbers: list[int]) -> None:
        """They were removed from the pool."""
        for number in numbers:
            del self._ids[number]
            for known in self._by_key.values():
                if number in known and number not in self.records:
                    known.remove(number)


def _title(record: Document) -> str:
    if len(record["members"]) != 1:
        return f"group[{','.join(dict.fromkeys(member['rule'] for member in record['members']))}]"
    return job_description.named(record["rule"], record["members"][0]["wildcards"])


def _await_ends(mine: Owner, numbers: set[int]) -> None:
    deadline = time.monotonic() + _ENDING_S
    while left := mine.jobs_here() & numbers:
        if time.monotonic() > deadline:
            raise RunError(
                f"Jobs of run {mine.run}, whose controller is gone, are still ending on this "
                f"machine: {', '.join(map(str, sorted(left)))}.",
                hint="Try again in a moment.",
            )
        time.sleep(0.1)
