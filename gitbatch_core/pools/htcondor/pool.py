"""Jobs of one run in HTCondor: handed over in one go, followed by their event log.

The event log tells what happened within a tenth of a second; once a minute the queue, and for jobs
that are gone from it the history, are asked for what the log missed.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from typing import TYPE_CHECKING

from gitbatch_core.errors import PoolError
from gitbatch_core.log import suppressed
from gitbatch_core.pools.base_environment import public_environment
from gitbatch_core.pools.htcondor import ads, events
from gitbatch_core.pools.htcondor.events import Event, Progress, Step
from gitbatch_core.pools.htcondor.idle_claims import IdleClaims
from gitbatch_core.pools.htcondor.match import Gate
from gitbatch_core.pools.htcondor.monitor import LOOK_S, Following
from gitbatch_core.pools.htcondor.probe import Probe, probe
from gitbatch_core.pools.htcondor.retry import Patience
from gitbatch_core.pools.htcondor.secret_files import PrivateFiles, write_no_secrets
from gitbatch_core.pools.htcondor.submission import HandOver, Place, among, of_run, place_of
from gitbatch_core.pools.htcondor.submit import MOST_AT_ONCE, Memory, memory_steps, submissions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from gitbatch_core.pools.base import JobSpec, JobStatus, Request
    from gitbatch_core.pools.htcondor.schedd import Ad

_log = logging.getLogger(__name__)

_RETRY_S = 2.0
"""Between two tries to reach a schedd that does not answer."""

_GONE_S = 30.0
"""How long `cancel` waits for the schedd, and then for the jobs to be gone."""

_LOOKS_WITHOUT = 2
"""So many times neither queue nor history must know a job before it counts as lost: a job on its
way from one to the other is in neither for a moment."""


class HTCondorPool:
    """The jobs of `run` in the local schedd's queue. Raises PoolError where no schedd answers.

    `private_folder` (made with mode 0700; on this machine's own disk, best) takes the event log and
    the files of secrets, which HTCondor sends along with the jobs. `keep_claim_idle_s`: so long a
    machine stays ours after a job, so that the next one starts at once. `notice` takes what a
    person should know while it goes on. A schedd that stays away for `patience_s` is given up.
    `unmatched`: see `match.Gate`. What somebody puts on hold may be released by them for
    `held_timeout_s`. Of a submission, `most_at_once` jobs are in the queue at a time.
    """

    kind = "htcondor"
    cores = None

    def __init__(
        self,
        *,
        run: str,
        private_folder: Path,
        availability: Probe | None = None,
        keep_claim_idle_s: int = 10,
        reconcile_s: float = 60.0,
        patience_s: float = 3600.0,
        notice: Callable[[str], None] = _log.warning,
        unmatched: str = "refuse",
        held_timeout_s: int = 14400,
        most_at_once: int = MOST_AT_ONCE,
    ) -> None:
        if not re.fullmatch(r"[\w.:-]+", run, re.ASCII):
            raise PoolError(f"{run!r} cannot be the id of a run in HTCondor")
        if held_timeout_s < 0:
            raise PoolError(f"held_timeout is a number of seconds, not {held_timeout_s}")
        self._availability = availability or probe()
        if not self._availability.answers:
            raise PoolError(f"No HTCondor to run on: {self._availability.text}")
        from gitbatch_core.pools.htcondor import schedd

        self._run = run
        self._folder = private_folder
        self._reconcile_s = reconcile_s
        self._notice = notice
        self._gate = Gate(unmatched=unmatched, notice=notice)
        self._held_timeout_s = held_timeout_s
        self._most_at_once = most_at_once
        self._patience_s = patience_s
        self._patience = Patience(limit_s=patience_s, notice=notice)
        self._private = PrivateFiles(private_folder)
        log = private_folder / "events.log"
        log.touch(mode=0o600)
        self._schedd = schedd.Schedd()
        self._hand_over = HandOver(
            run=run, schedd=self._schedd, patience=self._patience, folder=private_folder
        )
        self._claims = IdleClaims(schedd=self._schedd, keep_s=keep_claim_idle_s)
        self._following = Following(schedd.EventLog(log), self._claims, notice)
        self._default_memory = schedd.default_memory()
        self._started = int(time.time())

        self._lock = threading.RLock()
        """Of all below; never held while the schedd is asked."""
        self._jobs: dict[Place, Progress] = {}
        self._news: list[JobStatus] = []
        self._early: list[Event] = []
        """Of jobs that are being handed over: their ids are not known yet."""
        self._handing_over = 0
        self._given_up: set[int] = set()
        """On hold, and failed for us: all that is left is to remove them."""
        self._to_remove: set[int] = set()
        """Those of them that still have to be."""
        self._missing: dict[Place, int] = {}
        """How many looks found a job neither in the queue nor in the history."""
        self._next_removal = 0.0
        self._next_look = time.monotonic() + reconcile_s
        self._hurried = False
        self._closed = False

    def describe(self) -> str:
        return self._availability.text

    def facts(self) -> Mapping[str, str]:
        return {
            "kind": self.kind,
            "schedd": self._availability.name,
            "htcondor": self._availability.version,
            "bindings": self._availability.bindings,
        }

    def check(self, request: Request, name: str) -> None:
        self._gate.check_request(request, name)

    def submit(self, jobs: Sequence[JobSpec]) -> list[str]:
        if not jobs:
            return []
        self._gate.check(jobs)
        memory = Memory(default=self._default_memory, most_mb=self._gate.slots().most_memory_mb)
        with self._lock:
            if self._closed:
                raise PoolError("The HTCondor pool is closed and takes no more jobs")
            self._handing_over += 1
        try:
            for spec in jobs:
                if not spec.private:
                    write_no_secrets(spec)
            found = self._hand_over(
                submissions(
                    jobs,
                    run=self._run,
                    private_folder=self._folder,
                    private_files={
                        s.number: self._private.file_of(s.private) for s in jobs if s.private
                    },
                    environment=public_environment(),
                    keep_claim_idle_s=self._claims.keep_s(),
                    held_timeout_s=self._held_timeout_s,
                    memory=memory,
                    most_at_once=self._most_at_once,
                )
            )
            with self._lock:
                self._jobs |= {
                    place_of(found[spec.number]): Progress(
                        number=spec.number,
                        memory_steps=_numbers(memory_steps(spec.request, memory)),
                        held_timeout_s=self._held_timeout_s,
                        own_release="periodic_release" in map(str.casefold, spec.request.extra),
                    )
                    for spec in jobs
                }
                early, self._early = self._early, []
                self._take_in(early)
                self._expect({place_of(found[s.number]): s.sign for s in jobs if s.sign})
        finally:
            with self._lock:
                self._handing_over -= 1
        self._claims.handed_over()
        return [found[spec.number] for spec in jobs]

    def adopt(self, jobs: Mapping[int, Path | None]) -> dict[int, str]:
        wanted = frozenset(jobs)
        if not wanted:
            return {}
        with self._lock:
            self._following.events()  # the queue knows what became of all that
        # In this order, as in `_look`.
        ask = lambda: (self._hand_over.not_made_yet(), self._query(wanted))  # noqa: E731
        late, queued = self._patience.insist(ask)
        self._claims.keep_s()
        found = {place: n for place, n in late.items() if n in wanted}
        found |= {_place(ad): ad["GitbatchNumber"] for ad in queued}
        with self._lock:
            self._jobs |= {place: Progress(number=n) for place, n in found.items()}
            for ad in queued:
                self._step(_place(ad), ads.observe(self._jobs[_place(ad)], ad))
            self._expect({place: sign for place, n in found.items() if (sign := jobs[n])})
        return {number: "{}.{}".format(*place) for place, number in found.items()}

    def _expect(self, signs: Mapping[Place, Path]) -> None:
        for place, sign in signs.items():
            if not self._jobs[place].state.final:
                self._following.expect(sign, place)

    def wait(self, timeout: float) -> list[JobStatus]:
        deadline = time.monotonic() + timeout
        while True:
            with self._lock:
                if self._closed:
                    return []
                self._take_in(self._following.events())
                for place in self._following.done():
                    if place in self._jobs:
                        self._step(place, events.done(self._jobs[place]))
            if time.monotonic() >= self._next_look:
                self._look()
            with self._lock:
                to_remove = self._to_remove and time.monotonic() >= self._next_removal
                news, self._news = self._news, []
            if to_remove:
                self._remove_given_up()
            self._claims.follow(self._waiting)
            left = deadline - time.monotonic()
            if news or left <= 0:
                return news
            time.sleep(min(LOOK_S, left))

    def cancel(self, numbers: Iterable[int] | None = None) -> bool:
        wanted = None if numbers is None else frozenset(numbers)
        if wanted is not None and not wanted:
            return True
        with self._lock:
            # What the schedd has not made yet is removed as it comes.
            self._to_remove |= {
                p.number
                for i, p in self._jobs.items()
                if i[0] in self._hand_over.late and wanted is not None and p.number in wanted
            }
            # Without their progress, nothing is heard of them any more.
            self._jobs = {
                i: p for i, p in self._jobs.items() if wanted is not None and p.number not in wanted
            }
            self._news = [s for s in self._news if wanted is not None and s.number not in wanted]
            given_up = frozenset(self._given_up)
        constraint = self._constraint(wanted)
        patience = Patience(
            limit_s=min(_GONE_S, self._patience_s),
            notice=self._notice,
            hurried=lambda: self._hurried,
        )
        try:
            patience.insist(lambda: self._remove(wanted, "cancelled by gitbatch"))
        except PoolError as error:
            raise PoolError(
                f"The jobs could not be removed: {error.message}",
                hint=f"When it is back: condor_rm -constraint '{constraint}'",
            ) from error
        return self._until_gone(f"{constraint} && !{among(given_up)}")

    def _waiting(self) -> bool:
        with self._lock:
            return any(p.waits for p in self._jobs.values())

    def _until_gone(self, constraint: str) -> bool:
        deadline = time.monotonic() + _GONE_S
        pause = LOOK_S
        while time.monotonic() < deadline and not self._hurried:
            with suppressed(PoolError):
                if not self._schedd.query(constraint, ["ClusterId"]):
                    return True
            time.sleep(pause)
            pause = min(2 * pause, 0.5)
        return False

    def hurry(self) -> None:
        self._hurried = True

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            late = self._following.see_off(lambda: self._hurried)
            left = [self._jobs[place].number for place in late if place in self._jobs]
            if left:
                with suppressed(PoolError):
                    self._remove(left, "done, and the run has ended")
            self._following.close()
            if all(progress.state.final for progress in self._jobs.values()):
                self._private.remove()
        self._claims.leave()

    def _constraint(self, numbers: Iterable[int] | None) -> str:
        return of_run(self._run, numbers)

    def _not_made(self, places: Iterable[Place]) -> set[Place]:
        """Of these jobs those that the schedd has not made yet. Raises PoolError."""
        places = [place for place in places if place[0] in self._hand_over.late]
        if not places:
            return set()
        clusters = self._schedd.not_made(self._constraint(None))
        return {(c, n) for c, n in places if c in clusters and n >= clusters[c]}

    def _query(self, numbers: Iterable[int] | None) -> list[Ad]:
        return self._schedd.query(self._constraint(numbers), ads.ATTRIBUTES)

    def _remove(self, numbers: Iterable[int] | None, reason: str) -> None:
        self._schedd.remove(self._constraint(numbers), reason)

    def _remove_given_up(self) -> None:
        """What is on hold has failed for us; it must not come back."""
        with self._lock:
            numbers = frozenset(self._to_remove)
        done = self._patience.attempt(lambda: self._remove(numbers, "gitbatch gave it up"))
        with self._lock:
            if done and not self._hand_over.late:
                self._to_remove -= numbers
            else:
                self._next_removal = time.monotonic() + _RETRY_S

    def _take_in(self, found: Iterable[Event]) -> None:
        for event in found:
            place = (event.cluster, event.proc)
            if place in self._jobs:
                self._step(place, events.advance(self._jobs[place], event))
            elif self._handing_over:
                self._early.append(event)

    def _step(self, place: Place, step: Step) -> None:
        progress, status = step
        self._jobs[place] = progress
        if progress.remove and status:
            self._given_up.add(progress.number)
            self._to_remove.add(progress.number)
        if status:
            self._news.append(status)

    def _look(self) -> None:
        """Compare what we know with the queue, and what is not there with the history."""
        with self._lock:
            self._next_look = time.monotonic() + self._reconcile_s
            before = {i: p for i, p in self._jobs.items() if not p.state.final}
        if not before:
            return
        # In this order: what is made in between is then found by the second question.
        answer = self._patience.attempt(lambda: (self._not_made(before), self._query(None)))
        if answer is None:
            self._look_soon()
            return
        not_made, found = answer[0]
        queued = {_place(ad): ad for ad in found}
        with self._lock:
            # What the log says by now is newer than the answer.
            self._take_in(self._following.events())
            unchanged = [i for i, p in before.items() if self._jobs.get(i) == p]
            for place in unchanged:
                if place in queued:
                    self._step(place, ads.observe(self._jobs[place], queued[place]))
            gone = {i: before[i].number for i in unchanged if i not in queued and i not in not_made}
            self._missing = {i: n for i, n in self._missing.items() if i in gone}
        if gone:
            self._look_back(gone)

    def _look_back(self, gone: Mapping[Place, int]) -> None:
        """Look for jobs that are not in the queue in the history."""
        answer = self._patience.attempt(
            lambda: self._schedd.history(
                self._constraint(gone.values()),
                ads.ATTRIBUTES,
                since=self._started - 60,
                most=len(gone),
            )
        )
        self._look_soon()
        if answer is None:
            return
        past = {_place(ad): ad for ad in answer[0]}
        with self._lock:
            for place in gone:
                progress = self._jobs.get(place)
                if progress is None:
                    continue
                if place in past:
                    self._step(place, ads.observe(progress, past[place]))
                else:
                    self._missing[place] = self._missing.get(place, 0) + 1
                if self._missing.get(place, 0) >= _LOOKS_WITHOUT:
                    self._step(place, ads.lost(progress))

    def _look_soon(self) -> None:
        with self._lock:
            self._next_look = min(self._next_look, time.monotonic() + _RETRY_S)


def _numbers(steps: Iterable[str]) -> tuple[int | None, ...]:
    return tuple(int(step) if step.isdecimal() else None for step in steps)


def _place(ad: Ad) -> Place:
    return ad["ClusterId"], ad["ProcId"]
