"""Which jobs of a run need not run because an earlier run has done the same."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Any

from gitbatch_core.errors import UsageError
from gitbatch_core.history import recorded_outputs
from gitbatch_core.model.job_order import DeclaredOutput
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.reproduction import DIFFERS, IDENTICAL
from gitbatch_core.reproduce.verdicts import Verdict
from gitbatch_core.run import reusable_records
from gitbatch_core.run.executions import Execution
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.run.mirror.undeclared import UndeclaredFiles
from gitbatch_core.run.reusable_records import ReusableRecords
from snakemake_executor_plugin_gitbatch.job import job_description, workflow_view

RESOURCE = "gitbatch_reuse"
"""A rule's own wish: `on`, `off` or `verify`."""

_WISHES = {"on": "on", "true": "on", "1": "on", "off": "off", "false": "off", "0": "off"} | {
    "verify": "verify"
}
_STRICTEST = ("off", "verify", "on")


@dataclass(kw_only=True)
class Reusing:
    """Decides for each job of a run, and keeps count."""

    mode: str
    """The run's: `on`, `off` or `verify`."""
    mirror: Mirror
    undeclared: UndeclaredFiles | None = None
    """Where what jobs have left beside their outputs comes along; None: it does not."""
    compared: dict[str, list[Verdict]] = field(default_factory=dict)
    """What became of outputs that were made again, by the earlier run."""
    _earlier: ReusableRecords = field(init=False)

    def __post_init__(self) -> None:
        self._earlier = ReusableRecords(mirror=self.mirror)

    def is_open_to(self, job: Any) -> bool:
        """Whether a single job or group may be reused at all. Raises UsageError."""
        if any(map(workflow_view.may_move, job_description.members(job))):
            return False
        return self._mode(job) == "on" and not _is_forced(job)

    def find(
        self, key: str, outputs: Iterable[DeclaredOutput], *, absent: Container[str] = ()
    ) -> JobRecord | None:
        """The record of an earlier job whose outputs can be had. See `ReusableRecords.find`."""
        return self._earlier.find(key, outputs, absent=absent)

    def link_outputs(
        self, record: JobRecord, mtime_ns: int, *, copied: Iterable[str | None] = ()
    ) -> None:
        """Link the outputs of an earlier job, as its record says, and what it has left beside them.
        See `reusable_records.link_outputs`."""
        reusable_records.link_outputs(self.mirror, record, mtime_ns, copied=copied)
        if self.undeclared is not None and (files := self._earlier.undeclared(record)):
            by = Execution.of_record(record).as_undeclared_by()
            self.undeclared.bring(files, {record.name: by})

    def expected(self, job: Any, key: str) -> JobRecord | None:
        """The record with which a job that runs must be compared, if that is requested. Raises
        OSError, UsageError."""
        return next(self._earlier.of(key), None) if self._mode(job) == "verify" else None

    def compare(self, before: JobRecord, record: JobRecord) -> None:
        """Compare the outputs of a job with those of an earlier one."""
        outputs = recorded_outputs.of_record(record)
        for path, then in recorded_outputs.of_record(before).items():
            now = outputs.get(path)
            same = now is not None and now.address == then.address
            self.compared.setdefault(before.run, []).append(
                Verdict(
                    path=path,
                    rule=then.rule,
                    wildcards=then.wildcards,
                    kind=then.kind,
                    verdict=IDENTICAL if same else DIFFERS,
                    then=then,
                    now=now,
                    asked=True,
                )
            )

    def _mode(self, job: Any) -> str:
        wishes = {_wish(member) for member in job_description.members(job)}
        return next(mode for mode in _STRICTEST if mode in {self.mode, *wishes})


def _wish(job: Any) -> str:
    wish = job.resources.get(RESOURCE, "on")
    try:
        return _WISHES[str(wish).lower()]
    except KeyError:
        raise UsageError(
            f"Rule {job.rule.name} has {RESOURCE}={wish!r}, which is none of on, off, verify."
        ) from None


def _is_forced(job: Any) -> bool:
    """Whether somebody asked for the job itself to run, by -R, -f or -F."""
    return any(member.dag.reason(member).forced for member in job_description.members(job))
