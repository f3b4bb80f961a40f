"""Each test has a folder of its own, and leaves Snakemake as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from snakemake import cli
from snakemake.dag import DAG
from snakemake.executors import local
from snakemake.script import ScriptBase
from snakemake.shell import shell
from snakemake_interface_executor_plugins.executors import real

_REPLACED = (
    (DAG, "retrieve_storage_inputs"),
    (DAG, "store_storage_outputs"),
    (DAG, "check_directory_outputs"),
    (cli, "parse_target_jobs_cli_args"),
    (real, "encode_target_jobs_cli_args"),
    (local.Executor, "format_job_exec"),
    (local.Executor, "run_job"),
    (local.common_settings, "pass_default_resources_args"),
    (ScriptBase, "_execute_cmd"),
    (shell, "_process_prefix"),
    (shell, "_process_suffix"),
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in _REPLACED:
            patch.setattr(owner, name, getattr(owner, name))
        yield
