"""What a run leaves behind: the run commit, its tag, and a few lines that say what happened."""

from __future__ import annotations

import getpass
import os
import platform
import socket
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gitbatch_core import __version__
from gitbatch_core.archive.walk import inside
from gitbatch_core.errors import GitbatchError, readable
from gitbatch_core.git import refs, work_tree_status
from gitbatch_core.git import worktree as worktrees
from gitbatch_core.history import logs, stale_outputs
from gitbatch_core.history.origins import Origin
from gitbatch_core.model.documents import Document
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.masking import redact
from gitbatch_core.model.run_document import RunDocument, RunOutput
from gitbatch_core.reports.costs import Costs
from gitbatch_core.run import completion, run_commit, superseded_records
from gitbatch_core.run.mirror import output_links, tracked_results
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.run.mirror.undeclared import UndeclaredOfRun
from gitbatch_core.run.run import Run, unfinished
from gitbatch_core.run.run_commit import Provenance, Result
from gitbatch_core.run.tainted import TaintedRuns
from gitbatch_core.runner.host import iso_time
from gitbatch_core.wording import count, listed, typed_files
from snakemake_executor_plugin_gitbatch.job import key, workflow_view
from snakemake_executor_plugin_gitbatch.job.job_table import JobTable
from snakemake_executor_plugin_gitbatch.job.key import Keys
from snakemake_executor_plugin_gitbatch.reuse import comparisons
from snakemake_executor_plugin_gitbatch.reuse.missed_reuse import Missed
from snakemake_executor_plugin_gitbatch.reuse.reusing import Reusing
from snakemake_executor_plugin_gitbatch.run import undeclared
from snakemake_executor_plugin_gitbatch.run.undeclared import Leaving

_MOST_NAMED = 10
_MOST_RUNS = 3
_FEW = 10
"""Addresses that are looked for faster than a document is read."""


@dataclass(frozen=True, kw_only=True)
class RunEnd:
    """How a run has ended."""

    tag: str | None
    tainted: bool
    complete: bool
    """Whether all that follows the run commit is done."""


@dataclass(frozen=True, kw_only=True)
class _Gathered:
    """What there is of a run when its jobs have ended."""

    results: list[Result]
    records: list[JobRecord]
    """Of the run's own jobs that succeeded."""
    reused: list[JobRecord]
    """Records of earlier jobs whose outputs were taken."""
    tainted: list[str]
    """Files of the commit that jobs have changed."""
    undeclared: UndeclaredOfRun
    input_links: dict[str, str]
    """Frozen inputs that are not committed."""

    @property
    def jobs(self) -> list[JobRecord]:
        """Records of all jobs that the results are of."""
        return [*self.reused, *self.records]


@dataclass(kw_only=True)
class Ending:
    """The end of one run."""

    workflow: Any
    logger: Any
    run: Run
    mirror: Mirror
    jobs: JobTable
    facts: Document
    """What the run's document says of it from the start."""
    costs: Costs
    reusing: Reusing
    keys: Keys
    missed: Missed
    leaving: Leaving
    mask: Callable[[bytes], bytes]
    secrets: Collection[str]

    def write(self, outcome: str) -> RunEnd:
        """Write the run commit, tagged where the run `succeeded` untainted, and say so. Raises
        GitError, ArchiveError; then nothing says that the run has ended."""
        gathered = self._gather()
        facts = self._facts(outcome, gathered)
        self._say_uncommitted(gathered.input_links)
        provenance = self._provenance(gathered)
        document = self._document(facts, provenance, gathered)
        commit = run_commit.write(
            self.run.repository,
            document=document,
            results=gathered.results,
            inputs={**gathered.undeclared.links, **gathered.input_links},
            message="\n\n".join(
                filter(None, (facts["message"], f"gitbatch run {self.run.id}: {outcome}"))
            ),
        )
        _report_tainted(gathered.tainted, self.logger)
        undeclared.report(gathered.undeclared, self.logger)
        comparisons.say(self.reusing.compared, self.logger)
        tag, complete = self._complete(commit)
        linked = {path for result in gathered.results for path in result.links}
        if not self.mirror.tracked.isdisjoint(linked):
            tracked_results.settle(
                self.run.repository,
                self.run.archive,
                linked,
                warn=self.logger.warning,
                say=self.logger.info,
            )
        self._say_end(document, facts, gathered, f"tag {tag}" if tag else f"commit {commit[:10]}")
        return RunEnd(tag=tag, tainted=bool(gathered.tainted), complete=complete)

    def _gather(self) -> _Gathered:
        declared = list(workflow_view.declared(self.workflow))
        inputs = list(workflow_view.inputs(self.workflow))
        results = self._results(workflow_view.kept_outputs(self.workflow, self.jobs.done()))
        results += self._results_put_in_place({result.path for result in results})
        is_known = inside([*self.mirror.placed, *filter(None, map(self.mirror.relative, declared))])
        records, reused = self.jobs.records(), self.jobs.reused()
        tainted = worktrees.rewritten(self.run.worktree, is_known)
        undeclared_files = self.leaving.gather(
            is_known, declared, records, reused, self.jobs.restarted()
        )
        inputs += self._inputs([*reused, *records])
        return _Gathered(
            results=results,
            records=records,
            reused=reused,
            tainted=tainted,
            undeclared=undeclared_files,
            input_links=self._input_links(inputs, results),
        )

    def _input_links(self, inputs: list[str], results: list[Result]) -> dict[str, str]:
        """Links of inputs, by path, that are part of no result."""
        is_result = inside(result.path for result in results)
        links = output_links.input_links(self.mirror, inputs)
        return {path: text for path, text in links.items() if not is_result(path)}

    def _facts(self, outcome: str, gathered: _Gathered) -> Document:
        """What the run's document says beside its results."""
        succeeded = outcome == "succeeded" and not gathered.tainted
        reused = _by_run(gathered.reused)
        facts = self.facts | {"costs": self.costs.document()}
        log_files = self.workflow.logger_manager.get_logfile()
        if (log := logs.keep(self.run.archive, log_files, self.mask)) is not None:
            facts["log"] = log.to_dict()
        facts |= {
            "outcome": outcome,
            "tag": self._free_tag(self.logger) if succeeded else None,
            "ended": iso_time(time.time()),
            "user": getpass.getuser(),
            "host": socket.gethostname(),
            "versions": _versions(),
            "jobs_finished": len(gathered.records),
            "reused": reused,
            "left_out": len(gathered.reused) - sum(reused.values()),
            "jobs_failed": redact(self.jobs.failed(), self.secrets),
            "tainted": gathered.tainted,
            "undeclared": [file.to_dict() for file in gathered.undeclared.files],
            "undeclared_jobs": {n: j.to_dict() for n, j in gathered.undeclared.jobs.items()},
            "outside": self.mirror.outside.addresses,
            "linked": self.mirror.linked.files | self.mirror.linked.folders,
            "parse_time": dict(sorted(self.mirror.parse_time.items())),
        }
        if gathered.input_links:
            facts["input_links"] = sorted(gathered.input_links)
        if not gathered.tainted:
            facts["jobs_without_code"] = superseded_records.listed(gathered.jobs)
        if self.reusing.compared:
            facts["comparisons"] = [
                each.to_dict() for each in comparisons.documents(self.reusing.compared, facts)
            ]
        return facts

    def _say_uncommitted(self, input_links: dict[str, str]) -> None:
        if not input_links:
            return
        names = typed_files(self.mirror.top / path for path in sorted(input_links))
        force = "-f " if work_tree_status.ignored(self.mirror.top, input_links) else ""
        self.logger.info(
            "These frozen inputs are not committed; the run commit has their links:\n"
            f"{_list(sorted(input_links))}\nCommit them: git add {force}-- {names}"
        )

    def _document(
        self, facts: Document, provenance: Provenance, gathered: _Gathered
    ) -> RunDocument:
        """The run's document, which says also which results other code has made."""
        tainted_runs = TaintedRuns(root=self.run.archive.root)
        return stale_outputs.note(
            run_commit.compose(facts, gathered.results, provenance),
            self._files_of(provenance),
            gathered.records,
            tainted_runs.have_made,
        )

    def _complete(self, commit: str) -> tuple[str | None, bool]:
        """Let others reuse what the run has made; its tag, and whether all is done."""
        try:
            tag = completion.complete(
                self.run.repository, self.run.archive.root, commit, warn=self.logger.warning
            )
        except (GitbatchError, OSError) as error:
            self.logger.warning(unfinished(self.run.id, error))
            return None, False
        return tag, True

    def _say_end(
        self, document: RunDocument, facts: Document, gathered: _Gathered, name: str
    ) -> None:
        for line in (stale_outputs.summary(document).text(), self.missed.text()):
            if line:
                self.logger.warning(readable(line))
        self.logger.info(
            f"gitbatch run {self.run.id} {facts['outcome']}: "
            f"{count(len(gathered.records), 'job')} done, {_spared(facts)}"
            f"{count(len(gathered.results), 'output')} in place, {name}"
        )

    def _free_tag(self, logger: Any) -> str | None:
        """The run's tag, unless somebody has taken its name since the run began."""
        tag: str | None = self.facts["tag"]
        if tag is None:
            return None
        other = refs.obstacle(self.run.repository, f"refs/tags/{tag}")
        if other is not None:
            logger.warning(completion.without_tag(self.run.id, tag, other))
        return tag if other is None else None

    def _results_put_in_place(self, listed_paths: set[str]) -> Iterator[Result]:
        """What jobs have made that are no part of the DAG any more, as only a checkpoint asked for
        it, and that this process has not seen succeed: they were reused, or an earlier one has."""
        for path, output in self.mirror.outputs.items():
            here, folder = f"{self.mirror.top}/{path}", output.is_tree
            if path in listed_paths or self._is_copy(path) or not os.path.lexists(here):
                continue
            if (result := output_links.result_at(self.mirror, here, folder=folder)) is not None:
                yield result

    def _inputs(self, records: Iterable[JobRecord]) -> Iterator[str]:
        """What jobs have read, as the workflow names it."""
        for record in records:
            for path in (each.path for member in record.members for each in member.inputs):
                if not self._is_copy(self.mirror.relative(path) or path):
                    yield path

    @cached_property
    def _is_copy(self) -> Callable[[str], bool]:
        """Whether a path, relative to the top, is a local copy of what lies in another storage."""
        prefix = self.mirror.relative(str(self.workflow.storage_settings.local_storage_prefix))
        return inside([] if prefix is None else [prefix])

    def _results(self, outputs: Iterable[Any]) -> list[Result]:
        return [result for output in outputs if (result := self._result(output)) is not None]

    def _result(self, output: Any) -> Result | None:
        """What lies at an output; None: nothing, or nothing of ours."""
        path, folder = str(output), bool(output.is_directory)
        if (storage := workflow_view.storage(output)) is not None:
            return output_links.stored_result(
                self.mirror,
                path,
                query=storage.print_query,
                address=workflow_view.address_in(storage),
                folder=folder,
            )
        if self.mirror.relative(path) is None or not os.path.lexists(self.mirror.here(path)):
            return None
        return output_links.result_at(self.mirror, path, folder=folder)

    def _provenance(self, gathered: _Gathered) -> Provenance:
        provenance = Provenance()
        for record in gathered.jobs:
            provenance.add_record(record)
        unknown = [result for result in gathered.results if provenance.of(result) is None]
        if unknown:
            # Of what no run has made, all documents would be read in vain.
            named = [result.address for result in unknown] if len(unknown) <= _FEW else ()
            for earlier in run_commit.earlier(self.run.repository, named, own_first=True):
                provenance.add_run(earlier)
                if all(provenance.of(result) is not None for result in unknown):
                    break
        return provenance

    def _files_of(
        self, provenance: Provenance
    ) -> Callable[[RunOutput, JobRecord], stale_outputs.Files]:
        """In which files the code that has made an output differs from the commit's. What this run
        has made or reused is of that."""
        jobs = {
            self.mirror.relative(str(path)): job
            for job in workflow_view.jobs(self.workflow)
            for path in job.output
        }
        differences = self.keys.differences(self.run.repository)

        def files_of(output: RunOutput, job: JobRecord) -> stale_outputs.Files:
            path = output.path
            if path in self.mirror.outputs or job.run == self.run.id:
                return ()
            now = jobs.get(path)
            choice = None if now is None else key.choice(self.workflow, now, self.mirror.relative)
            told, by = provenance.told.get((path, output.address), (output, None))
            origin = Origin(output=told, job=job, run=by)
            return origin.files(differences, self.run.worktree.commit, choice)

        return files_of


def _by_run(reused: Iterable[JobRecord]) -> dict[str, int]:
    """How many jobs were reused, by the run that has done them. Those that have made nothing but
    temporary outputs were left out."""
    return dict(Counter(record.run for record in reused if any(record.kept_outputs())))


def _spared(facts: Document) -> str:
    """`12 reused (9 of run 20261121-043005-38d0, 3 of 2 other runs), 4 left out, `"""
    parts = []
    if counts := facts["reused"]:
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        named = [f"{number} of run {run}" for run, number in ordered[:_MOST_RUNS]]
        if more := ordered[_MOST_RUNS:]:
            named.append(f"{sum(number for _, number in more)} of {count(len(more), 'other run')}")
        parts.append(f"{sum(counts.values())} reused ({', '.join(named)})")
    if facts["left_out"]:
        parts.append(f"{facts['left_out']} left out")
    return "".join(f"{part}, " for part in parts)


def _report_tainted(tainted: list[str], logger: Any) -> None:
    if tainted:
        logger.error(
            "This run is TAINTED: jobs changed files of the commit, and other jobs may have seen "
            "the changes. The run gets no tag, and its results will not be reused:\n"
            + _list(tainted)
        )


def _list(lines: Iterable[str]) -> str:
    return readable(listed(lines, _MOST_NAMED))


def _versions() -> dict[str, str]:
    from snakemake import __version__ as snakemake_version

    return {
        "gitbatch": __version__,
        "snakemake": snakemake_version,
        "python": platform.python_version(),
    }
