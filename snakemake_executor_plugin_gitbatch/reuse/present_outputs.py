"""The present outputs of jobs that need not run: who has made them, as the documents of runs say,
and whether with the commit's code."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Container, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from gitbatch_core.archive.layout import LINK_PATH, linked_object
from gitbatch_core.archive.walk import below, inside
from gitbatch_core.git import work_tree_status
from gitbatch_core.git.repository import Repository
from gitbatch_core.history.origins import Origin, Origins
from gitbatch_core.history.stale_outputs import OtherCommits
from gitbatch_core.run import lease, run_commit
from gitbatch_core.run.code_difference import Choice, CodeDifferences
from gitbatch_core.run.tainted import TaintedRuns
from snakemake_executor_plugin_gitbatch.job import key, workflow_view
from snakemake_executor_plugin_gitbatch.reuse import run_documents
from snakemake_executor_plugin_gitbatch.run import preconditions


@dataclass(kw_only=True)
class PresentOutputs:
    """What is not as the commit's code would have it."""

    jobs: list[Any] = field(default_factory=list)
    """That have made some of the stale results."""
    makers: OtherCommits = field(default_factory=OtherCommits)
    """Of results of other code."""
    tainted: int = 0
    """How many others a tainted run has made."""
    checkpoints: list[str] = field(default_factory=list)
    """Stale outputs, as the workflow names them, of checkpoints that are no part of the DAG."""
    by_hand: list[str] = field(default_factory=list)
    """Relative to the top: what lies where a run had put something else."""
    unknown: list[str] = field(default_factory=list)
    """The same, where no run has put anything, or knew itself what it was."""

    @property
    def number(self) -> int:
        """Of stale results."""
        return sum(self.makers.numbers.values()) + self.tainted


@dataclass(kw_only=True)
class Look:
    """At the folder of one start."""

    workflow: Any
    repository: Repository
    source: str
    """The commit whose code is compared."""
    relative: Relative
    origins: Origins
    modified: Callable[[], Collection[str]]
    """Tracked files that are not as HEAD has them; none where nobody has asked."""

    @classmethod
    def of(cls, workflow: Any, modified: Callable[[], Collection[str]]) -> Look:
        """Raises GitError."""
        repository = Repository.find(Path.cwd())
        head = repository.commit_of("HEAD")
        source = run_commit.source_of(repository, head)
        origins = Origins(documents=run_documents.of_source(repository, head, source))
        if workflow.executor_settings.dirty == "snapshot":
            source = preconditions.clean_source(workflow, repository, head, None, "snapshot").commit
        return cls(
            workflow=workflow,
            repository=repository,
            source=source,
            relative=Relative(repository),
            origins=origins,
            modified=modified,
        )

    def find(self, jobs: Iterable[Any], *, but: Container[str] = ()) -> PresentOutputs:
        """Look at what those of these jobs have made that need not run, and checkpoints that are no
        part of the DAG, `but` those that have made this.

        Raises GitError, WorkflowError and what functions of the workflow raise.
        """
        dag, result = self.workflow.dag, PresentOutputs()
        strange: list[str] = []
        origins_by_job: dict[Any, list[Origin]] = {}
        for job in jobs:
            if not dag.needrun(job) and not dag.finished(job):
                origins_by_job[job] = [
                    o for path in job.output if (o := self._origin(path, strange))
                ]
        in_dag = {str(path) for job in dag.jobs for path in job.output}
        done = {
            str(path): origin
            for path in sorted(self.workflow.checkpoints.created_output)
            if str(path) not in in_dag
            and str(path) not in but
            and (origin := self._origin(path, strange))
        }
        origins = chain(*origins_by_job.values(), done.values())
        result.unknown += [each.output.path for each in origins if each.job is None]
        self._sort_out(strange, result)
        for job, some in origins_by_job.items():
            if (some := list(filter(self._may_be_stale, some))) and self._count(
                some, key.choice(self.workflow, job, self.relative), result
            ):
                result.jobs.append(job)
        for path, origin in done.items():
            if self._may_be_stale(origin) and self._count([origin], None, result):
                result.checkpoints.append(path)
        return result

    def _may_be_stale(self, origin: Origin) -> bool:
        return origin.job is not None and (origin.commit != self.source or self._is_tainted(origin))

    def _count(self, some: list[Origin], choice: Choice | None, result: PresentOutputs) -> bool:
        """Note what is stale among what one job has made; whether anything is."""
        before = result.number
        for origin in some:
            if (files := origin.files(self._differences, self.source, choice)) != ():
                result.makers.add(origin.commit, files)
            elif self._is_tainted(origin):
                result.tainted += 1
        return result.number > before

    def _origin(self, path: Any, strange: list[str]) -> Origin | None:
        """Where an output comes from that lies in the folder as a link, as a folder of links, or
        as a file that git tracks. What is something else, or was put there by no run that is known,
        is `strange`."""
        name = self.relative(str(path))
        if name is None or workflow_view.storage(path) is not None:
            return None
        if path.is_directory:
            if not os.path.isdir(path):
                return None
            origin = self.origins.tree(name)
        else:
            try:
                linked = linked_object(os.readlink(path))
                origin = self.origins.find(name, str(linked.address)) if linked else None
            except OSError as error:
                if error.errno != errno.EINVAL:  # nothing is there
                    return None
                origin = self._of_file(path, name) if os.path.isfile(path) else None
        if origin is None:
            strange.append(name)
        return origin

    def _of_file(self, path: Any, name: str) -> Origin | None:
        """That of the latest result, where a file that git tracks has the same bytes: it was
        thawed."""
        if name not in self._tracked or (latest := self.origins.file(name)) is None:
            return None
        if os.path.getsize(path) != latest.output.size:
            return None
        from gitbatch_core.archive import hashing
        from gitbatch_core.archive.layout import Address

        address = Address.parse(latest.output.address)
        return latest if hashing.hash_file(Path(path), address.algorithm)[0] == address else None

    def _sort_out(self, strange: list[str], result: PresentOutputs) -> None:
        """Tell what was changed by hand from what no run has made. What git tracks is git's, and
        what a run has made that has not ended is not known yet."""
        if not strange or lease.owners(self.repository):
            return
        tracked, modified = self._tracked, self.modified()
        in_order = sorted(tracked)
        names = {
            name
            for name in strange
            if name in modified or not (name in tracked or any(below(name, in_order)))
        }
        outputs = {output.path for run in self.origins.read for output in run.outputs}
        while names - outputs and self.origins.read_more():
            outputs.update(output.path for output in self.origins.read[-1].outputs)
        result.by_hand += sorted(names & outputs)
        result.unknown += sorted(names - outputs)

    def edits(self) -> list[str]:
        """Tracked files of code that are not as HEAD has them, sorted. Raises GitError."""
        modified = self.modified()
        if not modified or self.workflow.executor_settings.dirty == "snapshot":
            return []
        is_output = preconditions.outputs_in(self.workflow, self.repository)
        edited = [path for path in modified if not is_output(path)]
        return sorted(self._differences.code_among(edited))

    def _is_tainted(self, origin: Origin) -> bool:
        return origin.job is not None and self._tainted.have_made(origin.job, origin.run)

    @cached_property
    def _tracked(self) -> frozenset[str]:
        return work_tree_status.tracked(self.repository.top)

    @cached_property
    def _tainted(self) -> TaintedRuns:
        return TaintedRuns(root=self.repository.top / LINK_PATH)

    @cached_property
    def _differences(self) -> CodeDifferences:
        declared = filter(None, map(self.relative, workflow_view.declared(self.workflow)))
        is_declared, is_left = (
            inside(declared),
            run_documents.undeclared_paths(self.repository, "HEAD"),
        )
        return CodeDifferences(
            repository=self.repository, is_output=lambda path: is_declared(path) or is_left(path)
        )


class Relative:
    """A path as the workflow names it, relative to the top; None: outside of the repository."""

    def __init__(self, repository: Repository) -> None:
        self._top, self._folder = str(repository.top), os.getcwd()

    def __call__(self, path: str) -> str | None:
        absolute = os.path.normpath(os.path.join(self._folder, path))
        if absolute == self._top:
            return ""
        inside_top = absolute.startswith(f"{self._top}/")
        return absolute[len(self._top) + 1 :] if inside_top else None
