"""The claims that a run holds while they have no job, and the schedd's looks at them.

With `keep_claim_idle` a claim stays for some seconds after a job, for the run's next one. But the
schedd starts jobs on idle claims, and gives those back whose time is over, only when it looks
through its claims: when any job starts, when somebody acts on a job (hold, release, remove), when
a job that it runs itself ends, and else every SCHEDD_INTERVAL: five minutes. New jobs in the queue
do not make it look, and since HTCondor 25.14 neither does condor_reschedule.

So we have it look: by a job that is queued on hold and removed at once; and when the run ends, by
one that the schedd runs itself, and that sleeps until the time of the last claims is over. A site
that does not take such jobs gets its machines back at once after each job.
"""

from __future__ import annotations

import logging
import math
import sys
import threading
import time
from typing import TYPE_CHECKING

from gitbatch_core.errors import PoolError
from gitbatch_core.pools.htcondor.submit import SubmitDescription, path, string, word_v2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gitbatch_core.pools.htcondor.events import Event
    from gitbatch_core.pools.htcondor.schedd import Schedd
    from gitbatch_core.pools.htcondor.submission import JobId

_log = logging.getLogger(__name__)

_SOON_S = 1.0
"""So long after a job its claim may still get the next one without our doing."""

_LATE_S = 2.0
"""The schedd counts in whole seconds, and from a little later than we do."""

_APART_S = 4.0
"""Claims may be given back so much later than they could be, to spare jobs."""

_PACE_S = 0.5
_RETRY_S = 10.0
_LEFT_S = 300
"""When the schedd itself removes a job of ours that did not end."""


class IdleSlots:
    """Since when which slots have no job of the run. Pure: the caller has the clock."""

    def __init__(self) -> None:
        self._busy: dict[JobId, str] = {}
        self._idle: dict[str, float] = {}
        self._looked = float("-inf")

    def __bool__(self) -> bool:
        return bool(self._idle)

    def hear(self, event: Event, now: float) -> None:
        """Take an event of a job of the run into account."""
        job = (event.cluster, event.proc)
        match event.kind:
            case "EXECUTE":
                self._busy[job] = slot = event.text("SlotName") or f"of {job}"
                self._idle.pop(slot, None)
            case "JOB_TERMINATED" | "JOB_ABORTED" if slot := self._busy.pop(job, ""):
                self._idle[slot] = now
            case "JOB_EVICTED" | "JOB_HELD":  # the claim is given back
                self._busy.pop(job, None)

    def over(self, keep_s: int, now: float) -> bool:
        """Whether a claim is to be given back."""
        return any(now >= since + keep_s + _LATE_S for since in self._idle.values())

    def missed(self, now: float) -> bool:
        """Whether a claim should have had its next job by now, were there one."""
        return any(self._looked < since + _SOON_S <= now for since in self._idle.values())

    def looked(self, keep_s: int, now: float) -> None:
        """The schedd has looked at all of them."""
        self._looked = now
        self._idle = {s: t for s, t in self._idle.items() if now < t + keep_s + _LATE_S}

    def ends(self, keep_s: int, now: float) -> list[int]:
        """In how many seconds the schedd is to look so that all are given back: few times."""
        looks: list[int] = []
        for since in sorted(self._idle.values(), reverse=True):
            left = max(0.0, since + keep_s + _LATE_S - now)
            if not looks or left < looks[-1] - _APART_S:
                looks.append(math.ceil(left))
        return looks


class IdleClaims:
    """Those of one run, which are to be kept for `keep_s` seconds."""

    def __init__(self, *, schedd: Schedd, keep_s: int) -> None:
        self._schedd = schedd
        self._wanted_s = keep_s
        self._keep_s = 0
        self._forbidden = False
        self._lock = threading.Lock()
        """Of the slots; never held while the schedd is asked."""
        self._slots = IdleSlots()
        self._next_look = 0.0

    def keep_s(self) -> int:
        """For how long jobs keep their claims; asks the schedd until that is known."""
        if self._keep_s != self._wanted_s and not self._forbidden:
            try:
                self._forbidden = not self._schedd.runs_jobs_itself()
                if not self._forbidden:
                    self._wake()
                    self._keep_s = self._wanted_s
            except PoolError as error:
                _log.debug("no claims are kept now: %s", error.message)
        return self._keep_s

    def hear(self, event: Event) -> None:
        """Take an event of a job of the run into account."""
        with self._lock:
            self._slots.hear(event, time.monotonic())

    def handed_over(self) -> None:
        """There are new jobs in the queue."""
        if self._keep_s and self._slots:
            self._have_it_look()

    def follow(self, waiting: Callable[[], bool]) -> None:
        """Have the schedd look where it is time; to be called often. `waiting`: whether jobs of
        the run are waiting for a machine."""
        now = time.monotonic()
        if not (self._keep_s and self._slots) or now < self._next_look:
            return
        self._next_look = now + _PACE_S
        with self._lock:
            over, missed = self._slots.over(self._keep_s, now), self._slots.missed(now)
        if over or (missed and waiting()):
            self._have_it_look()

    def leave(self) -> None:
        """Nothing comes any more: the claims are to be given back when their time is over."""
        with self._lock:
            ends = self._slots.ends(self._keep_s, time.monotonic())
        if not (self._keep_s and ends):
            return
        try:
            cluster = self._submit(ends)
            self._schedd.release(f"ClusterId == {cluster}", "gitbatch: may start")
        except PoolError as error:
            _log.debug("claims stay until the schedd looks by itself: %s", error.message)

    def _have_it_look(self) -> None:
        try:
            self._wake()
        except PoolError as error:
            _log.debug("the schedd is not made to look at its claims: %s", error.message)
            self._next_look = time.monotonic() + _RETRY_S
            return
        with self._lock:
            self._slots.looked(self._keep_s, time.monotonic())

    def _wake(self) -> None:
        cluster = self._submit([0])
        self._schedd.remove(f"ClusterId == {cluster}", "gitbatch has the schedd look at its claims")

    def _submit(self, seconds: Iterable[int]) -> str:
        """Queue jobs that sleep for so long when they are released; their cluster."""
        description = SubmitDescription(
            commands={
                "universe": "scheduler",
                "executable": path(sys.executable, of="Python"),
                "transfer_executable": "false",
                "initialdir": "/",
                "hold": "true",
                "periodic_remove": f"time() - QDate > {_LEFT_S}",
                "batch_name": "gitbatch gives machines back",
                "MY.JobDescription": string("has the schedd look at its claims"),
            },
            items=tuple({"MY.Arguments": string(_sleep(each))} for each in seconds),
            jobs=(),
        )
        return self._schedd.submit(description)[0].partition(".")[0]


def _sleep(seconds: int) -> str:
    """Arguments for Python."""
    return " ".join(map(word_v2, ("-I", "-S", "-c", f"import time; time.sleep({seconds})")))
