"""Results that are up to date to Snakemake, but were made by other code than the commit's: an edit
of what it does not look at, an imported module, a program that a command names. And what else a
start has to say of what lies in the folder.

Looked for at each start, also where nothing is to be done: it costs a call of git or two, unless
there are some.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gitbatch_core.errors import readable
from gitbatch_core.git import work_tree_status
from gitbatch_core.git.repository import Repository
from gitbatch_core.wording import count, printable, some
from snakemake_executor_plugin_gitbatch.errors import EXPECTED
from snakemake_executor_plugin_gitbatch.job import job_description
from snakemake_executor_plugin_gitbatch.reuse.present_outputs import Look, PresentOutputs
from snakemake_executor_plugin_gitbatch.snakemake_internals import need_run, patches

_FAILS = (*EXPECTED, ValueError, RuntimeError)
"""What may keep the look from an answer; the workflow's own functions are asked, too."""


def look(workflow: Any, logger: Any) -> None:
    """Say how many up-to-date results other code has made, or have Snakemake make them again, as
    the user wants it; which no run has made; and where nothing is to be done, that edits are in
    none of them."""
    wish = workflow.executor_settings.stale
    if wish == "ignore":
        return
    try:
        with ThreadPoolExecutor(1) as beside:
            # git looks at the whole tree; a run does that when it starts.
            is_idle = not anything_to_do(workflow)
            modified = beside.submit(_modified) if is_idle else None
            at = Look.of(workflow, lambda: () if modified is None else modified.result())
            outputs = at.find(workflow.dag.jobs)
            for line in _of_others(outputs):
                logger.warning(line)
            if wish == "rerun":
                _Again(workflow=workflow, logger=logger, at=at).begin(outputs)
            elif outputs.number:
                them = "it" if outputs.number == 1 else "them"
                logger.warning(
                    f"{_text(outputs)}To make {them} again, use --gitbatch-stale rerun; gitbatch "
                    "status shows more."
                )
            if not anything_to_do(workflow) and (edits := at.edits()):
                logger.warning(
                    f"No result includes the uncommitted edits of {_some(edits)}. Commit them, "
                    "and the next start reports results of older code."
                )
    except _FAILS as error:
        if wish == "rerun":
            logger.warning(_cannot_tell(error))


def anything_to_do(workflow: Any) -> bool:
    """Whether Snakemake has jobs that a run is needed for."""
    dag = workflow.dag
    waits = dag.has_unfinished_queue_input_jobs()
    return waits or any(map(job_description.has_outputs, dag.needrun_jobs()))


def _modified() -> list[str]:
    return work_tree_status.modified(Repository.find(Path.cwd()))


@dataclass(kw_only=True)
class _Again:
    """Has Snakemake make stale results again; also those of which only a checkpoint tells."""

    workflow: Any
    logger: Any
    at: Look
    _seen: set[Any] = field(default_factory=set)
    _marked: set[str] = field(default_factory=set)
    """Outputs of checkpoints that run in this start: whatever they were, they are new then."""
    _is_looking: bool = False

    def begin(self, outputs: PresentOutputs) -> None:
        """With the `outputs` that were there at the start."""
        dag = self.workflow.dag
        if outputs.number:
            self._say(outputs)
            with need_run.more(self.workflow):
                if outputs.checkpoints:
                    again = need_run.run_checkpoints_again(dag, outputs.checkpoints)
                    self.workflow.async_run(again)
                    outputs = self.at.find(dag.jobs)
                    if outputs.checkpoints:
                        self.logger.warning(
                            f"Their checkpoints cannot run, because their inputs are missing: "
                            f"{_some(outputs.checkpoints)}."
                        )
                self.workflow.async_run(need_run.run_again(dag, outputs.jobs))
        self._note()
        if dag.checkpoint_jobs or dag.has_unfinished_queue_input_jobs():
            patches.tell_updates(dag, self._look_again)

    async def _look_again(self) -> None:
        """At the jobs that a checkpoint has brought, before Snakemake finds that all is done."""
        if self._is_looking:
            return
        self._is_looking = True
        try:
            await self._look_at_new()
        except _FAILS as error:
            self.logger.warning(_cannot_tell(error))
        finally:
            self._is_looking = False

    async def _look_at_new(self) -> None:
        dag = self.workflow.dag
        outputs = self._find_new()
        if outputs.jobs or outputs.checkpoints:
            self._say(outputs)
            if outputs.checkpoints:
                await need_run.run_checkpoints_again(dag, outputs.checkpoints)
                self._marked.update(outputs.checkpoints)
                outputs = self._find_new()
            await need_run.run_again(dag, outputs.jobs)
        self._note()

    def _find_new(self) -> PresentOutputs:
        new = [job for job in self.workflow.dag.jobs if job not in self._seen]
        return self.at.find(new, but=self._marked)

    def _note(self) -> None:
        dag = self.workflow.dag
        self._seen.update(dag.jobs)
        self._marked.update(str(path) for job in dag.checkpoint_jobs for path in job.output)

    def _say(self, outputs: PresentOutputs) -> None:
        them = "It will be" if outputs.number == 1 else "They will be"
        self.logger.info(f"{_text(outputs)}{them} made again.")


def _text(outputs: PresentOutputs) -> str:
    text = ""
    if of_code := sum(outputs.makers.numbers.values()):
        text += (
            f"{count(of_code, 'result')} {'is' if of_code == 1 else 'are'} up to date for "
            f"Snakemake, but not of this commit's code: {outputs.makers.text()}. "
        )
    if outputs.tainted:
        text += (
            f"{count(outputs.tainted, 'result')} {'is' if outputs.tainted == 1 else 'are'} up to "
            "date for Snakemake, but made by a tainted run, whose jobs changed files of the "
            "commit. "
        )
    return text


def _of_others(outputs: PresentOutputs) -> Iterator[str]:
    if number := len(outputs.by_hand):
        them = "it" if number == 1 else "them"
        yield (
            f"{count(number, 'result')} {'was' if number == 1 else 'were'} changed by hand since "
            f"a run has made {them}: {_some(outputs.by_hand)}. Remove {them} to have {them} made "
            "again."
        )
    if number := len(outputs.unknown):
        them = "it" if number == 1 else "them"
        yield (
            f"The origin of {count(number, 'result')} is unknown: {_some(outputs.unknown)}. "
            f"Remove {them} to have {them} made again with a record."
        )


def _some(names: Collection[str]) -> str:
    return readable(some(map(printable, names)))


def _cannot_tell(error: Exception) -> str:
    return f"Cannot check which results are stale: {error}"
