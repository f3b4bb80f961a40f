"""How Snakemake was started, as far as that decides what jobs there are and what they make: by it,
`gitbatch reproduce` starts it again alike.

Not how the run was watched or handed out: profile, notification, latency, keep-going.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any

from snakemake_interface_executor_plugins.utils import base64_prefix

from gitbatch_core.model.documents import Document
from gitbatch_core.model.masking import redact
from snakemake_executor_plugin_gitbatch.job import job_description
from snakemake_executor_plugin_gitbatch.snakemake_internals import (
    resource_arguments,
    storage_arguments,
)

_OWN_STORAGE = "--storage-gitbatch-archive"
"""Says where the archive is, here."""


def facts(workflow: Any, secrets: Iterable[str]) -> Document:
    """`given_config`: what --config and --configfile gave; `settings`: the other arguments."""
    config = job_description.plain_config(workflow.config_settings.overwrite_config)
    return {
        "given_config": redact(config, secrets),
        "settings": redact(list(_settings(workflow)), secrets),
    }


def _settings(workflow: Any) -> Iterator[str]:
    resources, dag = workflow.resource_settings, workflow.dag_settings
    storage, deployment = workflow.storage_settings, workflow.deployment_settings
    remote = workflow.remote_execution_settings
    yield from _one("--cores", resources.cores)
    yield from _one("--jobs", resources.nodes)
    yield from _one("--max-threads", resources.max_threads)
    yield from _one("--retries", workflow.execution_settings.retries)
    yield from _one("--wrapper-prefix", workflow.workflow_settings.wrapper_prefix)
    yield from _one("--apptainer-args", deployment.apptainer_args)
    yield from _one("--precommand", remote.precommand)
    if dag.batch is not None:
        yield f"--batch={dag.batch.rulename}={dag.batch.idx}/{dag.batch.batches}"
    flags = {
        "--replace-workflow-config": workflow.config_settings.replace_workflow_config,
        "--allow-ambiguity": workflow.execution_settings.ignore_ambiguity,
        "--notemp": storage.notemp,
        "--all-temp": storage.all_temp,
        "--keep-storage-local-copies": storage.keep_storage_local,
        "--not-retrieve-storage": not storage.retrieve_storage,
        "--conda-not-block-search-path-envvars": deployment.conda_not_block_search_path_envvars,
    }
    yield from (flag for flag, is_set in flags.items() if is_set)
    yield from _many("--until", sorted(dag.until or ()))
    yield from _many("--omit-from", sorted(dag.omit_from or ()))
    yield from _many("--allowed-rules", sorted(dag.allowed_rules or ()))
    yield from _many("--envvars", sorted(remote.envvars or ()))
    yield from _many("--resources", _assigned(resources.resources))
    yield from resource_arguments.arguments(workflow)
    yield from _as_for_jobs(workflow)


def _as_for_jobs(workflow: Any) -> Iterator[str]:
    """What Snakemake itself composes for the jobs that it starts, in plain text."""
    factory = workflow.spawned_job_args_factory
    texts = [
        factory.workflow_property_to_arg("deployment_settings.deployment_method"),
        factory.workflow_property_to_arg("resource_settings.overwrite_scatter", "--set-scatter"),
        factory.get_resource_scopes_arg(),
        *(text for text in factory.get_set_resources_args() if text.startswith("--set-threads")),
        factory.get_group_args(),
        factory.get_default_storage_provider_args(),
    ]
    for word in job_description.split(filter(None, texts)):
        encoded = word.removeprefix(base64_prefix)
        yield word if encoded == word else base64.b64decode(encoded).decode()
    # Only what was set: another installation may lack the plugin.
    for option, values in storage_arguments.explicit(workflow):
        if option != _OWN_STORAGE:
            yield from _many(option, () if values == [False] else values)


def _one(option: str, value: Any) -> Iterator[str]:
    if value:
        yield f"{option}={value}"


def _many(option: str, values: Iterable[Any]) -> Iterator[str]:
    if words := list(map(str, values)):
        yield from (option,) if words == ["True"] else (option, *words)


def _assigned(resources: Any) -> list[str]:
    """`name=value` of each, but for Snakemake's own."""
    pairs = ((name, getattr(value, "raw", value)) for name, value in resources.items())
    return [f"{name}={value}" for name, value in pairs if not name.startswith("_")]
