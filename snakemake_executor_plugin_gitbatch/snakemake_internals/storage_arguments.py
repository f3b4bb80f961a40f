"""What the command line says of storage plugins, as Snakemake passes it on to jobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def explicit(workflow: Any) -> Iterator[tuple[str, list[Any]]]:
    """Each option that was set, with its values. Credentials are no arguments."""
    factory = workflow.spawned_job_args_factory
    for plugin, field, values in factory._get_storage_provider_setting_items():
        is_default = list(map(str, values)) == [str(field.default)]
        if not (is_default or field.metadata.get("env_var")):
            yield plugin.get_cli_arg(field.name), list(values)
