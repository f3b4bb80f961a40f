"""An executor that says of each job at once that it was done, and does nothing: a limit."""

from __future__ import annotations

from typing import Any

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    pass_default_storage_provider_args=True,
    pass_default_resources_args=True,
    pass_envvar_declarations_to_cmd=False,
    auto_deploy_default_storage_provider=False,
    init_seconds_before_status_checks=0,
)


class Executor(RemoteExecutor):
    """Does nothing."""

    def run_job(self, job: Any) -> None:
        info = SubmittedJobInfo(job=job, external_jobid=str(job.jobid))
        self.report_job_submission(info)

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> Any:
        for info in active_jobs:
            self.report_job_success(info)
        return
        yield

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """There are none."""

    async def sleep(self) -> None:
        import asyncio

        await asyncio.sleep(0.05)
