"""Environments, images and modules of a job: what its rule declares, and which of them Snakemake
provides when it runs the job."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snakemake_interface_executor_plugins.settings import DeploymentMethod

from snakemake_executor_plugin_gitbatch.snakemake_internals import source_files


def declared(job: Any) -> dict[str, str]:
    """What the rule of a single job names: `conda` a file, a folder or a name, `container` an
    image, `modules`; whether or not that is used."""
    software = {}
    if job.conda_env_spec is not None:
        software["conda"] = _conda(job)
    if job.container_img_url:
        software["container"] = str(job.container_img_url)
    if job.env_modules:
        software["modules"] = str(job.env_modules)
    return software


def used(job: Any) -> dict[str, str]:
    """What of that Snakemake was told to provide (`--software-deployment-method`): a conda file by
    its content, the others by name."""
    methods = job.dag.workflow.deployment_settings.deployment_method
    kinds = {
        "conda": DeploymentMethod.CONDA,
        "container": DeploymentMethod.APPTAINER,
        "modules": DeploymentMethod.ENV_MODULES,
    }
    software = {kind: name for kind, name in declared(job).items() if kinds[kind] in methods}
    if "conda" in software and job.conda_env and not job.conda_env.is_externally_managed:
        software["conda"] = job.conda_env.content_hash
    return software


def anywhere(member: Mapping[str, Any], *tops: Path) -> dict[str, Any]:
    """A single job as a record has it, with what it names of software by its path from one of the
    `tops` where it lies there: the same in every clone."""
    software = {
        name: {kind: _relative(text, tops) for kind, text in member[name].items()}
        for name in ("software", "software_used")
        if name in member
    }
    return {**member, **software}


def _conda(job: Any) -> str:
    if (environment := source_files.environment_file(job)) is not None:
        return str(environment.get_path_or_uri(secret_free=True))
    return str(getattr(job.conda_env_spec, "path", None) or job.conda_env_spec.name)


def _relative(text: str, tops: tuple[Path, ...]) -> str:
    path = text.removeprefix("file://")
    if os.path.isabs(path):
        path = os.path.normpath(path)
        folder, name = os.path.split(path)
        for each in (path, os.path.join(os.path.realpath(folder), name)):
            for top in tops:
                if each.startswith(f"{top}/"):
                    return each[len(str(top)) + 1 :]
    return text
