"""What a pool offers: whether we may queue jobs, and which slots it has. Queues nothing.

Asks from a process of its own, as `probe` does: HTCondor's library writes to the terminal and may
wait for long. As a program (that process) it prints one JSON object.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gitbatch_core.errors import PoolError

_LONGEST_S = 10.0

_ATTRIBUTES = (
    "Name",
    "Machine",
    "SlotType",
    "State",
    "Cpus",
    "Memory",
    "TotalSlotCpus",
    "TotalSlotMemory",
    "FileSystemDomain",
    "Start",
)


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The answer. A part that was not available is missing, and `problems` says why."""

    user: str = ""
    """Under which name the schedd would queue jobs of ours."""
    domain: str = ""
    """FILESYSTEM_DOMAIN of this machine."""
    slots: Sequence[Mapping[str, Any]] = ()
    """Job attributes of each slot; of a partitionable one's parts, none."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """`schedd`, `collector` or `bindings`, and what is wrong."""

    def describe(self) -> str:
        """`16, machines: 4; 12 x 8 CPUs, 32000 MB; 4 x …`, largest number first."""
        machines = {slot.get("Machine") for slot in self.slots}
        kinds = Counter((cpus(slot), memory_mb(slot)) for slot in self.slots)
        shown = [f"{n} x {c} CPUs, {m} MB" for (c, m), n in kinds.most_common(3)]
        more = "; …" if len(kinds) > 3 else ""
        return f"{len(self.slots)}, machines: {len(machines)}; {'; '.join(shown)}{more}"


def cpus(slot: Mapping[str, Any]) -> int:
    """All of a slot's CPUs, whether in use or not."""
    return int(slot.get("TotalSlotCpus") or slot.get("Cpus") or 0)


def memory_mb(slot: Mapping[str, Any]) -> int:
    """All of a slot's memory, whether in use or not."""
    return int(slot.get("TotalSlotMemory") or slot.get("Memory") or 0)


def survey() -> Survey:
    """Query schedd and collector; never raises, never waits for long."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LONGEST_S,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        return Survey(**json.loads(done.stdout))
    except subprocess.TimeoutExpired:
        return Survey(problems={"collector": f"no answer within {_LONGEST_S:.0f} s"})
    except (OSError, ValueError, TypeError):
        return Survey(problems={"bindings": " ".join(done.stderr.split())[-300:]})


def _asked() -> dict[str, Any]:
    from gitbatch_core.pools.htcondor import schedd

    problems: dict[str, str] = {}

    def ask(whom: str, question: Callable[[], Any], otherwise: Any) -> Any:
        try:
            return question()
        except PoolError as error:
            problems[whom] = error.message
            return otherwise

    slots = ask("collector", lambda: schedd.slot_ads(_ATTRIBUTES), [])
    return {
        "user": ask("schedd", schedd.user_admitted, ""),
        "domain": schedd.setting("FILESYSTEM_DOMAIN"),
        "slots": [slot for slot in slots if slot.get("SlotType") != "Dynamic"],
        "problems": problems,
    }


if __name__ == "__main__":
    json.dump(_asked(), sys.stdout)
