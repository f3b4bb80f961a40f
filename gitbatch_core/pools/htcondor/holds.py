"""What HTCondor's hold codes mean for a job, and for its user.

What can be mended is released by the schedd itself, through a policy in the job ad, so that it also
happens when nobody follows the run. Other held jobs wait for somebody, or fail.
"""

from __future__ import annotations

import enum


class HoldKind(enum.Enum):
    """What becomes of a job on hold."""

    STARTS = "starts"
    """It waits for its input: a step on its way, not an error."""
    GROWS = "grows"
    """It took too much memory: released, to ask for more; fails when there is no more."""
    AGAIN = "again"
    """Files could not be sent, which may pass: released, `TRANSFER_TRIES` times at most."""
    WAITS = "waits"
    """Somebody put it on hold, and may release it."""
    FAILS = "fails"


TRANSFER_TRIES = 2
"""How often a job is released whose files could not be sent."""

_TRANSFER_PAUSE_S = 60

NO_REASON = "held without a reason"

LONGEST_RELEASE_S = 3600
"""A schedd looks at its jobs' policies once a minute, a busy one every twenty; by then what it
should release must be released."""

_OVER_MEMORY = 102
_OVER_DISK = 104

_OUT_OF_RESOURCES = 34
_BY_MACHINE = 21
_BY_POOL = 26

_MEMORY_REASONS = ("JobOutOfResources", "StartdHeldJob", "SystemPolicy")
"""HTCondor's names of these codes."""
_TRANSFER_REASONS = ("TransferOutputError", "TransferInputError")

_KINDS = {
    1: HoldKind.WAITS,
    12: HoldKind.AGAIN,
    13: HoldKind.AGAIN,
    15: HoldKind.WAITS,
    16: HoldKind.STARTS,
}


def kind(code: int, subcode: int) -> HoldKind:
    if code in (_BY_MACHINE, _BY_POOL) and subcode == _OVER_MEMORY:
        return HoldKind.GROWS
    if code == _OUT_OF_RESOURCES and subcode != _OVER_DISK:
        return HoldKind.GROWS
    return _KINDS.get(code, HoldKind.FAILS)


def _times(reasons: tuple[str, ...]) -> str:
    """How often a job was on hold for these reasons, as a ClassAd expression."""
    return " + ".join(f"(NumHoldsByReason.{name} ?: 0)" for name in reasons)


REQUEST_MEMORY = (
    "(NumHolds ?: 0) == 0 ? GitbatchMemory[0] : "
    f"GitbatchMemory[min({{{_times(_MEMORY_REASONS)}, size(GitbatchMemory) - 1}})]"
)
"""What a job asks for whose steps are the list `GitbatchMemory`. The schedd tells jobs apart that
ask for different machines by `NumHolds`: it does not look into `NumHoldsByReason` for that."""

RELEASE = (
    f"((HoldReasonCode == {_OUT_OF_RESOURCES} && HoldReasonSubCode =!= {_OVER_DISK}) || "
    f"(member(HoldReasonCode, {{{_BY_MACHINE}, {_BY_POOL}}}) && "
    f"HoldReasonSubCode == {_OVER_MEMORY})) && "
    f"{_times(_MEMORY_REASONS)} < (size(GitbatchMemory) ?: 0) || "
    f"member(HoldReasonCode, {{12, 13}}) && {_times(_TRANSFER_REASONS)} <= {TRANSFER_TRIES} && "
    f"time() - EnteredCurrentStatus > {_TRANSFER_PAUSE_S}"
)
"""`periodic_release`: as `kind` has it."""


def remove_after(held_timeout_s: int) -> str:
    """`periodic_remove`: held jobs that we should have removed, and are not there to do it."""
    return (
        "JobStatus == 5 && HoldReasonCode =!= 16 && time() - EnteredCurrentStatus > "
        f"{held_timeout_s + LONGEST_RELEASE_S}"
    )


def past(by_reason: object, kind: HoldKind) -> int:
    """Of `NumHoldsByReason`, how often the job was on hold for reasons of this kind."""
    names = {HoldKind.GROWS: _MEMORY_REASONS, HoldKind.AGAIN: _TRANSFER_REASONS}.get(kind, ())
    if not hasattr(by_reason, "get"):
        return 0
    numbers = [by_reason.get(name) for name in names]
    return sum(number for number in numbers if isinstance(number, int))


_ADVICE = {
    1: "Somebody put it on hold (condor_hold) and did not release it (condor_release) in time: "
    "--gitbatch-held-timeout says how long to wait.",
    3: "The job's own policy put it on hold: look at periodic_hold and on_exit_hold.",
    6: "Its command cannot be started there: is Python on a file system that the pool's machines "
    "share? `requirements` can name the machines that have it.",
    7: "Its log cannot be written: is the archive's folder writable, its file system not full?",
    8: "Its input cannot be opened.",
    12: "Its log could not be sent back: is the archive's folder there and writable, not full?",
    13: "Its file of secrets could not be sent to the machine: is the private folder still there?",
    14: "Its folder cannot be entered: is the archive on a file system that this machine has?",
    15: "It was submitted on hold: take `hold` out of its resources.",
    21: "The machine that ran it put it on hold: its owner's policy.",
    22: "Its event log cannot be written: is the private folder still there, its disk not full?",
    26: "The pool's own policy put it on hold: ask its administrators.",
    32: "The pool limits what may be sent to a job.",
    33: "The pool limits what a job may send back.",
    34: "It took more than it asked for: raise `mem_mb` (or `disk_mb`) of the rule, for example "
    "`mem_mb=lambda wildcards, attempt: attempt * 4000` with `retries`, or give it "
    "`retry_request_memory`.",
    35: "Its container image cannot be used there.",
    46: "It ran out of time: raise `runtime` of the rule.",
    47: "It ran out of time: raise `runtime` of the rule.",
}


def reason(text: str | None, code: int, subcode: int) -> str:
    """`HoldReason (code N/M)` and what to do, where that is known."""
    text = f"{text or NO_REASON} (code {code}/{subcode})"
    advice = _ADVICE.get(_OUT_OF_RESOURCES if kind(code, subcode) is HoldKind.GROWS else code)
    return f"{text}\n{advice}" if advice else text
