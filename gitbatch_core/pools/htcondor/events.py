"""What the events of HTCondor's log say about a job.

Pure. Events may come twice, in another order or not at all: what is final stays, what is missing
is not needed. Nothing here takes silence for success.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gitbatch_core.pools.base import JobStatus, State
from gitbatch_core.pools.htcondor import holds

if TYPE_CHECKING:
    from collections.abc import Mapping

_VACATE_CODES = 1000
"""Reason codes of evictions start here; with a lower one, which is a hold's, the hold follows."""

_REMOVED_BY_USER = 1023
"""Reason code of an eviction that a removal follows."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event: HTCondor's name of its type, and its attributes."""

    kind: str
    cluster: int
    proc: int
    facts: Mapping[str, object]

    def text(self, name: str) -> str | None:
        value = self.facts.get(name)
        return value if isinstance(value, str) and value else None

    def number(self, name: str) -> int | None:
        value = self.facts.get(name)
        return int(value) if isinstance(value, (int, float)) else None


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What is known of one job of the queue."""

    number: int
    state: State = State.QUEUED
    host: str | None = None
    memory_mb: int | None = None
    memory_steps: tuple[int | None, ...] = ()
    """What it asks for at first and after each hold for too much memory, in MiB; None where only
    HTCondor can say."""
    held_timeout_s: int = 0
    """For so long others may release what they put on hold."""
    own_release: bool = False
    """The user's own policy says what is released."""
    past_holds: Mapping[holds.HoldKind, int] = field(default_factory=dict)
    on_hold: str | None = None
    """Why, while it is on hold and may be released."""
    remove: bool = False
    """It failed but is still in the queue: it must be removed, or it may come back."""

    @property
    def waits(self) -> bool:
        """Whether it is in the queue for a machine."""
        return self.state is State.QUEUED and self.on_hold is None


Step = tuple[Progress, JobStatus | None]
"""What is known now, and what is to be told."""


def advance(progress: Progress, event: Event) -> Step:
    """Take one event of this job into account."""
    if progress.state.final:
        return progress, None
    match event.kind:
        case "EXECUTE":
            return _runs(progress, _host(event))
        case "JOB_RECONNECTED":
            return _runs(progress, progress.host)
        case "JOB_TERMINATED":
            return _terminated(progress, event)
        case "JOB_HELD" | "REMOTE_ERROR" if (code := event.number("HoldReasonCode")) is not None:
            subcode = event.number("HoldReasonSubCode") or 0
            # A remote error with a hold code comes up to ten seconds before its hold.
            if (
                event.kind == "REMOTE_ERROR"
                and holds.kind(code, subcode) is not holds.HoldKind.FAILS
            ):
                return progress, None
            text = event.text("HoldReason") or event.text("ErrorMsg")
            return held(progress, text, code, subcode)
        case "JOB_RELEASED":
            return replace(progress, on_hold=None), None
        case "JOB_ABORTED":
            return removed(progress, event.text("Reason"))
        case "JOB_EVICTED" if _comes_back(event.number("ReasonCode")):
            return _waits(progress, f"evicted ({event.text('Reason') or 'no reason'})")
        case "SHADOW_EXCEPTION":
            return _waits(progress, f"interrupted ({event.text('Message') or 'shadow exception'})")
        case "JOB_RECONNECT_FAILED":
            return _waits(progress, f"its machine is lost ({event.text('Reason') or 'no reason'})")
        case "IMAGE_SIZE":
            seen = max(event.number("MemoryUsage") or 0, progress.memory_mb or 0)
            return replace(progress, memory_mb=seen or None), None
        case _:
            return progress, None


def _comes_back(code: int | None) -> bool:
    return code is None or (code >= _VACATE_CODES and code != _REMOVED_BY_USER)


def held(progress: Progress, text: str | None, code: int, subcode: int) -> Step:
    """It is on hold: given up, except where it will, or may, be released."""
    kind = holds.kind(code, subcode)
    if kind is holds.HoldKind.STARTS:
        return progress, None
    why = holds.reason(text, code, subcode)
    if progress.on_hold is not None and (progress.own_release or kind is not holds.HoldKind.FAILS):
        return progress, None  # heard twice
    times = progress.past_holds.get(kind, 0) + 1
    then = _after(progress, kind, times)
    if then is None:
        return given_up(progress, why)
    where = f" on {progress.host}" if progress.host else ""
    now = replace(
        progress,
        state=State.QUEUED,
        on_hold=why,
        past_holds={**progress.past_holds, kind: times},
    )
    held_for = f"{text or holds.NO_REASON} (code {code})"
    said = then if then.startswith("took") else f"on hold{where}: {held_for}: {then}"
    return now, JobStatus(number=now.number, state=State.QUEUED, reason=said)


def _after(progress: Progress, kind: holds.HoldKind, times: int) -> str | None:
    """For people: what comes after the hold; None: nothing."""
    if progress.own_release:
        return "its periodic_release may release it"
    if kind is holds.HoldKind.GROWS and times < len(progress.memory_steps):
        had, gets = progress.memory_steps[times - 1], progress.memory_steps[times]
        more = "more" if gets is None else f"{gets} MiB"
        return f"took more than {had or 'its'} MiB: runs again with {more}"
    if kind is holds.HoldKind.AGAIN and times <= holds.TRANSFER_TRIES:
        return "it is tried again"
    if kind is holds.HoldKind.WAITS and progress.held_timeout_s:
        seconds = progress.held_timeout_s
        time = f"{seconds} seconds" if seconds < 120 else f"{seconds // 60} minutes"
        return f"waits {time} for condor_release"
    return None


def given_up(progress: Progress, why: str) -> Step:
    """It is on hold and stays there."""
    progress, status = failed(progress, "on hold: " + why)
    return replace(progress, remove=True), status


def removed(progress: Progress, reason: str | None) -> Step:
    before = f"; it was on hold: {progress.on_hold}" if progress.on_hold else ""
    return failed(progress, f"removed from the queue: {reason or 'no reason'}{before}")


def failed(progress: Progress, reason: str) -> Step:
    """HTCondor does not run it to its end."""
    return replace(progress, state=State.FAILED), JobStatus(
        number=progress.number,
        state=State.FAILED,
        reason=reason,
        host=progress.host,
        usage={} if progress.memory_mb is None else {"memory_mb": float(progress.memory_mb)},
    )


def ended(
    progress: Progress,
    *,
    exit_code: int | None,
    signal: int | None,
    usage: Mapping[str, float],
) -> Step:
    """Its process ended by itself."""
    if exit_code is None and signal is None:
        return failed(progress, "HTCondor says that it ended, but not how")
    return replace(progress, state=State.ENDED), JobStatus(
        number=progress.number,
        state=State.ENDED,
        exit_code=exit_code if signal is None else None,
        signal=signal,
        host=progress.host,
        usage=usage,
    )


def done(progress: Progress) -> Step:
    """The job says itself that it has done its work, and ends with 0 now."""
    if progress.state.final:
        return progress, None
    return ended(progress, exit_code=0, signal=None, usage={})


def _runs(progress: Progress, host: str | None) -> Step:
    now = replace(progress, state=State.RUNNING, host=host, on_hold=None)
    return now, (
        JobStatus(number=now.number, state=State.RUNNING, host=host) if now != progress else None
    )


def _waits(progress: Progress, reason: str) -> Step:
    if progress.state is State.QUEUED:
        return progress, None
    now = replace(progress, state=State.QUEUED, host=None)
    where = f" on {progress.host}" if progress.host else ""
    return now, JobStatus(
        number=now.number, state=State.QUEUED, reason=f"{reason}{where}: it runs again"
    )


def _terminated(progress: Progress, event: Event) -> Step:
    memory_mb = event.number("MemoryUsage") or progress.memory_mb
    disk_kb = event.number("DiskUsage")
    wall_s = event.number("TimeExecuteUsage")
    usage = {
        "cpu_s": cpu_seconds(event.text("RunRemoteUsage") or ""),
        "memory_mb": memory_mb,
        "disk_mb": None if disk_kb is None else disk_kb / 1024,
        "wall_s": wall_s,
    }
    normally = event.facts.get("TerminatedNormally")
    return ended(
        progress,
        exit_code=event.number("ReturnValue") if normally else None,
        signal=None if normally else event.number("TerminatedBySignal"),
        usage={name: float(value) for name, value in usage.items() if value is not None},
    )


def _host(event: Event) -> str | None:
    """The machine's name: of `slot1_3@node7` the second part, else its address."""
    name = event.text("SlotName") or event.text("ExecuteHost")
    return name.rpartition("@")[2] if name else None


def cpu_seconds(usage: str) -> float | None:
    """Of `Usr 0 00:01:02, Sys 0 00:00:03` (days, then hours, minutes, seconds) the sum."""
    parts = re.findall(r"(\d+) (\d+):(\d+):(\d+)", usage)
    if not parts:
        return None
    return float(sum(((int(d) * 24 + int(h)) * 60 + int(m)) * 60 + int(s) for d, h, m, s in parts))
