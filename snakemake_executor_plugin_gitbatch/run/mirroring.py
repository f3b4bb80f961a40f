"""Fills the mirror: all that the user's folder has for jobs before the first of them, and the
inputs of each job before it starts."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Sequence
from pathlib import Path
from typing import Any

from gitbatch_core.errors import RunError
from gitbatch_core.git.work_tree_status import Changes
from gitbatch_core.run.mirror import inputs, linked_folders, storage_copies, user_links
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.run.obstacles import Obstacle, refuse
from snakemake_executor_plugin_gitbatch.job import workflow_view
from snakemake_executor_plugin_gitbatch.run import preconditions
from snakemake_executor_plugin_gitbatch.run.parse_time import ParseTime, ReadOnce


def fill(
    workflow: Any,
    mirror: Mirror,
    dead: Sequence[Path],
    *,
    is_new: bool,
    untracked: Sequence[str],
    reading: ParseTime | ReadOnce,
) -> None:
    """Make the worktree the mirror of the folder: all links into the archive, all outputs that
    are up to date, all inputs, and what the workflow writes while it is read; save what links lead
    to in `dead` worktrees. In a worktree that is not new, jobs may be writing the missing ones.
    `untracked`: see `preconditions.Source`.

    Raises ObstaclesError naming every input that nobody has, DirtyTreeError.
    """
    linked_folders.open_folders(
        mirror, workflow_view.inputs(workflow), workflow_view.local_products(workflow)
    )
    user_links.bring(mirror, dead, is_new=is_new)
    needed = set(workflow.dag.needrun_jobs())
    coming = products_of(needed)
    for path in workflow.checkpoints.created_output:  # their jobs may be no part of the DAG
        if workflow_view.storage(path) is None and str(path) not in coming:
            mirror.bring_output(str(path))
    jobs = workflow_view.jobs(workflow)
    for job in jobs:
        bring_outputs(job, mirror, is_needed=job in needed, is_new=is_new)
    reading.bring()
    missing = _bring_all_inputs(jobs, mirror, coming)
    if unknown := (*map(mirror.relative, missing), *untracked, *reading.known_before()):
        reading.read_again(unknown)
        missing = _bring_all_inputs(jobs, mirror, coming) if missing else {}
        if left := tuple(path for path in untracked if path not in mirror.parse_time):
            changes = Changes(modified=(), untracked=left)
            raise preconditions.unlike_commit(
                reading.repository, changes, otherwise=reading.otherwise
            )
    reading.remember()
    linked_folders.settle(mirror)
    mirror.tell_outside()
    refuse(
        [
            Obstacle.of(reading.explain(path, error), kind="input", names=[path])
            for path, error in missing.items()
        ]
    )


def make_folders(mirror: Mirror, members: list[Any]) -> None:
    """Create the folders in the worktree for the outputs of single jobs, also behind links. Raises
    RunError."""
    products = (path for member in members for path in workflow_view.local_products_of(member))
    linked_folders.open_folders(mirror, (), products)
    linked_folders.settle(mirror)


def bring_all(mirror: Mirror, members: list[Any]) -> None:
    """Bring the inputs of single jobs that start together into the worktree. Raises RunError,
    ArchiveError."""
    paths = (path for member in members for path in member.input)
    plain = (str(path) for path in paths if workflow_view.storage(path) is None)
    linked_folders.open_folders(mirror, plain, ())
    products = {str(path) for member in members for path in member.output}
    for member in members:
        for path in member.input:
            if str(path) not in products:
                _bring(mirror, path, member.rule.name)
    linked_folders.settle(mirror)
    mirror.tell_outside()


def _bring(mirror: Mirror, path: Any, rule: str) -> None:
    """See to it that the worktree has the input `path` of `rule`, for a job that is to start now.

    Raises RunError, ArchiveError.
    """
    storage = workflow_view.storage(path)
    if storage is None:
        inputs.bring(mirror, str(path), rule)
    elif storage.retrieve:
        storage_copies.bring(mirror, str(path))
    else:
        name = workflow_view.address_in(storage) or storage.print_query
        storage_copies.refer(mirror, str(path), name)


def products_of(jobs: Iterable[Any]) -> set[str]:
    """Outputs, logs and benchmarks of single jobs, as the workflow names them."""
    return {str(path) for job in jobs for path in job.products()}


def bring_outputs(job: Any, mirror: Mirror, *, is_needed: bool, is_new: bool) -> None:
    """Those of a single job that are up to date; of others, none is there that the folder lacks."""
    mirror.note_logs(map(mirror.relative, map(str, workflow_view.logs(job))))
    # Local copies of what lies in other storages come when they are up to date: see `bring`.
    for path in (path for path in job.output if workflow_view.storage(path) is None):
        if not is_needed:
            mirror.bring_output(str(path))
        elif is_new:
            mirror.clear_missing(str(path))


def _bring_all_inputs(
    jobs: Iterable[Any], mirror: Mirror, coming: Container[str]
) -> dict[str, RunError]:
    missing: dict[str, RunError] = {}
    for job in jobs:
        for path, error in bring_inputs(job, mirror, coming).items():
            missing.setdefault(path, error)
    return missing


def bring_inputs(job: Any, mirror: Mirror, coming: Container[str]) -> dict[str, RunError]:
    """Those of a single job that are there, and are not `coming` yet; why some cannot be had, by
    path as the workflow names it."""
    missing = {}
    plain = (path for path in job.input if workflow_view.storage(path) is None)
    for path in dict.fromkeys(map(str, plain)):
        # What is not there belongs to a job that need not run: a temporary file, say.
        if path not in coming and os.path.lexists(mirror.here(path)):
            try:
                inputs.bring(mirror, path, job.rule.name)
            except RunError as error:
                missing[path] = error
    return missing
