"""The Snakemake that runs one job in the worktree: its command, without a shell."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from typing import Any

from snakemake.target_jobs import parse_target_jobs_cli_args
from snakemake_interface_executor_plugins.settings import ExecMode
from snakemake_interface_executor_plugins.utils import encode_target_jobs_cli_args

from gitbatch_core.archive import hashing
from gitbatch_core.errors import RunError
from gitbatch_core.runs.run import Run
from gitbatch_core.runs.twin import Twin
from snakemake_executor_plugin_gitbatch import jobspec


def command(
    workflow: Any, job: Any, *, twin: Twin, configfiles: Sequence[str], most_cores: int | None
) -> tuple[str, ...]:
    """Runs `job` in the worktree, with as many cores as it has threads, at most `most_cores`.

    Raises RunError where Snakemake cannot be told which job is meant.
    """
    threads = max(1, int(job.threads))
    general = workflow.spawned_job_args_factory.general_args(
        executor_common_settings=workflow.executor_plugin.common_settings
    )
    argv = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        str(twin.there(str(workflow.main_snakefile))),
        "--directory",
        str(twin.there(".")),
        "--target-jobs",
        *_target_jobs(job),
        "--allowed-rules",
        *job.rules,
        *(["--local-groupid", str(job.jobid)] if job.is_group() else ["--force-use-threads"]),
        "--cores",
        str(threads if most_cores is None else min(threads, most_cores)),
        "--attempt",
        str(job.attempt),
        *jobspec.split(general),
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
    ]
    if precommand := workflow.remote_execution_settings.precommand:
        return ("/bin/bash", "-c", f'{precommand} && exec "$@"', "bash", *argv)
    return tuple(argv)


def configfiles(workflow: Any, run: Run, twin: Twin) -> list[str]:
    """The config files that the command line names, as jobs are to read them: the commit's, or a
    copy of what lies outside of the repository."""
    found = []
    for number, path in enumerate(map(str, workflow.overwrite_configfiles)):
        there = twin.there(path)
        if twin.relative(path) is None:
            copy = run.staging / f"config-{number}-{there.name}"
            shutil.copyfile(there, copy)
            copy.chmod(0o400)
            address, _ = hashing.hash_file(copy, run.archive.algorithm)
            twin.outside[str(there)] = str(address)
            there = copy
        found.append(str(there))
    return found


def _target_jobs(job: Any) -> list[str]:
    """What names the job to the Snakemake that runs it. Raises RunError where Snakemake's way to
    write wildcards down loses something: commas, and quotes at the ends of a value."""
    specs = job.get_target_spec()
    words = list(encode_target_jobs_cli_args(specs))
    try:
        understood = [
            (spec.rulename, spec.wildcards_dict) for spec in parse_target_jobs_cli_args(words)
        ]
    except ValueError:
        understood = []
    for spec in specs:
        if (spec.rulename, dict(spec.wildcards_dict)) not in understood:
            values = ", ".join(f"{k}={v!r}" for k, v in spec.wildcards_dict.items())
            raise RunError(
                f"Snakemake cannot hand the wildcards of rule {spec.rulename} to a job: {values}.",
                hint="Commas, and quotes at the beginning or end of a value, cannot be used.",
            )
    return words
