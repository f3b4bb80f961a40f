"""The Snakemake that runs one job in the worktree: what it leaves to the run, how it names jobs,
and what has to be done before it starts one. Each of these holds for the rest of the process."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from snakemake import cli
from snakemake.dag import DAG
from snakemake.executors import local
from snakemake.script import ScriptBase
from snakemake_interface_executor_plugins.executors import real
from snakemake_interface_executor_plugins.utils import TargetSpec

from snakemake_executor_plugin_gitbatch.snakemake_internals import resource_arguments


def run(arguments: Sequence[str]) -> None:
    """Run Snakemake. Raises SystemExit."""
    cli.main(list(arguments))


def leave_storage_to_the_run() -> None:
    """Do nothing with other storages: the process that has started the run has brought from there
    what the job reads, and stores there what it has made, once that is recorded."""

    async def do_nothing(*args: Any, **kwargs: Any) -> None:
        pass

    for name in ("retrieve_storage_inputs", "store_storage_outputs"):
        _replace(DAG, name, do_nothing)


def accept_outputs_in_outputs() -> None:
    """The run's own start has looked at these. Here, the jobs that a checkpoint has brought stand
    in the first DAG, where its folder and a file in it may both look like outputs of its rule."""
    _replace(DAG, "check_directory_outputs", lambda dag: None)


def read_targets_as_json() -> None:
    """Have `--target-jobs` take JSON, which loses nothing, and so have what this process starts."""
    _replace(cli, "parse_target_jobs_cli_args", parse_targets)
    _replace(real, "encode_target_jobs_cli_args", encode_targets)


def parse_targets(words: Iterable[str]) -> list[TargetSpec]:
    """The jobs that `job.command` has named."""
    return [TargetSpec(rule, wildcards) for rule, wildcards in map(json.loads, words)]


def encode_targets(targets: Iterable[TargetSpec]) -> list[str]:
    """What `parse_targets` reads, for a shell."""
    return [shlex.quote(json.dumps([each.rulename, each.wildcards_dict])) for each in targets]


def run_inner_jobs_by(module: str, argument: str) -> None:
    """Have those `run:` rules that Snakemake gives a process of their own, within groups, run by
    `module`: else they would see resources that nobody has decided."""
    compose = local.Executor.format_job_exec

    def format_job_exec(executor: Any, job: Any) -> str:
        own = f" -P -m {module} {shlex.quote(argument)} "
        before, of_snakemake, after = compose(executor, job).partition(" -m snakemake ")
        assert of_snakemake, before
        arguments = resource_arguments.arguments(executor.workflow)
        return f"{before}{own}{after} {shlex.join(arguments)}"

    _replace(local.Executor, "format_job_exec", format_job_exec)
    local.common_settings.pass_default_resources_args = False


def before_each_job(act: Callable[[Any], None]) -> None:
    """Have `act` called with each job or group before it starts."""
    original = local.Executor.run_job

    def act_and_run(executor: Any, job: Any) -> None:
        act(job)
        original(executor, job)

    _replace(local.Executor, "run_job", act_and_run)


def before_each_script(act: Callable[[Path, str, str], None]) -> None:
    """Have `act` called before a script runs with Snakemake's copy of it, which has lines of
    Snakemake's own before its text, with its path or URL, and with its text."""
    original = ScriptBase._execute_cmd

    def act_and_execute(script: Any, cmd: str, **kwargs: Any) -> Any:
        if (copy := kwargs.get("fname")) is not None:
            path = str(script.path.get_path_or_uri(secret_free=True))
            act(Path(copy), path, str(script.source))
        return original(script, cmd, **kwargs)

    _replace(ScriptBase, "_execute_cmd", act_and_execute)


def _replace(owner: Any, name: str, function: Any) -> None:
    """Raises AttributeError, should Snakemake call it otherwise one day."""
    getattr(owner, name)
    setattr(owner, name, function)
