"""The time that all results of a run get: before the run looked at anything.

Whatever happens in the folder afterwards is later than every result, so that Snakemake, which
compares times, sees it as a change.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from gitbatch_core import fs
from gitbatch_core.archive.names import GRID_NS

_REST_S = 0.001
_LONGEST_JIFFY_NS = 10**7
"""Linux takes the time of a write from its own last tick, also where the file system could tell
more."""


def pin(folder: Path, since_ns: int) -> int:
    """The last moment before `since_ns` (of `time.monotonic_ns`), as the clock of the folder's file
    system has it, in nanoseconds since 1970. What is written after `since_ns` bears a later time.

    Raises OSError.
    """
    place = folder / ".gitbatch"
    is_new = not place.exists()
    place.mkdir(exist_ok=True)
    sign = fs.temporary_beside(place / "clock")
    try:
        sign.touch()
        before = now = sign.stat().st_mtime_ns
        while now <= before:  # its clock may tick rarely
            time.sleep(_REST_S)
            os.utime(sign)
            now = sign.stat().st_mtime_ns
    finally:
        sign.unlink(missing_ok=True)
        if is_new:  # nothing is left where the run does not start
            with contextlib.suppress(OSError):
                place.rmdir()
    # What is written now may bear the time of the last tick.
    elapsed, tick = time.monotonic_ns() - since_ns, max(now - before, _LONGEST_JIFFY_NS)
    return (now - elapsed - tick) // GRID_NS * GRID_NS
