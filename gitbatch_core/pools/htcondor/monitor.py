"""News of jobs: from the event log, and from the signs that jobs give themselves.

HTCondor says that a job has ended when its shadow is about to take the next one, or to give the
machine back. A sign comes a moment earlier, while there is still time to give the shadow a next
job: without it, that job waits for the schedd or the negotiator, up to seconds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core.errors import PoolError
from gitbatch_core.pools.htcondor.submission import JobId

if TYPE_CHECKING:
    from gitbatch_core.pools.htcondor.events import Event
    from gitbatch_core.pools.htcondor.idle_claims import IdleClaims
    from gitbatch_core.pools.htcondor.schedd import EventLog

LOOK_S = 0.01
"""Between two looks: each is one stat of the log, and one of each folder of signs."""

_LEFT_S = 20.0
_ENDS = ("JOB_TERMINATED", "JOB_ABORTED")


class Following:
    """Follows the jobs of one run. Not thread-safe. `claims` hears all events, `notice` once of a
    log that is bad."""

    def __init__(self, log: EventLog, claims: IdleClaims, notice: Callable[[str], None]) -> None:
        self._log = log
        self._claims = claims
        self._notice = notice
        self._log_is_bad = False
        self._signs: dict[Path, dict[str, JobId]] = {}
        """Folder -> name of the file -> job."""
        self._times: dict[Path, int] = {}
        self._files: dict[JobId, Path] = {}
        """The signs of jobs of which HTCondor has not said yet that they ended."""
        self._leaving: set[JobId] = set()
        """Those of them that gave their sign."""
        self._held: set[JobId] = set()

    def expect(self, sign: Path, job: JobId) -> None:
        """The job will create this file when it has done its work."""
        self._files[job] = sign
        self._signs.setdefault(sign.parent, {})[sign.name] = job
        self._times.pop(sign.parent, None)  # it may be there already

    def done(self) -> list[JobId]:
        """The jobs that have given their sign since the last look."""
        signed = []
        for folder, expected in self._signs.items():
            try:
                changed = os.stat(folder).st_mtime_ns
                if changed == self._times.get(folder):
                    continue
                names = os.listdir(folder)
            except OSError:  # the event log has it too
                continue
            self._times[folder] = changed
            signed += [expected.pop(name) for name in names if name in expected]
        self._leaving.update(signed)
        return signed

    def events(self) -> list[Event]:
        """What is new in the event log; where it cannot be read, the queue must do."""
        try:
            news = self._log.read()
        except (PoolError, OSError) as error:
            if not self._log_is_bad:
                self._log_is_bad = True
                self._notice(
                    f"HTCondor's event log cannot be read ({error}): the queue is asked instead, "
                    "now and then"
                )
            return []
        for event in news:
            self._claims.hear(event)
            job = (event.cluster, event.proc)
            if event.kind == "JOB_HELD":
                self._held.add(job)
            elif event.kind == "JOB_RELEASED":
                self._held.discard(job)
            elif event.kind in _ENDS:
                self._ended(job)
        return news

    def _ended(self, job: JobId) -> None:
        """A sign that is seen only now is no news, and there is nothing to wait for."""
        self._leaving.discard(job)
        self._held.discard(job)
        if (sign := self._files.pop(job, None)) is not None:
            self._signs[sign.parent].pop(sign.name, None)

    def see_off(self, hurried: Callable[[], bool]) -> Iterable[JobId]:
        """Wait until HTCondor has said of all that gave their sign that they ended: until then it
        needs their folders. Those of which it says nothing, and those that are on hold."""
        deadline = time.monotonic() + _LEFT_S
        self.done()
        self.events()
        while self._leaving - self._held and not (self._log_is_bad or hurried()):
            if time.monotonic() > deadline:
                break
            time.sleep(LOOK_S)
            self.events()
        return self._leaving

    def close(self) -> None:
        self._log.close()
