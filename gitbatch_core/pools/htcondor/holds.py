"""What HTCondor's hold codes mean for a user: the reason as HTCondor has it, and what to do."""

from __future__ import annotations

SPOOLING = 16
"""The job waits for its input: a step on its way, not an error."""

_ADVICE = {
    1: "Somebody put it on hold (condor_hold); gitbatch does not wait for a release.",
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
    "`mem_mb=lambda wildcards, attempt: attempt * 4000` with `retries`.",
    35: "Its container image cannot be used there.",
    46: "It ran out of time: raise `runtime` of the rule.",
    47: "It ran out of time: raise `runtime` of the rule.",
}


def reason(text: str | None, code: int, subcode: int) -> str:
    """`HoldReason (code N/M)` and what to do, where that is known."""
    found = f"{text or 'held without a reason'} (code {code}/{subcode})"
    advice = _ADVICE.get(code)
    return f"{found}\n{advice}" if advice else found
