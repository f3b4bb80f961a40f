"""What is told of a run at its end: the table of costs, the efficiency report, the notification."""

from __future__ import annotations

import contextlib
import datetime
import os
import shlex
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gitbatch_core.errors import GitbatchError, readable
from gitbatch_core.git.repository import Repository
from gitbatch_core.log import suppressed
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.job_result import JobResult
from gitbatch_core.model.masking import redact
from gitbatch_core.pools.base import JobStatus
from gitbatch_core.reports import efficiency, notify
from gitbatch_core.reports.costs import Costs
from gitbatch_core.run import run_commit
from gitbatch_core.wording import duration
from snakemake_executor_plugin_gitbatch.job.job_table import JobState, JobTable

_MOST_FAILURES, _MOST_LINES, _LONGEST_LINE = 10, 12, 300


@dataclass(kw_only=True)
class Report:
    """Gathers it while the run goes on."""

    repository: Repository
    logger: Any
    secrets: Iterable[str]
    file: Path | None
    """Of the efficiency report."""
    recipient: str | None
    """Who is notified."""
    run: str = ""
    started: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.UTC))
    costs: Costs = field(default_factory=Costs)
    outcome: str = "failed"
    """`succeeded`, `failed` or `interrupted`."""
    tag: str | None = None
    """The run's, once it has one."""
    tainted: bool = False

    @classmethod
    def start(
        cls, settings: Any, repository: Repository, logger: Any, secrets: Iterable[str]
    ) -> Report:
        """Raises UsageError where a setting cannot be used."""
        file = settings.efficiency_report
        if file is not None:
            file = Path.cwd() / file.expanduser()
            efficiency.check(file)
        if settings.notify is not None:
            notify.check(settings.notify)
        return cls(
            repository=repository,
            logger=logger,
            secrets=secrets,
            file=file,
            recipient=settings.notify,
        )

    def begin(self, run: str, begun: str) -> None:
        """The run has started, now or by an earlier process."""
        self.run, self.started = run, datetime.datetime.fromisoformat(begun)

    def recall(self, state: JobState) -> None:
        """Take note of a job that an earlier process of the run has handed over."""
        assert state.order is not None and state.handed_over is not None
        name = state.id or f"earlier.{state.number}"
        self.costs.recall(state.order.record, name, state.handed_over)

    def recall_end(self, state: JobState) -> None:
        """The same, of a job that nothing has asked for again, as it was done."""
        self.recall(state)
        self.costs.measure(state.number, state.record or JobRecord(), {}, None)
        self.costs.conclude(state.number, succeeded=True)

    def measure(self, status: JobStatus, answer: JobResult | None) -> None:
        """Take what is known of a job that has ended."""
        record = JobRecord() if answer is None else answer.record
        self.costs.measure(status.number, record, status.usage, status.host)

    def show(self, outcome: str, rest: Callable[[int], JobResult | None]) -> None:
        """Say what the run has cost, and write the report. `rest`: what is there of jobs that were
        ended before they were done."""
        self.outcome = outcome
        for number in self.costs.unfinished():
            with suppressed(GitbatchError, OSError):
                if (answer := rest(number)) is not None:
                    self.costs.measure(number, answer.record, {}, None)
        if table := efficiency.table(self.costs):
            self.logger.info(self._masked(table))
        if self.file is not None:
            try:
                efficiency.write(self.file, self.costs, self.run)
            except OSError as error:
                self.logger.warning(
                    f"The efficiency report {self.file} cannot be written: {error.strerror}."
                )

    @contextlib.contextmanager
    def sending(self, jobs: JobTable) -> Iterator[None]:
        """Notify of what became of these jobs, where that is wanted, when what is done meanwhile
        has ended the run, or an error has come of it."""
        try:
            yield
        except BaseException as error:
            self._send(jobs, error)
            raise
        self._send(jobs, None)

    def _send(self, jobs: JobTable, error: BaseException | None) -> None:
        if self.recipient is None:
            return
        message = self._message(jobs.failures(), error)
        smtp: str | None = os.environ.get(notify.SMTP_VARIABLE)
        with suppressed(GitbatchError):
            smtp = smtp or self.repository.config(notify.SMTP_KEY)
        if (why := notify.send(self.recipient, message, smtp=smtp)) is not None:
            self.logger.warning(self._masked(why))

    def _message(
        self, failures: list[tuple[str, str]], error: BaseException | None
    ) -> notify.Message:
        ended = datetime.datetime.now(datetime.UTC)
        states = self.costs.states()
        states["failed"] = max(states["failed"], len(failures))  # some no pool has had
        ref, commit = self._results()
        state = self.outcome if error is None else "failed"
        if state == "succeeded" and self.tainted:
            state = "tainted"
        project = self.repository.top.name
        subject = f"gitbatch: {project}: run {self.run} {state}"
        times = f"{_local(self.started)} to {_local(ended)}"
        took = duration((ended - self.started).total_seconds())
        parts = [
            f"Run {self.run} {state}.\n{times} ({took}), in {self.repository.top} on "
            f"{socket.gethostname()}"
        ]
        if error is not None:
            why = str(error) or type(error).__name__
            parts.append(f"The run could not be ended:\n{_first_lines(why)}")
        parts += _failed(failures)
        parts.append(efficiency.table(self.costs) or efficiency.summary(self.costs))
        if ref is not None:
            parts.append(self._how_to_look(ref))
        facts = {
            "GITBATCH_RUN": self.run,
            "GITBATCH_STATE": state,
            "GITBATCH_SUBJECT": subject,
            "GITBATCH_REPOSITORY": str(self.repository.top),
            "GITBATCH_REF": ref or "",
            "GITBATCH_COMMIT": commit,
            "GITBATCH_STARTED": self.started.isoformat(timespec="seconds"),
            "GITBATCH_ENDED": ended.isoformat(timespec="seconds"),
            **{f"GITBATCH_JOBS_{name.upper()}": str(count) for name, count in states.items()},
        }
        return notify.Message(
            subject=self._masked(subject),
            text=self._masked("\n\n".join(parts) + "\n"),
            facts=redact(facts, self.secrets),
        )

    def _results(self) -> tuple[str | None, str]:
        """The tag or ref of the run commit, and the commit; nothing where there is none."""
        tag = [] if self.tag is None else [f"refs/tags/{self.tag}"]
        for ref in (*tag, f"{run_commit.REFS}{self.run}"):
            try:
                return ref, self.repository.commit_of(ref)
            except GitbatchError:
                continue
        return None, ""

    def _how_to_look(self, ref: str) -> str:
        top, short = self.repository.top, ref.removeprefix("refs/tags/")
        where = shlex.quote(f"{socket.gethostname()}:{top}")
        if short != ref:
            fetch, have = f"git fetch {where} tag {short}", short
        else:
            fetch, have = f"git fetch {where} {ref}", "FETCH_HEAD"
        return (
            f"The results:  git show --stat {short}\n"
            f"              git checkout {short}\n"
            f"elsewhere:    {fetch} && git checkout {have}"
        )

    def _masked(self, text: str) -> str:
        return readable(str(redact(text, self.secrets)))


def _failed(failures: list[tuple[str, str]]) -> list[str]:
    texts = [f"{job}:\n{_first_lines(why)}" for job, why in failures[:_MOST_FAILURES]]
    if more := len(failures) - len(texts):
        texts.append(f"… and {more} more failed {'job' if more == 1 else 'jobs'}")
    return texts


def _first_lines(text: str) -> str:
    lines = [line[:_LONGEST_LINE] for line in text.strip().splitlines()]
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES:] = ["…"]
    return "\n".join(f"    {line}" for line in lines)


def _local(moment: datetime.datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
