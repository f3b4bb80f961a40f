"""Whether any machine of the pool could ever run a job: nobody should wait for what no slot has.

Counts what the machines have in total, not what is free now, and says no only if that is certain.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitbatch_core.errors import PoolError
from gitbatch_core.pools.base import RefusedError
from gitbatch_core.pools.htcondor import submit_extras
from gitbatch_core.pools.htcondor.submit import name_of

if TYPE_CHECKING:
    from gitbatch_core.pools.base import JobSpec, Request
    from gitbatch_core.pools.htcondor.schedd import SlotAd

UNMATCHED = ("refuse", "wait")
"""What to do with a job that no slot can ever match."""

_ASK_FOR_LESS = (
    "Ask for less (threads and resources of the rule), or let it wait for a machine that is not "
    "there now: --gitbatch-unmatched wait."
)

_LASTS_S = 60.0
"""So long the collector's answer is good."""

_CHANGES = re.compile(
    r"\b(?:State|Activity|\w*LoadAvg|\w*Idle|Current\w*|EnteredCurrent\w*|My\w*Time|LastHeardFrom|"
    r"Child\w+|Num\w+|Remote\w+|time|random|ClockMin|ClockDay)\b|\$|\bMY\.(?!Request)",
    re.IGNORECASE,
)
"""In requirements: what may be another thing tomorrow, or what the schedd adds to a job."""


@dataclass(frozen=True, kw_only=True)
class Slots:
    """The slots of all machines that the pool has now."""

    ads: tuple[SlotAd, ...]

    @classmethod
    def read(cls) -> Slots:
        """Query the collector. Raises PoolError."""
        from gitbatch_core.pools.htcondor import schedd

        return cls(ads=tuple(schedd.slots()))

    @property
    def most_memory_mb(self) -> int | None:
        """MiB of the largest slot; None: there is none."""
        return self._most("Memory")

    def why_never(self, request: Request) -> str | None:
        """Why no slot can ever run a job that asks for this, to go after its name; None: one can,
        or that is not certain, or there are no slots."""
        if not self.ads:
            return None
        asked = _asked(request)
        for name, (number, unit, text) in asked.items():
            most = self._most(name) or 0
            if number > most:
                has = "none" if not most else f"{most // unit}"
                return f"asks for {text}; the largest slot has {has}"
        fitting = [
            ad
            for ad in self.ads
            if all((ad.number(name) or 0) >= number for name, (number, *_) in asked.items())
        ]
        if not fitting:
            together = " and ".join(text for *_, text in asked.values())
            return f"asks for {together}; no slot has all of it"
        wanted = {key.casefold(): value for key, value in request.extra.items()}.get("requirements")
        if not wanted or _CHANGES.search(wanted):
            return None
        job = {f"Request{name}": str(number) for name, (number, *_) in asked.items()}
        if any(ad.meets(wanted, job) for ad in fitting):
            return None
        slots = "slot" if len(fitting) == 1 else "slots"
        return f"has the requirements {wanted}; {len(fitting)} {slots} could run it but for these"

    def _most(self, name: str) -> int | None:
        numbers = [number for ad in self.ads if (number := ad.number(name)) is not None]
        return int(max(numbers)) if numbers else None


def _asked(request: Request) -> dict[str, tuple[int, int, str]]:
    """By attribute: how much in HTCondor's unit, that unit's part of ours, and for people."""
    theirs = {key.casefold() for key in request.extra}
    resources: dict[str, tuple[int, int, str]] = {}
    if "request_cpus" not in theirs:
        cpus = max(1, request.cpus)
        resources["Cpus"] = (cpus, 1, f"{cpus} CPU{'s' * (cpus != 1)}")
    if request.memory_mb is not None and "request_memory" not in theirs:
        resources["Memory"] = (request.memory_mb, 1, f"{request.memory_mb} MiB of memory")
    if request.disk_mb is not None and "request_disk" not in theirs:
        resources["Disk"] = (request.disk_mb * 1024, 1024, f"{request.disk_mb} MiB of disk")
    if request.gpus and "request_gpus" not in theirs:
        resources["GPUs"] = (request.gpus, 1, f"{request.gpus} GPU{'s' * (request.gpus != 1)}")
    for key, value in request.extra.items():
        name = key.casefold()
        if submit_extras.is_machine_resource(name) and value.strip().isdecimal() and int(value):
            own = name.removeprefix("request_")
            resources[own] = (int(value), 1, f"{own}={value.strip()}")
    return resources


class Gate:
    """Lets jobs into the queue that some machine can run. `unmatched`: of `UNMATCHED`."""

    def __init__(self, *, unmatched: str, notice: Callable[[str], None]) -> None:
        if unmatched not in UNMATCHED:
            raise PoolError(f"unmatched is one of {', '.join(UNMATCHED)}, not {unmatched!r}")
        self._unmatched = unmatched
        self._notice = notice
        self._said: set[str] = set()
        self._lock = threading.Lock()
        self._slots = Slots(ads=())
        self._until = 0.0

    def slots(self) -> Slots:
        """What the pool had at most a minute ago; nothing where it cannot be asked."""
        with self._lock:
            if time.monotonic() >= self._until:
                try:
                    self._slots = Slots.read()
                except PoolError as error:
                    self._say(f"HTCondor's collector does not answer: {error.message}")
                self._until = time.monotonic() + _LASTS_S
            return self._slots

    def check(self, jobs: Sequence[JobSpec]) -> None:
        """Raise RefusedError for expressions that are none, and for jobs that no slot can match."""
        bad = {
            s.number: f"{name_of(s)}: {why}" for s in jobs if (why := _bad_expression(s.request))
        }
        if bad:
            raise RefusedError(bad)
        slots = self.slots()
        if not slots.ads:
            self._say("The pool has no slots now: jobs wait until it has some.")
            return
        never = {s.number: f"{name_of(s)} {w}" for s in jobs if (w := slots.why_never(s.request))}
        if never and self._unmatched == "refuse":
            raise RefusedError(
                never,
                hint=_ASK_FOR_LESS,
            )
        for text in never.values():
            self._say(f"{text}. It waits for another machine.")

    def check_request(self, request: Request, name: str) -> None:
        """Raise PoolError if a job of this name with this request would be refused."""
        if (why := _bad_expression(request)) is not None:
            raise PoolError(f"{name}: {why}")
        if self._unmatched == "refuse" and (why := self.slots().why_never(request)) is not None:
            raise PoolError(f"{name} {why}", hint=_ASK_FOR_LESS)

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._notice(text)


def _bad_expression(request: Request) -> str | None:
    from gitbatch_core.pools.htcondor import schedd

    for key, value in _expressions(request.extra.items()):
        if not value.strip():
            continue
        try:
            schedd.check_expression(value)
        except PoolError as error:
            return f"{key}: {error.message}"
    return None


def _expressions(extra: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """Those without HTCondor's macros, which only it can fill in, and backslashes, which are
    something else in submit descriptions."""
    return (
        (k, v)
        for k, v in extra
        if k.casefold() in submit_extras.EXPRESSIONS and not {"$", "\\"} & {*v}
    )
