"""What job ads, in the queue or in the history, say about a job whose events did not arrive.

Pure, as `events` is, and with the same rule: unknown is not success.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from gitbatch_core.pools.base import JobStatus, State
from gitbatch_core.pools.htcondor import holds
from gitbatch_core.pools.htcondor.events import (
    Progress,
    Step,
    ended,
    failed,
    given_up,
    held,
    removed,
)

ATTRIBUTES = (
    "ClusterId",
    "ProcId",
    "GitbatchNumber",
    "GitbatchHeldTimeout",
    "GitbatchMemory",
    "GitbatchOwnRelease",
    "JobStatus",
    "EnteredCurrentStatus",
    "NumHoldsByReason",
    "HoldReason",
    "HoldReasonCode",
    "HoldReasonSubCode",
    "RemoveReason",
    "RemoteHost",
    "LastRemoteHost",
    "ExitCode",
    "ExitBySignal",
    "ExitSignal",
    "MemoryUsage",
    "DiskUsage",
    "RemoteUserCpu",
    "RemoteSysCpu",
    "RemoteWallClockTime",
)
_IDLE, _RUNNING, _REMOVED, _COMPLETED, _HELD = 1, 2, 3, 4, 5

Ad = Mapping[str, Any]


def job_of(ad: Ad) -> tuple[int, int]:
    """The cluster and proc of the job whose ad it is."""
    return ad["ClusterId"], ad["ProcId"]


def observe(progress: Progress, ad: Ad) -> Step:
    """Take a job's ad into account."""
    if progress.state.final:
        return progress, None
    progress = policy(progress, ad)
    status = ad.get("JobStatus")
    host = _host(ad)
    if status == _COMPLETED:
        by_signal = ad.get("ExitBySignal")
        return ended(
            replace(progress, host=host or progress.host),
            exit_code=None if by_signal else ad.get("ExitCode"),
            signal=ad.get("ExitSignal") if by_signal else None,
            usage=_usage(ad),
        )
    if status == _HELD:
        return _held(progress, ad)
    if status == _REMOVED:
        return removed(progress, ad.get("RemoveReason"))
    progress = replace(progress, on_hold=None)
    if status == _RUNNING and progress.state is State.QUEUED:
        now = replace(progress, state=State.RUNNING, host=host)
        return now, JobStatus(number=now.number, state=State.RUNNING, host=host)
    if status == _IDLE and progress.state is State.RUNNING:
        now = replace(progress, state=State.QUEUED, host=None)
        return now, JobStatus(
            number=now.number, state=State.QUEUED, reason="back in the queue: it runs again"
        )
    return progress, None


def policy(progress: Progress, ad: Ad) -> Progress:
    """As the ad has it, which also jobs have that an earlier process submitted."""
    steps = ad.get("GitbatchMemory")
    return replace(
        progress,
        memory_steps=memory_steps(steps) if isinstance(steps, list) else progress.memory_steps,
        own_release=bool(ad.get("GitbatchOwnRelease") or progress.own_release),
        held_timeout_s=ad.get("GitbatchHeldTimeout") or progress.held_timeout_s,
    )


def memory_steps(steps: Iterable[Any]) -> tuple[int | None, ...]:
    """The attribute `GitbatchMemory`: numbers, and expressions that only HTCondor evaluates."""
    return tuple(int(step) if isinstance(step, (int, float)) else None for step in steps)


def _held(progress: Progress, ad: Ad) -> Step:
    code, subcode = ad.get("HoldReasonCode") or 0, ad.get("HoldReasonSubCode") or 0
    kind = holds.kind(code, subcode)
    if progress.on_hold is None:
        past = max(0, holds.past(ad.get("NumHoldsByReason"), kind) - 1)
        progress = replace(progress, past_holds={**progress.past_holds, kind: past})
        return held(progress, ad.get("HoldReason"), code, subcode)
    most_s = progress.held_timeout_s if kind is holds.HoldKind.WAITS else holds.LONGEST_RELEASE_S
    now, since = ad.get("ServerTime"), ad.get("EnteredCurrentStatus")
    if now is not None and since is not None and now - since > most_s:
        return given_up(progress, progress.on_hold)
    return progress, None


def lost(progress: Progress) -> Step:
    """Neither queue nor history know it."""
    return failed(
        progress,
        "lost: HTCondor has it neither in its queue nor in its history, and its event log does "
        "not say how it ended",
    )


def _host(ad: Ad) -> str | None:
    name = ad.get("RemoteHost") or ad.get("LastRemoteHost")
    return str(name).rpartition("@")[2] if name else None


def _usage(ad: Ad) -> dict[str, float]:
    disk_kb = ad.get("DiskUsage")
    usage = {
        "cpu_s": (ad.get("RemoteUserCpu") or 0) + (ad.get("RemoteSysCpu") or 0),
        "memory_mb": ad.get("MemoryUsage"),
        "disk_mb": None if disk_kb is None else disk_kb / 1024,
        "wall_s": ad.get("RemoteWallClockTime"),
    }
    return {name: float(value) for name, value in usage.items() if value is not None}
