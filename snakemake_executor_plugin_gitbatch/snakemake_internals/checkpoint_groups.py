"""Checkpoints run by themselves, not within groups: what follows one is known when it has ended.

Snakemake hands a group out whole. The job would find out only then what else there is to run, which
nobody has asked for. So what comes before a checkpoint runs together, and so does what comes after.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from snakemake_executor_plugin_gitbatch.snakemake_internals import running_jobs
from snakemake_executor_plugin_gitbatch.snakemake_internals.files import apply_wildcards


def take_checkpoints_out(workflow: Any) -> list[str]:
    """From now on. Returns the rules of those that are still to run, and would in a group."""
    if not any(rule.is_checkpoint for rule in workflow.rules):
        return []
    own = {r: r.group for r in workflow.rules if r.is_checkpoint and r.group is not None}
    names = {rule.name for rule in own}
    overwritten = workflow.group_settings.overwrite_groups.items()
    workflow.group_settings = replace(
        workflow.group_settings, overwrite_groups={n: g for n, g in overwritten if n not in names}
    )
    for rule in own:
        rule.group = None
    _group_anew(workflow.dag, own)
    waiting = {job.rule.name for job in workflow.dag.checkpoint_jobs if job.rule in own}
    if waiting:
        for job in list(workflow.dag.jobs):
            if job.rule in own:
                job.group = None
        workflow.async_run(workflow.dag.postprocess())
    return sorted(waiting)


def _group_anew(dag: Any, own: Mapping[Any, Any]) -> None:
    """Have Snakemake's groups be right whenever a checkpoint has changed the DAG. `own`: the groups
    that rules of checkpoints name."""
    original, apart = dag.update_groups, list[Any]()

    def update_groups() -> None:
        cache, running = dag.group_job_factory.cache, set(map(id, running_jobs.of(dag)))
        # A group that Snakemake finds there may have grown, and hold jobs that are no more.
        for key in [key for key, group in cache.items() if id(group) not in running]:
            del cache[key]
        while apart:
            apart.pop().group = None  # what its rule says
        for checkpoint in dag.checkpoint_jobs:
            group = _group(checkpoint, own)
            for job in dag.bfs(dag.depending, checkpoint) if group is not None else ():
                if job.group == group and job.pipe_group is None:
                    # In none with what the checkpoint needs: each would wait for the other.
                    job.group = f"{group}-{job.jobid}"
                    apart.append(job)
        original()

    dag.update_groups = update_groups


def _group(job: Any, own: Mapping[Any, Any]) -> str | None:
    """What a checkpoint's rule says, of these or none."""
    group = own.get(job.rule)
    if callable(group):
        group, _ = job.rule.apply_input_function(group, job.wildcards)
    return apply_wildcards(group, job.wildcards_dict) if isinstance(group, str) else None
