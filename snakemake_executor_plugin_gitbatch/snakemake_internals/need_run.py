"""Tells Snakemake, once it has made up its mind, that more jobs need to run. By what is its own:
the reasons of jobs, and the updates of the DAG that come with a checkpoint."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from snakemake_interface_executor_plugins.settings import DeploymentMethod

from snakemake_executor_plugin_gitbatch.snakemake_internals import locks


@contextlib.contextmanager
def more(workflow: Any) -> Iterator[None]:
    """What is done within may bring more jobs that need to run: they get what Snakemake has given
    to those that it knew of."""
    dag = workflow.dag
    before = {str(path) for job in dag.needrun_jobs() for path in job.output}
    yield
    provide_software(workflow)
    paths = [str(path) for job in dag.needrun_jobs() for path in job.output]
    locks.lock_more(workflow, [path for path in paths if path not in before])


async def run_again(dag: Any, jobs: Iterable[Any]) -> None:
    """Have these jobs of the DAG run, as their code has changed, and all that depends on them; also
    where nothing was to be done. Snakemake says of them what it says where it sees that itself."""
    for job in jobs:
        # A reason that is there already keeps Snakemake from looking for others.
        dag.reason(job).code_changed = True
    await dag.postprocess()


async def run_checkpoints_again(dag: Any, outputs: Collection[str]) -> None:
    """The same for checkpoints that are done, which are no part of the DAG any more, by what they
    have made. What follows them is not known from then on, as at the beginning."""
    dag.workflow.checkpoints.created_output.clear()
    for job in [job for job in dag.jobs if job.is_updated]:
        if job in dag.jobs:
            await dag.replace_job(job, await job.updated(), recursive=False)
    named = frozenset(outputs)
    await run_again(dag, [j for j in dag.jobs if not named.isdisjoint(map(str, j.output))])
    await dag.update_checkpoint_dependencies()  # of the others


def provide_software(workflow: Any) -> None:
    """That of the jobs that had no need to run, or were not there."""
    methods = workflow.deployment_settings.deployment_method
    if DeploymentMethod.APPTAINER in methods:
        workflow.dag.pull_container_imgs()
    if DeploymentMethod.CONDA in methods:
        workflow.dag.create_conda_envs()
