"""Preconditions of jobs: their outputs can be kept, and their threads fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gitbatch_core.errors import RunError
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.run.obstacles import Obstacle, ObstaclesError, refuse
from snakemake_executor_plugin_gitbatch.job import workflow_view
from snakemake_executor_plugin_gitbatch.snakemake_internals import evaluation


def check(workflow: Any, mirror: Mirror, warn: Callable[[str], None]) -> None:
    """Raise ObstaclesError for paths that a worktree cannot have; warn of rules whose work is
    lost."""
    idle: dict[str, None] = {}
    obstacles: list[Obstacle] = []
    for job in workflow.dag.needrun_jobs():
        try:
            check_products(job, mirror)
        except ObstaclesError as error:
            obstacles += error.obstacles
        if is_idle(job):
            idle[job.rule.name] = None
    if idle:
        warn_of_idle(workflow, idle, warn)
    refuse(obstacles)


def check_products(job: Any, mirror: Mirror) -> None:
    """Raise ObstaclesError where a worktree cannot have what the single job is to write."""
    obstacles = []
    for path in (*job.output, *workflow_view.logs(job)):
        try:
            _check_product(path, job.rule.name, mirror)
        except RunError as error:
            obstacles.append(Obstacle.of(error, kind="output", names=[str(path)]))
    refuse(obstacles)


def _check_product(path: Any, rule: str, mirror: Mirror) -> None:
    if (storage := workflow_view.storage(path)) is not None:
        _check_stored(storage, rule)
    if mirror.relative(str(path)) is None:
        raise RunError(
            f"The output {path} of rule {rule} lies outside of the repository {mirror.top}.",
            hint="Only what lies inside can be kept; name it by a path relative to it.",
        )
    mirror.check_folder(str(path))


def is_idle(job: Any) -> bool:
    """Whether a single job runs something and makes nothing."""
    return not job.output and not job.is_norun


def warn_of_idle(workflow: Any, rules: Iterable[str], warn: Callable[[str], None]) -> None:
    """Say what becomes of what jobs of these rules do."""
    drops = workflow.executor_settings.undeclared == "drop"
    does = "what they write goes with it" if drops else "what they write is kept"
    warn(
        f"Rules without outputs: {', '.join(rules)}. They run in the run's worktree: {does}; "
        "what they remove is still in your folder."
    )


def _check_stored(storage: Any, rule: str) -> None:
    """Raise RunError where an output of `rule` could not be stored, or not be recorded."""
    if getattr(storage, "is_read_only", False):
        raise RunError(
            f"The output {storage.print_query} of rule {rule} can only be read.",
            hint="What is to be written has a name: gitbatch://name/<prefix>/<path>",
        )
    if not storage.retrieve:
        raise RunError(
            f"The output {storage.print_query} of rule {rule} has retrieve=False: nobody could say "
            "what the job has written.",
            hint="Leave it out: the job then writes a local copy, which is kept and stored.",
        )


def limit_threads(workflow: Any, cores: int | None) -> None:
    """Where all jobs run on `cores` cores, let Snakemake know that none has more threads: records,
    params and commands then say what the jobs really use."""
    if cores is None:
        return
    settings = workflow.resource_settings
    settings.max_threads = min(cores, settings.max_threads or cores)
    for job in workflow_view.jobs(workflow):
        # Not asked for before Snakemake does: they may depend on inputs that are not there yet.
        if evaluation.has_resources(job) and job.threads > cores:
            evaluation.forget(job)
