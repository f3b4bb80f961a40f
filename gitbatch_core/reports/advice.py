"""What a rule should request next time. Says nothing if its request is about right."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

_MARGIN = 1.2
"""Of memory, over the most that any job used."""
_TIGHT, _WIDE = 0.9, 0.5
"""Parts of what was asked for: a rule that uses more, or less, should ask for something else."""
_WORTH_MB = 1000.0
"""Less is not worth a change."""
_WORTH_S = 30.0
"""Shorter jobs are mostly Snakemake's own start, which needs one core."""
_IDLE, _CROWDED = 0.6, 1.2
"""Busy cores per core that was asked for, below and above which other threads are better."""


def memory(*, used_mb: float | None, asked_mb: float | None, all_done: bool) -> str:
    """`mem_mb=2200`, or nothing. `used_mb`: the most of any job, including failed ones: the rule
    needs at least that. Less than before is advised only if `all_done`."""
    if not used_mb:
        return ""
    wanted = _round_up(used_mb * _MARGIN)
    if asked_mb is None:
        right = used_mb < _WORTH_MB
    elif used_mb > _TIGHT * asked_mb:
        right = wanted <= asked_mb
    else:
        right = not all_done or used_mb > _WIDE * asked_mb or asked_mb - wanted < _WORTH_MB
    return "" if right else f"mem_mb={wanted}"


def threads(*, cpus: int, busy: Sequence[tuple[float, float]]) -> str:
    """`threads=2`, or nothing. `busy`: seconds of CPU and of wall time of each job."""
    long = [(cpu_s / wall_s) for cpu_s, wall_s in busy if wall_s > 0]
    if not long or statistics.median(wall_s for _, wall_s in busy) < _WORTH_S:
        return ""
    used = statistics.median(long)
    if _IDLE * cpus <= used <= _CROWDED * cpus:
        return ""
    # A job that is idle now and then has a little more to do in between.
    wanted = max(1, math.ceil(round(used, 1)))
    return "" if wanted == cpus else f"threads={wanted}"


def _round_up(mb: float) -> int:
    """To two digits that a person would write: 123 is 150, 2196 is 2200, 12,345 is 13,000."""
    step = 50 if mb < 1000 else 100 if mb < 10_000 else 1000
    return math.ceil(mb / step) * step
