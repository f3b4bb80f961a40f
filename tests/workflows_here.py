"""Workflows in this process: Snakemake's own objects, with no Snakemake started for them."""

from __future__ import annotations

import contextlib
from pathlib import Path
from textwrap import dedent
from typing import Any

from snakemake.api import (
    ConfigSettings,
    DAGSettings,
    ExecutionSettings,
    GroupSettings,
    OutputSettings,
    ResourceSettings,
    SnakemakeApi,
    StorageSettings,
)
from snakemake.settings.types import Quietness

from snakemake_executor_plugin_gitbatch.snakemake_internals import dry_run


class _Ready(BaseException):
    """The DAG is there."""


def build(
    stack: contextlib.ExitStack,
    snakefile: str,
    *targets: str,
    executor: str | None = None,
    **settings: Any,
) -> Any:
    """The workflow of this Snakefile in the current folder, as an executor first sees it; with an
    `executor`, as that leaves it, with the error that it ended with."""
    path = Path("Snakefile")
    path.write_text(dedent(snakefile))
    api = stack.enter_context(SnakemakeApi(OutputSettings(quiet={Quietness.ALL})))
    workflow_api = api.workflow(
        settings.get("resources", ResourceSettings(cores=2, nodes=2)),
        config_settings=ConfigSettings(config=settings.get("config", {})),
        storage_settings=settings.get("storage", StorageSettings()),
        snakefile=path,
        storage_provider_settings=settings.get("providers"),
    )
    dag = workflow_api.dag(DAGSettings(targets=set(targets)))

    def stop(workflow: Any, logger: Any) -> None:
        raise _Ready

    workflow = workflow_api._workflow
    workflow.error = None
    if executor is None:
        dry_run.watch(settings.get("executor_settings"), stop)
    try:
        dag.execute_workflow(
            executor=executor or "dryrun",
            group_settings=settings.get("groups", GroupSettings()),
            execution_settings=ExecutionSettings(use_threads=True),  # here, too
        )
    except _Ready:
        pass
    except Exception as error:
        if executor is None:
            raise
        workflow.error = error
    return workflow


def job(workflow: Any, rule: str) -> Any:
    """The one job of a rule."""
    [single] = [each for each in workflow.dag.jobs if each.rule.name == rule]
    return single
