"""What is true of this machine and moment: host, time, environment."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Mapping

# Set by the pool for this machine, so they cannot come with the order.
_FROM_POOL = ("TMPDIR",)


def iso_time(seconds: float) -> str:
    """UTC, to the millisecond: 2026-11-21T04:05:06.789Z."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def host() -> dict[str, str | int]:
    """The machine, as a record keeps it."""
    facts: dict[str, str | int] = {
        "name": platform.node(),
        "system": platform.system(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpus": os.cpu_count() or 1,
        "python": platform.python_version(),
    }
    if slot := os.environ.get("_CONDOR_SLOT"):
        facts["slot"] = slot
    return facts


def environment(ordered: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, str]:
    """The command's whole environment."""
    from_pool = {name: os.environ[name] for name in _FROM_POOL if name in os.environ}
    return {**ordered, **from_pool, **secrets}
