"""Makes room for the outputs of jobs: the old ones are removed, from the worktree when a job is
prepared, from the user's folder when a pool has it. Outputs that would be put there again stay."""

from __future__ import annotations

import os
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.run.mirror import output_links
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.run.mirror.undeclared import UndeclaredFiles
from snakemake_executor_plugin_gitbatch.job import job_description, workflow_view
from snakemake_executor_plugin_gitbatch.run.temporary_outputs import TemporaryOutputs


@dataclass(kw_only=True)
class Room:
    """Not thread-safe: the session's lock is held."""

    workflow: Any
    mirror: Mirror
    temporary: TemporaryOutputs
    undeclared: UndeclaredFiles

    def updated(self, members: list[Any]) -> dict[str, str]:
        """The addresses of existing outputs that are updated in place."""
        paths = [p for m in members for p in m.output if workflow_view.is_update(p)]
        return {
            str(path): self.mirror.address_of(str(path))
            for path in paths
            if self.mirror.here(str(path)).exists()
        }

    def make(self, job: Any, record: JobRecord | None) -> frozenset[str]:
        """Clear the outputs of a job in the worktree; those that are updated in place stay,
        writable, and so do those that are there just as the `record` of an earlier job has them:
        these, relative to the top. Raises ProtectedOutputException."""
        members = job_description.members(job)
        same = set() if record is None else output_links.unchanged(self.mirror, record)
        for member in members:
            same_here = [path for path in member.output if self.mirror.relative(str(path)) in same]
            workflow_view.check_protected(member, same_here)
        links = frozenset(path for path in same if (self.mirror.top / path).is_symlink())
        self.temporary.forget(members)
        if self.undeclared.entries:
            self.undeclared.make_room(
                [self.mirror.relative(str(path)) for member in members for path in member.output],
                [job_description.title(member) for member in members],
                [job_description.rule_name(job)],
            )
        for path in (path for member in members for path in member.output):
            if workflow_view.is_update(path):
                self.mirror.lend(str(path))
            elif self.mirror.relative(str(path)) not in links:
                self.mirror.clear(str(path))
        return links

    def clear_folder(self, job: Any, unchanged: frozenset[str]) -> None:
        """Remove the outputs of a job for the user, but for `unchanged` ones, as Snakemake does
        when it starts one."""
        for member in job_description.members(job):
            if not member.is_norun and self._has_old_output(member, unchanged):
                self.workflow.async_run(member.remove_existing_output())

    def _has_old_output(self, member: Any, unchanged: Container[str | None]) -> bool:
        return any(
            workflow_view.storage(path) is not None
            or (os.path.lexists(path) and self.mirror.relative(str(path)) not in unchanged)
            for path in (*member.output, *member.log)
        )
