"""What a run leaves behind: the run commit, its tag, and a few lines that say what happened."""

from __future__ import annotations

import datetime
import getpass
import os
import platform
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from gitbatch_core import __version__
from gitbatch_core.archive.walk import inside
from gitbatch_core.errors import GitbatchError, readable
from gitbatch_core.git import refs, work_tree_status
from gitbatch_core.git import worktree as worktrees
from gitbatch_core.history import stale_outputs
from gitbatch_core.history.origins import Origin
from gitbatch_core.model.documents import Document
from gitbatch_core.provenance.reproductions import IDENTICAL
from gitbatch_core.reproduce import evidence
from gitbatch_core.run import completion, run_commit, superseded_records
from gitbatch_core.run.mirror import output_links, tracked_results
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.run.run import Run, unfinished
from gitbatch_core.run.run_commit import Provenance, Result
from gitbatch_core.run.tainted import TaintedRuns
from gitbatch_core.wording import count, listed, some, typed_files
from snakemake_executor_plugin_gitbatch.job import key, workflow_view
from snakemake_executor_plugin_gitbatch.job.key import Keys
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
    """What a run was found to be."""

    tag: str | None
    tainted: bool
    complete: bool
    """Whether all that follows the run commit is done."""


@dataclass(kw_only=True)
class Ending:
    """Gathers what the end of a run needs to know while the run goes on."""

    run: Run
    mirror: Mirror
    tag: str | None
    """Of a run that succeeds."""
    reusing: Reusing
    keys: Keys
    missed: Missed
    leaving: Leaving
    records: list[Document] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """Jobs that failed, a retried one once each time."""
    failed_before: list[str] = field(default_factory=list)
    """Those that failed before this process went on with the run."""

    def write(
        self,
        facts: Document,
        outputs: Iterable[Any],
        inputs: Iterable[str],
        declared: list[str],
        outcome: str,
        logger: Any,
    ) -> RunEnd:
        """Write the run commit, tagged where the run `succeeded` untainted, and say so.

        `outputs`: those that are to last; `declared`: every path that a job may write. Raises
        GitError, ArchiveError; then nothing says that the run has ended.
        """
        found = self._results(outputs)
        found += self._results_put_in_place({result.path for result in found})
        known = inside([*self.mirror.placed, *filter(None, map(self.mirror.relative, declared))])
        tainted = worktrees.rewritten(self.run.worktree, known)
        left = self.leaving.gather(known, declared, self.records, self.reusing.taken.values())
        facts = facts | {
            "outcome": outcome,
            "tag": self._free_tag(logger) if outcome == "succeeded" and not tainted else None,
            "ended": now(),
            "user": getpass.getuser(),
            "host": socket.gethostname(),
            "versions": _versions(),
            "jobs_finished": len(self.records),
            "reused": self._reused(),
            "left_out": len(self.reusing.taken) - sum(self._reused().values()),
            "jobs_failed": self.failed_before + self.failed,
            "tainted": tainted,
            **left.facts,
            "outside": self.mirror.outside.addresses,
            "linked": self.mirror.linked.files | self.mirror.linked.folders,
            "parse_time": dict(sorted(self.mirror.parse_time.items())),
        }
        of_results = inside(result.path for result in found)
        jobs = (*self.reusing.taken.values(), *self.records)
        input_links = {
            path: text
            for path, text in output_links.input_links(
                self.mirror, [*inputs, *self._inputs(jobs)]
            ).items()
            if not of_results(path)
        }
        if input_links:
            facts["input_links"] = sorted(input_links)
            names = typed_files(self.mirror.top / path for path in sorted(input_links))
            force = "-f " if work_tree_status.ignored(self.mirror.top, input_links) else ""
            logger.info(
                "These frozen inputs are not committed; the run commit has their links:\n"
                f"{_list(sorted(input_links))}\nCommit them: git add {force}-- {names}"
            )
        if not tainted:
            facts[superseded_records.JOBS] = superseded_records.listed(jobs)
        if self.reusing.compared:
            facts["comparisons"] = self._comparisons(facts)
        provenance = self._provenance(found)
        composed = run_commit.compose(facts, found, provenance)
        tainted_runs = TaintedRuns(root=self.run.archive.root)
        stale_outputs.note(
            composed,
            self._files_of(provenance),
            self.records,
            lambda job: tainted_runs.have_made(job, {}),
        )
        commit = run_commit.write(
            self.run.repository,
            document=composed,
            results=found,
            inputs={**left.links, **input_links},
            message="\n\n".join(
                filter(None, (facts["message"], f"gitbatch run {self.run.id}: {outcome}"))
            ),
        )
        _report_tainted(tainted, logger)
        undeclared.report(left, logger)
        self._say_compared(logger)
        tag, complete = None, True
        try:
            # Only now may others reuse what the run has made.
            tag = completion.complete(
                self.run.repository, self.run.archive.root, commit, warn=logger.warning
            )
        except (GitbatchError, OSError) as error:
            complete = False
            logger.warning(unfinished(self.run.id, error))
        linked = {path for result in found for path in result.links}
        if not self.mirror.tracked.isdisjoint(linked):
            self._settle_tracked(linked, logger)
        for line in (stale_outputs.text(stale_outputs.summary(composed)), self.missed.text()):
            if line:
                logger.warning(readable(line))
        name = f"tag {tag}" if tag else f"commit {commit[:10]}"
        logger.info(
            f"gitbatch run {self.run.id} {outcome}: {count(len(self.records), 'job')} done, "
            f"{_spared(facts)}{count(len(found), 'output')} in place, {name}"
        )
        return RunEnd(tag=tag, tainted=bool(tainted), complete=complete)

    def _settle_tracked(self, results: Iterable[str], logger: Any) -> None:
        """Say what to do about those of these links that git tracks as files, or do it."""
        repository, mirror = self.run.repository, self.mirror
        try:
            if not (paths := tracked_results.linked(repository, results)):
                return
            if not tracked_results.are_files(repository):
                command = tracked_results.command(mirror.top, paths)
                logger.warning(
                    f"The archive has {count(len(paths), 'file')} that git tracks, with links in "
                    f"their places: {readable(some(paths))}. A commit of these has only the links. "
                    f"Files again, to commit them:\n  {readable(command)}\n"
                    f"At the end of each run by itself: git config {tracked_results.KEY} files"
                )
                return
            tracked_results.make_files(mirror.archive, mirror.top, paths)
            logger.info(f"Files again, as git tracks them: {readable(some(paths))}")
        except (GitbatchError, OSError) as error:
            logger.warning(f"What git tracks as files stays links into the archive: {error}")

    def _free_tag(self, logger: Any) -> str | None:
        """The run's tag, unless somebody has taken its name since the run began."""
        if self.tag is None:
            return None
        other = refs.obstacle(self.run.repository, f"refs/tags/{self.tag}")
        if other is not None:
            logger.warning(completion.without_tag(self.run.id, self.tag, other))
        return self.tag if other is None else None

    def _results_put_in_place(self, known: set[str]) -> Iterator[Result]:
        """What jobs have made that are no part of the DAG any more, as only a checkpoint asked for
        it, and that this process has not seen succeed: they were reused, or an earlier one has."""
        for path, output in self.mirror.made.items():
            here, folder = f"{self.mirror.top}/{path}", output["kind"] == "tree"
            if path in known or self._is_copy(path) or not os.path.lexists(here):
                continue
            if (result := output_links.result_at(self.mirror, here, folder=folder)) is not None:
                yield result

    def _inputs(self, records: Iterable[Document]) -> Iterator[str]:
        """What jobs have read, as the workflow names it."""
        for record in records:
            for path in (each["path"] for m in record["members"] for each in m["inputs"]):
                if not self._is_copy(self.mirror.relative(path) or path):
                    yield path

    @cached_property
    def _is_copy(self) -> Callable[[str], bool]:
        """Whether a path, relative to the top, is a local copy of what lies in another storage."""
        prefix = self.mirror.relative(str(self.keys.workflow.storage_settings.local_storage_prefix))
        return inside([] if prefix is None else [prefix])

    def _reused(self) -> dict[str, int]:
        """How many jobs were reused, by the run that has done them. Those that have made nothing
        but temporary outputs were left out."""
        whole = [
            r for r in self.reusing.taken.values() if not all(map(_was_temporary, r["outputs"]))
        ]
        return dict(Counter(str(record["run"]) for record in whole))

    def add_earlier(self, records: Iterable[Document]) -> None:
        """What the run had finished before this process went on with it."""
        known = {record["number"] for record in self.records}
        self.records[:0] = [record for record in records if record["number"] not in known]

    def _comparisons(self, facts: Document) -> list[Document]:
        """What came out the same again, for the archive."""
        return [
            evidence.compose(
                {"run": run, "source_commit": facts["source_commit"]}, facts, verdicts, []
            )
            for run, verdicts in self.reusing.compared.items()
        ]

    def _say_compared(self, logger: Any) -> None:
        for run, verdicts in self.reusing.compared.items():
            others = [each for each in verdicts if each.verdict != IDENTICAL]
            same = count(len(verdicts) - len(others), "output")
            if others:
                lines = (
                    f"{each.path}  (rule {each.rule}): {each.then and each.then.address}, "
                    f"now {each.now and each.now.address}"
                    for each in others
                )
                logger.warning(
                    f"Compared with run {run}: {same} the same, {len(others)} not. The rule does "
                    "not always make the same, or depends on something else than its key:\n"
                    + _list(lines)
                )
            else:
                logger.info(f"Compared with run {run}: {same}, all the same.")

    def _results(self, outputs: Iterable[Any]) -> list[Result]:
        found = []
        for output in outputs:
            path, folder = str(output), bool(output.is_directory)
            if (storage := workflow_view.storage(output)) is not None:
                result = output_links.stored_result(
                    self.mirror,
                    path,
                    query=storage.print_query,
                    address=workflow_view.address_in(storage),
                    folder=folder,
                )
            elif self.mirror.relative(path) is not None and os.path.lexists(self.mirror.here(path)):
                result = output_links.result_at(self.mirror, path, folder=folder)
            else:
                result = None
            if result is not None:
                found.append(result)
        return found

    def _provenance(self, found: list[Result]) -> Provenance:
        provenance = Provenance()
        for record in (*self.reusing.taken.values(), *self.records):
            provenance.add_record(record)
        unknown = [result for result in found if provenance.of(result) is None]
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
    ) -> Callable[[Document, Document], stale_outputs.Files]:
        """In which files the code that has made an output differs from the commit's. What this run
        has made or reused is of that."""
        jobs = {
            self.mirror.relative(str(path)): job
            for job in workflow_view.jobs(self.keys.workflow)
            for path in job.output
        }
        differences = self.keys.differences(self.run.repository)

        def files_of(output: Document, job: Document) -> stale_outputs.Files:
            path = output["path"]
            if path in self.mirror.made or job["run"] == self.run.id:
                return ()
            now = jobs.get(path)
            choice = (
                None if now is None else key.choice(self.keys.workflow, now, self.mirror.relative)
            )
            told, by = provenance.told.get((path, output["address"]), ({}, {}))
            origin = Origin(output=told, job=job, run=by)
            return origin.files(differences, self.run.worktree.commit, choice)

        return files_of


def _was_temporary(output: Document) -> bool:
    return bool(output.get("temporary"))


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
            "This run is TAINTED: jobs changed files of the commit, so that others may have seen "
            "something else than it. There is no tag, and nothing of it will be reused:\n"
            + _list(tainted)
        )


def _list(lines: Iterable[str]) -> str:
    return readable(listed(lines, _MOST_NAMED))


def now() -> str:
    """UTC, as records have it."""
    return _iso(datetime.datetime.now(datetime.UTC))


def _iso(moment: datetime.datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _versions() -> dict[str, str]:
    from snakemake import __version__ as snakemake_version

    return {
        "gitbatch": __version__,
        "snakemake": snakemake_version,
        "python": platform.python_version(),
    }
