"""Tells Snakemake, once it has made up its mind, that more jobs need to run. By what is its own:
the reasons of jobs, and the update of the DAG that follows a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from snakemake_interface_executor_plugins.settings import DeploymentMethod


def run_again(workflow: Any, jobs: Iterable[Any]) -> None:
    """Have these jobs of the DAG run, as their code has changed, and all that depends on them; also
    where nothing was to be done. Snakemake says of them what it says where it sees that itself."""
    dag = workflow.dag
    for job in jobs:
        # A reason that is there already keeps Snakemake from looking for others.
        dag.reason(job).code_changed = True
    before = set(dag.needrun_jobs())
    workflow.async_run(dag.postprocess())
    provide_software(workflow)
    _lock(workflow, [job for job in dag.needrun_jobs() if job not in before])


def provide_software(workflow: Any) -> None:
    """That of the jobs that had no need to run, or were not there."""
    methods = workflow.deployment_settings.deployment_method
    if DeploymentMethod.APPTAINER in methods:
        workflow.dag.pull_container_imgs()
    if DeploymentMethod.CONDA in methods:
        workflow.dag.create_conda_envs()


def _lock(workflow: Any, jobs: list[Any]) -> None:
    """Keep other Snakemakes in the folder from these jobs' outputs too."""
    persistence, settings = workflow.persistence, workflow.execution_settings
    paths = [str(path) for job in jobs for path in job.output]
    if not settings.lock or not paths:
        return
    # Snakemake would note a second file in the place of the first.
    if (file := getattr(persistence, "_lockfile", {}).get("output")) is not None:
        with open(file, "a") as lock:
            print(*paths, sep="\n", file=lock)
    else:  # nothing was to be done
        persistence._write_locks("output", paths)
