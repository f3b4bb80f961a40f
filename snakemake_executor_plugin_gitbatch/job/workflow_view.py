"""What a workflow declares: the sources it is made of, and what its jobs read and write."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any

from snakemake.exceptions import ProtectedOutputException

from snakemake_executor_plugin_gitbatch.snakemake_internals import source_files
from snakemake_executor_plugin_gitbatch.snakemake_internals.files import is_flagged
from snakemake_executor_plugin_gitbatch.snakemake_internals.files import storage as storage

_PINNED = re.compile(r"(?:^|[/@])(?:v?\d+\.\d+(?:\.\d+)?|[0-9a-f]{40})(?:/|$)")
"""A version or a commit, in the name of a wrapper."""


def jobs(workflow: Any) -> list[Any]:
    """All jobs of the DAG, those that need not run included."""
    return list(workflow.dag.jobs)


def sources(workflow: Any) -> Iterator[str]:
    """Local files that say what is run: snakefiles, scripts, notebooks, environment and config
    files. Remote ones are pinned by their reference."""
    yield from snakefiles(workflow)
    yield from (str(path) for path in workflow.configfiles)
    for job in jobs(workflow):
        yield from sources_of(job)
    if workflow.dag.checkpoint_jobs:  # whose jobs will follow is not known
        for rule in workflow.rules:
            for named in (rule.script, rule.notebook):
                if named is not None and "{" not in str(named):
                    here = source_files.local_path(source_files.of_rule(rule, named))
                    yield from filter(os.path.exists, here)


def snakefiles(workflow: Any) -> Iterator[str]:
    """The local ones."""
    for included in workflow.included:
        yield from source_files.local_path(included)


def sources_of(job: Any) -> Iterator[str]:
    """The local files that a single job's rule names as what is run: script, notebook, wrapper,
    and the file of its environment."""
    yield from source_files.scripts_of(job)
    if (environment := source_files.environment_file(job)) is not None:
        yield from source_files.local_path(environment)
    yield from _files_of_wrapper(job.rule.wrapper or "")


def remote_sources_of(job: Any) -> Iterator[Any]:
    """What of that lies elsewhere, as Snakemake's source files: their references may move. For
    code within snakefiles, these."""
    named = [path for path in (job.rule.script, job.rule.notebook) if path is not None]
    sources = [source_files.of_job(job, path) for path in named]
    if job.is_run:
        sources += map(source_files.of_text, job.dag.workflow.included)
    yield from (source for source in sources if not source_files.is_local(source))


def may_move(job: Any) -> bool:
    """Whether the rule of a single job has a wrapper whose reference, a branch, say, may lead to
    something else tomorrow."""
    wrapper = job.rule.wrapper or "file:"
    return not (wrapper.startswith("file:") or _PINNED.search(wrapper))


@functools.cache
def _files_of_wrapper(wrapper: str) -> tuple[str, ...]:
    if not wrapper.startswith("file:"):
        return ()
    folder = Path(wrapper.removeprefix("file://").removeprefix("file:"))
    return tuple(str(path) for path in folder.glob("*") if path.is_file())


def declared(workflow: Any) -> Iterator[str]:
    """Outputs, logs and benchmarks of all jobs, as the workflow names them, and what checkpoints
    have made that are no part of the DAG any more."""
    for job in jobs(workflow):
        yield from (str(path) for path in job.products())
    yield from map(str, workflow.checkpoints.created_output)


def logs(job: Any) -> list[Any]:
    """Logs and benchmark of a single job."""
    return [*job.log, *((job.benchmark,) if job.benchmark else ())]


def local_products(workflow: Any) -> Iterator[str]:
    """What is declared, but for what goes to other storages."""
    for job in jobs(workflow):
        yield from local_products_of(job)
    yield from (str(p) for p in workflow.checkpoints.created_output if storage(p) is None)


def local_products_of(job: Any) -> Iterator[str]:
    """Outputs, logs and benchmarks of a single job, but for what goes to other storages."""
    yield from (str(path) for path in job.products() if storage(path) is None)


def inputs(workflow: Any) -> Iterator[str]:
    """Inputs of all jobs but those in other storages, maybe more than once."""
    for job in jobs(workflow):
        yield from (str(path) for path in job.input if storage(path) is None)


def named(workflow: Any) -> Iterator[str]:
    """All files that jobs declare."""
    yield from declared(workflow)
    yield from inputs(workflow)


def address_in(storage: Any) -> str | None:
    """The address of what a storage's object names, where that storage knows addresses."""
    return storage.address() if hasattr(storage, "address") else None


def in_other_storages(job: Any) -> list[Any]:
    """Outputs that go to storages that know no addresses."""
    members = job.jobs if job.is_group() else [job]
    outputs = [path for member in members for path in member.output]
    return [path for path in outputs if (s := storage(path)) and not hasattr(s, "address")]


def is_stream(path: Any) -> bool:
    """A pipe or service: nothing that lasts."""
    return bool(is_flagged(path, "pipe") or is_flagged(path, "service"))


def is_temporary(path: Any, workflow: Any) -> bool:
    return is_flagged(path, "temp") and not workflow.storage_settings.notemp


def is_update(path: Any) -> bool:
    return bool(is_flagged(path, "update"))


def kept_outputs(workflow: Any, done: Iterable[Any]) -> list[Any]:
    """Outputs that are to last, at the end of a run: those of the DAG, and of single jobs that were
    `done` for it, but for the temporary ones that Snakemake has removed."""
    outputs_by_path: dict[str, Any] = {}
    # What only a checkpoint asked for is no part of the DAG any more.
    outputs = [path for job in (*jobs(workflow), *done) for path in job.output]
    # Snakemake drops the job of a checkpoint that was done before, but not what it knows of it.
    for path in (*outputs, *sorted(workflow.checkpoints.created_output)):
        gone = is_temporary(path, workflow) and not os.path.lexists(path)
        if not is_stream(path) and not gone:
            outputs_by_path.setdefault(str(path), path)
    return list(outputs_by_path.values())


def inner_temporaries(job: Any) -> list[Any]:
    """Temporary outputs of a group that nothing outside of it needs; of a single job: none."""
    dag = job.dag
    if not job.is_group() or dag.checkpoint_jobs or dag.has_unfinished_queue_input_jobs():
        return []

    def is_needed(member: Any, path: Any) -> bool:
        return path in dag.targetfiles or any(
            path in paths and dag.needrun(follower) and follower not in job.jobs
            for follower, paths in dag.depending[member].items()
        )

    return [
        path
        for member in job.jobs
        for path in member.output
        if is_flagged(path, "temp") and not is_needed(member, path)
    ]


def check_protected(job: Any, but: Container[Any]) -> None:
    """Refuse to overwrite protected outputs, `but` some. Snakemake's own test passes over links,
    which is what protected outputs are here."""
    there = [path for path in job.output if os.path.lexists(path)]
    if not all(map(os.path.islink, there)):
        job.dag.workflow.async_run(job.check_protected_output())
    protected = (path for path in there if path in job.protected_output and path not in but)
    linked = [path for path in protected if os.path.islink(path)]
    if linked:
        raise ProtectedOutputException(job, linked)
