"""The jobs of one run in HTCondor: submitted in one transaction, followed by their event log.

The event log tells what happened within a tenth of a second; once a minute the queue, and for jobs
that have left it the history, are asked for what the log missed.
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
from gitbatch_core.pools.htcondor import ads
from gitbatch_core.pools.htcondor.ads import job_of
from gitbatch_core.pools.htcondor.events import Progress
from gitbatch_core.pools.htcondor.followed_jobs import FollowedJobs
from gitbatch_core.pools.htcondor.idle_claims import IdleClaims
from gitbatch_core.pools.htcondor.match import Gate
from gitbatch_core.pools.htcondor.monitor import LOOK_S, Following
from gitbatch_core.pools.htcondor.probe import Probe, probe
from gitbatch_core.pools.htcondor.retry import Patience
from gitbatch_core.pools.htcondor.secret_files import PrivateFiles, write_no_secrets
from gitbatch_core.pools.htcondor.submission import HandOver, JobId, among, job_id, of_run
from gitbatch_core.pools.htcondor.submit import (
    MOST_AT_ONCE,
    Memory,
    memory_steps,
    submit_descriptions,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from gitbatch_core.pools.base import JobSpec, JobStatus, Request
    from gitbatch_core.pools.htcondor.schedd import Ad
    from gitbatch_core.pools.htcondor.submit import SubmitDescription

_log = logging.getLogger(__name__)

_RETRY_S = 2.0
"""Between two tries to reach a schedd that does not answer."""

_GONE_S = 30.0
"""How long `cancel` waits for the schedd, and then for the jobs to be gone."""


class HTCondorPool:
    """The jobs of `run` in the local schedd's queue. Raises PoolError where no schedd answers.

    `private_folder` (made with mode 0700; on this machine's own disk, best) takes the event log and
    the files of secrets, which HTCondor sends along with the jobs. `keep_claim_idle_s`: so long a
    machine stays ours after a job, so that the next one starts at once. `notice` takes what a
    person should know while it goes on. A schedd that stays away for `patience_s` is given up.
    `unmatched`: see `match.Gate`. What somebody puts on hold may be released by them for
    `held_timeout_s`. Of a submit description, `most_at_once` jobs are in the queue at a time.
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
        _check(run, held_timeout_s)
        self._availability = availability or probe()
        if not self._availability.answers:
            raise PoolError(f"No HTCondor to run on: {self._availability.text}")
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
        self._connect(keep_claim_idle_s)
        self._started = int(time.time())

        self._lock = threading.RLock()
        """Of all below; never held while the schedd is asked."""
        self._jobs = FollowedJobs()
        self._next_removal = 0.0
        self._next_look = time.monotonic() + reconcile_s
        self._hurried = False
        self._closed = False

    def _connect(self, keep_claim_idle_s: int) -> None:
        """To the schedd and the event log."""
        from gitbatch_core.pools.htcondor import schedd

        log = self._folder / "events.log"
        log.touch(mode=0o600)
        self._schedd = schedd.Schedd()
        self._hand_over = HandOver(
            run=self._run, schedd=self._schedd, patience=self._patience, folder=self._folder
        )
        self._claims = IdleClaims(schedd=self._schedd, keep_s=keep_claim_idle_s)
        self._following = Following(schedd.EventLog(log), self._claims, self._notice)
        self._default_memory = schedd.default_memory()

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
                raise PoolError("The HTCondor pool is closed and takes no more jobs.")
            self._jobs.begin_hand_over()
        try:
            ids = self._hand_over(self._descriptions(jobs, memory))
            with self._lock:
                self._jobs.add({job_id(ids[s.number]): self._progress(s, memory) for s in jobs})
                self._expect({job_id(ids[s.number]): s.sign for s in jobs if s.sign})
        finally:
            with self._lock:
                self._jobs.end_hand_over()
        self._claims.handed_over()
        return [ids[spec.number] for spec in jobs]

    def _descriptions(self, jobs: Sequence[JobSpec], memory: Memory) -> list[SubmitDescription]:
        """What the schedd is told of the jobs. The files that go with them are there."""
        for spec in jobs:
            if not spec.private:
                write_no_secrets(spec)
        return submit_descriptions(
            jobs,
            run=self._run,
            private_folder=self._folder,
            private_files={s.number: self._private.file_of(s.private) for s in jobs if s.private},
            environment=public_environment(),
            keep_claim_idle_s=self._claims.keep_s(),
            held_timeout_s=self._held_timeout_s,
            memory=memory,
            most_at_once=self._most_at_once,
        )

    def _progress(self, spec: JobSpec, memory: Memory) -> Progress:
        """Of a job that was handed over a moment ago."""
        return Progress(
            number=spec.number,
            memory_steps=_numbers(memory_steps(spec.request, memory)),
            held_timeout_s=self._held_timeout_s,
            own_release="periodic_release" in map(str.casefold, spec.request.extra),
        )

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
        numbers = {job: n for job, n in late.items() if n in wanted}
        numbers |= {job_of(ad): ad["GitbatchNumber"] for ad in queued}
        with self._lock:
            self._jobs.adopt({job: Progress(number=n) for job, n in numbers.items()})
            for ad in queued:
                self._jobs.observe(ad)
            self._expect({job: sign for job, n in numbers.items() if (sign := jobs[n])})
        return {number: "{}.{}".format(*job) for job, number in numbers.items()}

    def _expect(self, signs: Mapping[JobId, Path]) -> None:
        for job, sign in signs.items():
            if not self._jobs.is_final(job):
                self._following.expect(sign, job)

    def wait(self, timeout: float) -> list[JobStatus]:
        deadline = time.monotonic() + timeout
        while True:
            with self._lock:
                if self._closed:
                    return []
                self._jobs.hear(self._following.events())
                self._jobs.signed(self._following.done())
            if time.monotonic() >= self._next_look:
                self._look()
            with self._lock:
                to_remove = self._jobs.to_remove() and time.monotonic() >= self._next_removal
                news = self._jobs.take_news()
            if to_remove:
                self._remove_given_up()
            self._claims.follow(self._waiting)
            rest_s = deadline - time.monotonic()
            if news or rest_s <= 0:
                return news
            time.sleep(min(LOOK_S, rest_s))

    def cancel(self, numbers: Iterable[int] | None = None) -> bool:
        wanted = None if numbers is None else frozenset(numbers)
        if wanted is not None and not wanted:
            return True
        with self._lock:
            if wanted is not None:
                self._jobs.remove_once_made(self._hand_over.late, wanted)
            self._jobs.drop(lambda number: wanted is None or number in wanted)
            given_up = self._jobs.given_up()
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
            return self._jobs.any_waits()

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
            numbers = [self._jobs.number(job) for job in late if job in self._jobs]
            if numbers:
                with suppressed(PoolError):
                    self._remove(numbers, "done, and the run has ended")
            self._following.close()
            if self._jobs.all_final():
                self._private.remove()
        self._claims.leave()

    def _constraint(self, numbers: Iterable[int] | None) -> str:
        return of_run(self._run, numbers)

    def _not_made(self, jobs: Iterable[JobId]) -> set[JobId]:
        """Of these jobs those that the schedd has not made yet. Raises PoolError."""
        late = [job for job in jobs if job[0] in self._hand_over.late]
        if not late:
            return set()
        clusters = self._schedd.not_made(self._constraint(None))
        return {(c, n) for c, n in late if c in clusters and n >= clusters[c]}

    def _query(self, numbers: Iterable[int] | None) -> list[Ad]:
        return self._schedd.query(self._constraint(numbers), ads.ATTRIBUTES)

    def _remove(self, numbers: Iterable[int] | None, reason: str) -> None:
        self._schedd.remove(self._constraint(numbers), reason)

    def _remove_given_up(self) -> None:
        """What is on hold has failed for us; it must not come back."""
        with self._lock:
            numbers = self._jobs.to_remove()
        done = self._patience.attempt(lambda: self._remove(numbers, "gitbatch gave it up"))
        with self._lock:
            if done and not self._hand_over.late:
                self._jobs.removed(numbers)
            else:
                self._next_removal = time.monotonic() + _RETRY_S

    def _look(self) -> None:
        """Compare what we know with the queue, and what is not there with the history."""
        with self._lock:
            self._next_look = time.monotonic() + self._reconcile_s
            before = self._jobs.unfinished()
        if not before:
            return
        # In this order: what is made in between is then seen by the second question.
        answer = self._patience.attempt(lambda: (self._not_made(before), self._query(None)))
        if answer is None:
            self._look_soon()
            return
        not_made, queue = answer[0]
        with self._lock:
            # What the log says by now is newer than the answer.
            self._jobs.hear(self._following.events())
            gone = self._jobs.compare(before, queue, not_made)
        if gone:
            self._look_back(gone)

    def _look_back(self, gone: Mapping[JobId, int]) -> None:
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
        if answer is not None:
            with self._lock:
                self._jobs.look_back(gone, answer[0])

    def _look_soon(self) -> None:
        with self._lock:
            self._next_look = min(self._next_look, time.monotonic() + _RETRY_S)


def _check(run: str, held_timeout_s: int) -> None:
    """Raises PoolError."""
    if not re.fullmatch(r"[\w.:-]+", run, re.ASCII):
        raise PoolError(f"{run!r} cannot be the id of a run in HTCondor.")
    if held_timeout_s < 0:
        raise PoolError(f"held_timeout is a number of seconds, not {held_timeout_s}.")


def _numbers(steps: Iterable[str]) -> tuple[int | None, ...]:
    return tuple(int(step) if step.isdecimal() else None for step in steps)
