"""Which jobs are known already, before the first one is handed out.

A job whose temporary outputs are gone can be left out where nothing needs them: where the jobs that
read them are known themselves. What they read is known by its address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from snakemake.exceptions import RuleException
from snakemake_interface_common.exceptions import WorkflowError

from gitbatch_core.archive.layout import ObjectName
from gitbatch_core.errors import GitbatchError
from gitbatch_core.jsonio import Document
from gitbatch_core.records import Output
from gitbatch_core.runs.twin import Twin
from snakemake_executor_plugin_gitbatch import jobspec, workflowview
from snakemake_executor_plugin_gitbatch.keys import Keys
from snakemake_executor_plugin_gitbatch.reusing import Reusing


@dataclass(kw_only=True)
class Plan:
    """Records of earlier jobs by the single job that they stand for."""

    workflow: Any
    twin: Twin
    keys: Keys
    reusing: Reusing
    outputs: Callable[[list[Any]], Iterable[Output]]
    """Of single jobs."""
    _known: dict[Any, Document] = field(default_factory=dict)
    _needed: set[Any] = field(default_factory=set)

    def make(self) -> None:
        """Look at all jobs that are to run, each after those that it depends on."""
        dag = self.workflow.dag
        self._needed = set(dag.needrun_jobs())
        if not any(
            workflowview.is_temporary(path, self.workflow)
            for job in self._needed
            for path in job.output
        ):
            return  # nothing to leave out; what is known is found when it is handed out
        coming: dict[str, str | None] = {}
        for job in (job for level in dag.toposorted() for job in level if job in self._needed):
            record = self._record(job, coming)
            made = {} if record is None else _made(record)
            for path in map(self.twin.relative, map(str, job.products())):
                coming[path or ""] = made.get(path)
            if record is not None:
                self._known[job] = record
        while needed := [job for job in self._known if not self._can_be_taken(job)]:
            for job in needed:
                for follower in dag.bfs(dag.depending, job):  # the job itself, too
                    self._known.pop(follower, None)

    def take(self, job: Any) -> Document | None:
        """The record that stands for a job that is handed out, if there is one."""
        return self._known.pop(job, None)

    def _record(self, job: Any, coming: Mapping[str, str | None]) -> Document | None:
        """`coming`: the addresses of what jobs before this one will have made, where known."""

        def address_of(path: str) -> str:
            return coming.get(self.twin.relative(path) or path) or self.twin.address_of(path)

        if job.group is not None or job.is_norun or any(map(workflowview.is_update, job.output)):
            return None
        if any(
            coming.get(self.twin.relative(path) or path, "") is None for path in map(str, job.input)
        ):
            return None  # nobody knows yet what it will read
        try:
            description = jobspec.describe(job, address_of)
            if not (description.exact and self.reusing.is_open_to(job)):
                return None
            outputs = list(self.outputs([job]))
            temporary = {output.path for output in outputs if output.temporary}
            return self.reusing.find(self.keys.key(job, description, {}), outputs, absent=temporary)
        except (GitbatchError, WorkflowError, RuleException, OSError):
            return None  # what is wrong with it is told when it is handed out
        finally:
            job._params = job._resources = None  # files that they look at may not be there yet

    def _can_be_taken(self, job: Any) -> bool:
        """Whether nothing needs those outputs of a known job that were not kept."""
        gone = {o["path"] for o in self._known[job]["outputs"] if o.get("temporary")}
        if not gone:
            return True
        dag = self.workflow.dag
        if dag.has_unfinished_queue_input_jobs() or any(
            each.is_checkpoint for each in self._needed
        ):
            return False  # jobs that nobody knows yet may need them

        def are_gone(paths: Iterable[Any]) -> bool:
            return not gone.isdisjoint(map(self.twin.relative, map(str, paths)))

        if job in dag.targetjobs or are_gone(dag.derived_targetfiles):
            return False
        return all(
            follower in self._known or follower not in self._needed
            for follower, paths in dag.depending[job].items()
            if are_gone(paths)
        )


def _made(record: Document) -> dict[str, str]:
    """The addresses of a job's outputs, logs and benchmarks."""
    logs = {log["path"]: str(ObjectName.parse(log["name"]).address) for log in record["logs"]}
    return logs | {output["path"]: output["address"] for output in record["outputs"]}
