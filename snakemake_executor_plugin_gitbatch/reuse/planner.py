"""Which jobs are known already, before the first one is handed out.

A job whose temporary outputs are gone can be left out where nothing needs them: where the jobs that
read them are known themselves. What they read is known by its address.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gitbatch_core.model.job_order import DeclaredOutput
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.run.mirror import output_links
from gitbatch_core.run.mirror.paths import Mirror
from snakemake_executor_plugin_gitbatch.errors import EXPECTED
from snakemake_executor_plugin_gitbatch.job import job_description, workflow_view
from snakemake_executor_plugin_gitbatch.job.key import Keys
from snakemake_executor_plugin_gitbatch.reuse.missed_reuse import Missed
from snakemake_executor_plugin_gitbatch.reuse.reusing import Reusing
from snakemake_executor_plugin_gitbatch.snakemake_internals import (
    evaluation,
    need_run,
    running_jobs,
)

_Name = tuple[str, tuple[str, ...], tuple[str, ...]]
"""Of a single job: rule, outputs, inputs."""


@dataclass(kw_only=True)
class Plan:
    """Records of earlier jobs, by the single job that each replaces."""

    workflow: Any
    mirror: Mirror
    keys: Keys
    reusing: Reusing
    outputs: Callable[[list[Any]], Iterable[DeclaredOutput]]
    """Of single jobs."""
    _known: dict[_Name, JobRecord] = field(default_factory=dict)
    _placed: dict[_Name, JobRecord] = field(default_factory=dict)
    """Of those: checkpoints, and what they depend on, whose outputs are in place already."""
    _needed: dict[_Name, Any] = field(default_factory=dict)
    """All jobs that are to run."""

    def make(self) -> None:
        """Look at all jobs that are to run, each after those that it depends on. What a known
        checkpoint has made is put in place, so that there are no jobs that nobody knows yet."""
        self._list_needed()
        if not any(map(self._has_to_do_with_temporary, self._needed.values())):
            return  # nothing to leave out; what is known is found when it is handed out
        self._look(all_are_there=True)
        while checkpoints := [job for job in self._checkpoints() if self._can_be_placed(job)]:
            self._place_up_to(checkpoints)
            self.workflow.async_run(self.workflow.dag.update_checkpoint_dependencies(checkpoints))
            need_run.provide_software(self.workflow)
            self._list_needed()
            self._look(all_are_there=True)
        if self._checkpoints():
            self._look(all_are_there=False)

    def make_again(self, handed_out: Iterable[Any]) -> None:
        """Once no more jobs will come: look at those that a checkpoint has brought, among them some
        that are being `handed_out`. What is known of others is found when their turn comes; this is
        for what can be left out."""
        dag = self.workflow.dag
        self._list_needed()
        may_grow = self._checkpoints() or dag.has_unfinished_queue_input_jobs()
        if not may_grow and any(map(self._makes_temporary, self._needed.values())):
            running = running_jobs.of(dag).difference(handed_out)
            self._look(
                all_are_there=True,
                running={member for job in running for member in job_description.members(job)},
            )

    def take(self, job: Any) -> JobRecord | None:
        """The record that replaces a job that is handed over, if there is one and the job reads
        what it says."""
        record = None if job.is_group() else self._known.pop(_name(job), None)
        if record is not None:
            for each in record.members[0].inputs:
                now = self.mirror.addresses.get(self.mirror.relative(each.path) or "")
                if now not in (None, each.address):
                    return None
        return record

    def is_in_place(self, job: Any) -> bool:
        """Whether the outputs of a job whose record was taken are where they belong."""
        return _name(job) in self._placed

    def unasked(self) -> list[JobRecord]:
        """Records of jobs whose outputs were put in place, and that need not run for that."""
        return [record for name, record in self._placed.items() if name not in self._needed]

    def forget(self) -> None:
        """Forget all records: something that they say is no longer available."""
        self._known.clear()

    def _list_needed(self) -> None:
        self._needed = {_name(job): job for job in self.workflow.dag.needrun_jobs()}

    def _has_to_do_with_temporary(self, job: Any) -> bool:
        """Also by what may follow it."""
        return job.is_checkpoint or self._makes_temporary(job)

    def _makes_temporary(self, job: Any) -> bool:
        return any(workflow_view.is_temporary(path, self.workflow) for path in job.output)

    def _checkpoints(self) -> list[Any]:
        """Those that are still to say which jobs there are."""
        jobs = self._needed.items()
        return [job for name, job in jobs if job.is_checkpoint and name not in self._placed]

    def _can_be_placed(self, job: Any) -> bool:
        """Whether all that a job makes is known; whether this, and what it depends on, lies in the
        archive and nowhere else, and would not take the place of something protected."""
        if not self._is_whole(self._known.get(_name(job))):
            return False
        dag = self.workflow.dag
        return not any(
            self._is_protected(each)
            or (_name(each) in self._known and workflow_view.in_other_storages(each))
            for each in dag.bfs(dag.dependencies, job)
        )

    def _is_protected(self, job: Any) -> bool:
        """Whether there is a protected output that is not what is known of the job."""
        if (record := self._known.get(_name(job))) is None:
            return False
        same = output_links.unchanged(self.mirror, record)
        there = (str(path) for path in job.protected_output if os.path.lexists(path))
        return any(self.mirror.relative(path) not in same for path in there)

    @staticmethod
    def _is_whole(record: JobRecord | None) -> bool:
        return record is not None and not any(output.temporary for output in record.outputs)

    def _place_up_to(self, checkpoints: list[Any]) -> None:
        """Put in place what these have made, and before that what they depend on: with a
        checkpoint's outputs there, nothing asks for that any more."""
        dag = self.workflow.dag
        wanted = {_name(job) for job in dag.bfs(dag.dependencies, *checkpoints)}
        for job in (job for level in dag.toposorted() for job in level):
            name = _name(job)
            if name in wanted and name in self._known and name not in self._placed:
                date = output_links.date_of(self.mirror, map(str, job.input))
                self.reusing.link_outputs(self._known[name], date)
                self._placed[name] = self._known[name]

    def _look(self, *, all_are_there: bool, running: Container[Any] = ()) -> None:
        """Find what is known. `all_are_there`: no jobs will come that need temporary outputs;
        `running`: single jobs of which nobody can say yet what they make."""
        dag = self.workflow.dag
        self._known = {}
        coming: dict[str, str | None] = {}
        for job in (job for level in dag.toposorted() for job in level):
            if (name := _name(job)) not in self._needed:
                continue
            is_running = job in running
            record = self._placed.get(name) or (None if is_running else self._record(job, coming))
            addresses = {} if record is None else _made(record)
            for path in map(self.mirror.relative, map(str, job.products())):
                coming[path or ""] = addresses.get(path or "")
            if record is not None:
                self._known[name] = record
        while needed := [n for n in self._known if not self._can_be_taken(n, all_are_there)]:
            for name in needed:
                for follower in dag.bfs(dag.depending, self._needed[name]):  # itself, too
                    if not self._is_whole(self._placed.get(_name(follower))):
                        self._known.pop(_name(follower), None)

    def look_ahead(self, missed: Missed) -> None:
        """Note all jobs that are still to run, and would not but for their code, as far as that
        can be seen: what they read is as it was, then."""
        self._list_needed()
        coming: dict[str, str | None] = {}
        for job in (job for level in self.workflow.dag.toposorted() for job in level):
            if _name(job) in self._needed:
                record = self._record(job, coming, missed)
                addresses = {} if record is None else _made(record)
                for path in map(self.mirror.relative, map(str, job.products())):
                    coming[path or ""] = addresses.get(path or "")

    def _record(
        self, job: Any, coming: Mapping[str, str | None], missed: Missed | None = None
    ) -> JobRecord | None:
        """`coming`: the addresses of what jobs before this one will have made, where known. With
        `missed_reuse`, also of a job with other code."""

        def address_of(path: str) -> str:
            return coming.get(self.mirror.relative(path) or path) or self.mirror.address_of(path)

        if job.group is not None or job.is_norun or any(map(workflow_view.is_update, job.output)):
            return None
        if any(
            coming.get(self.mirror.relative(path) or path, "") is None
            for path in map(str, job.input)
        ):
            return None  # nobody knows yet what it will read
        # Files that params and resources look at may not be there yet.
        evaluates = evaluation.forgotten if missed is None else evaluation.undone
        try:
            with evaluates(job):
                description = job_description.describe(job, address_of, top=self.mirror.top)
                if not (description.exact and self.reusing.is_open_to(job)):
                    return None
                outputs = list(self.outputs([job]))
                temporary = {output.path for output in outputs if output.temporary}
                key = self.keys.job_key(job, description, {})
                record = self.reusing.find(key.key, outputs, absent=temporary)
                return missed.note(job, key) if record is None and missed is not None else record
        except EXPECTED:
            return None  # what is wrong with it is told when it is handed out

    def _can_be_taken(self, name: _Name, all_are_there: bool) -> bool:
        """Whether nothing needs those outputs of a known job that were not kept."""
        gone = {output.path for output in self._known[name].outputs if output.temporary}
        if not gone:
            return True
        dag, job = self.workflow.dag, self._needed[name]
        if dag.has_unfinished_queue_input_jobs() or not all_are_there:
            return False  # jobs that nobody knows yet may need them

        def are_gone(paths: Iterable[Any]) -> bool:
            return not gone.isdisjoint(map(self.mirror.relative, map(str, paths)))

        if job in dag.targetjobs or are_gone(dag.derived_targetfiles):
            return False
        return all(
            _name(follower) in self._known or _name(follower) not in self._needed
            for follower, paths in dag.depending[job].items()
            if are_gone(paths)
        )


def _name(job: Any) -> _Name:
    """A checkpoint has other objects stand for the same jobs."""
    return job.rule.name, tuple(map(str, job.output)), tuple(map(str, job.input))


def _made(record: JobRecord) -> dict[str, str]:
    """The addresses of a job's outputs, logs and benchmarks."""
    logs = {log.path: str(output_links.object_name(log).address) for log in record.logs}
    return logs | {output.path: output.address for output in record.outputs}
