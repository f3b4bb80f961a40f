"""The command that runs one job in the worktree: `in_job.main`, with Snakemake's own arguments."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from snakemake_interface_executor_plugins.settings import ExecMode

from gitbatch_core import fs
from gitbatch_core.archive import hashing
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.run.run import Run
from snakemake_executor_plugin_gitbatch.job import job_description
from snakemake_executor_plugin_gitbatch.snakemake_internals import resource_arguments


def general_arguments(workflow: Any, run: Run, mirror: Mirror) -> tuple[str, ...]:
    """The arguments that the commands of all jobs of a run have in common."""
    settings = workflow.config_settings
    # Snakemake's text for --config does not come back the same where it has quotes or
    # backslashes: it goes into a file instead.
    workflow.config_settings = replace(settings, config={}, config_args=[])
    try:
        general = workflow.spawned_job_args_factory.general_args(
            executor_common_settings=workflow.executor_plugin.common_settings
        )
    finally:
        workflow.config_settings = settings
    configfiles = _configfiles(workflow, run, mirror)
    return (
        "--snakefile",
        str(mirror.there(str(workflow.main_snakefile))),
        "--directory",
        str(mirror.there(".")),
        *job_description.split(general),
        *resource_arguments.arguments(workflow),
        # The main process's, as each worktree would otherwise build its own.
        "--conda-prefix",
        str(workflow.persistence.conda_env_path),
        "--apptainer-prefix",
        str(workflow.persistence.container_img_path),
        # One job needs no optimal schedule, and its metadata would go with the worktree.
        "--scheduler",
        "greedy",
        "--drop-metadata",
        # `--retries 0` leaves the retries that a rule itself declares: they would be tried in
        # the job, with the first attempt's resources, before the main process hears of it.
        "--preemptible-rules",
        "--preemptible-retries",
        "0",
        "--quiet",
        "progress",
        "rules",
        "host",
        "--mode",
        ExecMode.REMOTE.item_to_choice(),
        *(["--configfiles", *configfiles] if configfiles else []),
        *(["--replace-workflow-config"] if settings.replace_workflow_config else []),
    )


def command(
    workflow: Any, job: Any, *, order: Path, general: Sequence[str], most_cores: int | None
) -> tuple[str, ...]:
    """The command that runs `job`, whose order lies in the file `order`, with as many cores as the
    run was given, otherwise as many as the job has threads, at most `most_cores`."""
    cores = workflow.resource_settings.cores or max(1, int(job.threads))
    targets = [json.dumps([spec.rulename, spec.wildcards_dict]) for spec in job.get_target_spec()]
    argv = (
        sys.executable,
        "-P",  # the worktree may hold a json.py, which is nobody's module json
        "-m",
        "snakemake_executor_plugin_gitbatch.in_job.main",
        str(order),
        "--target-jobs",
        *targets,
        "--allowed-rules",
        *job.rules,
        *(_group_arguments(workflow, job) if job.is_group() else ("--force-use-threads",)),
        "--cores",
        str(cores if most_cores is None else min(cores, most_cores)),
        "--attempt",
        str(job.attempt),
        *general,
    )
    if precommand := workflow.remote_execution_settings.precommand:
        return ("/bin/bash", "-c", f'{precommand} && exec "$@"', "bash", *argv)
    return argv


def _group_arguments(workflow: Any, group: Any) -> tuple[str, ...]:
    # What only the group's jobs need goes as soon as they have had it; what comes after a
    # checkpoint may need it, too.
    dag = workflow.dag
    may_grow = dag.checkpoint_jobs or dag.has_unfinished_queue_input_jobs()
    unneeded = [] if may_grow else sorted(map(str, dag.get_unneeded_temp_files(group)))
    named = ("--unneeded-temp-files", *unneeded) if unneeded else ()
    return "--local-groupid", str(group.jobid), *named


def _configfiles(workflow: Any, run: Run, mirror: Mirror) -> list[str]:
    """The config files that the command line names, as jobs are to read them: the commit's, or a
    copy of what lies outside of the repository. Last, the settings of the command line itself."""
    paths = []
    for number, path in enumerate(map(str, workflow.overwrite_configfiles)):
        there = mirror.there(path)
        if mirror.relative(path) is None:
            copy = run.staging / f"config-{number}-{there.name}"
            # By rename: jobs that an earlier process of the run has started may be reading it.
            fs.replace_with_bytes(copy, there.read_bytes(), mode=0o400)
            address, _ = hashing.hash_file(copy, run.archive.algorithm)
            mirror.outside.addresses[str(there)] = str(address)
            there = copy
        paths.append(str(there))
    if workflow.config_settings.config:
        settings = run.staging / "config.yaml"
        text = yaml.safe_dump(dict(workflow.config_settings.config))
        fs.replace_with_bytes(settings, text.encode(), mode=0o600)
        paths.append(str(settings))
    return paths
