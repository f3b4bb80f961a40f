"""The workflows that Snakemake tests every executor with."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from snakemake.common.tests import TestWorkflowsLocalStorageBase

from snakemake_executor_plugin_gitbatch import ExecutorSettings


class Suite(TestWorkflowsLocalStorageBase):
    pool: str

    def get_executor(self) -> str:
        return "gitbatch"

    def get_executor_settings(self) -> ExecutorSettings:
        return ExecutorSettings(pool=self.pool)

    def _copy_test_files(self, test_path: Path, tmp_path: Path) -> None:
        super()._copy_test_files(test_path, tmp_path)
        for command in ("init", "add --all", "commit --message workflow"):
            subprocess.run(["git", *command.split()], cwd=tmp_path, check=True, capture_output=True)


class TestLocal(Suite):
    __test__ = True
    pool = "local"


@pytest.mark.usefixtures("htcondor_pool")
class TestHTCondor(Suite):
    __test__ = True
    pool = "htcondor"
