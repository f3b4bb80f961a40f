"""Jobs that run although earlier runs have done them: with other code, all else being the same.

All tracked files count where nobody has chosen; whoever sees what that costs may want to choose.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gitbatch_core.errors import GitbatchError
from gitbatch_core.history.stale_outputs import OtherCommits
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.run.code_difference import ALL, CodeDifferences
from gitbatch_core.run.run import Run
from gitbatch_core.run.superseded_records import DoneBefore
from gitbatch_core.wording import count
from snakemake_executor_plugin_gitbatch.job import job_description
from snakemake_executor_plugin_gitbatch.job.key import JobKey, Keys


@dataclass(kw_only=True)
class Missed:
    """Those of one run."""

    source: str
    """The commit that is run."""
    differences: CodeDifferences
    done_before: DoneBefore
    _jobs: set[Any] = field(default_factory=set)
    _makers: OtherCommits = field(default_factory=OtherCommits)
    """Of what these jobs make."""
    _chosen: bool = False
    """Whether somebody has chosen what is the code of all these jobs."""
    _told: bool = False

    @classmethod
    def of(cls, run: Run, keys: Keys) -> Missed:
        return cls(
            source=run.worktree.commit,
            differences=keys.differences(run.repository),
            done_before=DoneBefore(root=run.archive.root),
        )

    def empty(self) -> Missed:
        """The same, before anything was noted."""
        return Missed(
            source=self.source, differences=self.differences, done_before=self.done_before
        )

    def note(self, job: Any, key: JobKey) -> JobRecord | None:
        """Note a job that no run has done with this key; the record of one that has done it with
        other code, if there is one."""
        if (record := self.done_before.find(key.without_code)) is None:
            return None
        commit = record.commit
        try:
            files = self.differences.files(commit, self.source, key.choice)
        except GitbatchError:  # nothing that the job depends on
            return None
        if files == ():  # other files count now, or jobs see another configuration
            return None
        if any(each.dag.reason(each).code_changed for each in job_description.members(job)):
            return record  # it was to run again for that
        if job not in self._jobs:
            self._chosen = (self._chosen or not self._jobs) and key.choice != ALL
            self._jobs.add(job)
            self._makers.add(commit, files)
        return record

    def is_news(self) -> bool:
        """Whether there are any, for the first time."""
        told, self._told = self._told, bool(self._jobs)
        return self._told and not told

    def text(self) -> str:
        """For people; empty where there are none."""
        if not (number := len(self._jobs)):
            return ""
        advice = (
            "Their code is what --gitbatch-code or the rule's gitbatch_code names."
            if self._chosen
            else "Every tracked file counts for every job; use --gitbatch-code, or a rule's "
            "gitbatch_code, to name those that do."
        )
        return (
            f"{count(number, 'job')} {'was' if number == 1 else 'were'} done before and "
            f"{'runs' if number == 1 else 'run'} again only because the code differs: "
            f"{self._makers.text()}. {advice}"
        )
