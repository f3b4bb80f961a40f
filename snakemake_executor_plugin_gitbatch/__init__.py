"""Snakemake executor plugin: jobs run from a clean git worktree, outputs go to an archive.

Snakemake imports this module at each start, whatever executor it uses: what is expensive is
imported when a run starts.
"""

from snakemake_interface_executor_plugins.settings import CommonSettings

from snakemake_executor_plugin_gitbatch.executor import Executor
from snakemake_executor_plugin_gitbatch.settings import ExecutorSettings
from snakemake_executor_plugin_gitbatch.snakemake_internals import chmod_guard, patches

__all__ = ["Executor", "ExecutorSettings", "common_settings"]

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    pass_default_storage_provider_args=True,
    # `resource_arguments` composes them.
    pass_default_resources_args=False,
    # Values would stand in the command; the runner gets them in a private file instead.
    pass_envvar_declarations_to_cmd=False,
    # Every spawned job would begin with `pip install` of every installed storage plugin.
    auto_deploy_default_storage_provider=False,
    init_seconds_before_status_checks=0,
    pass_group_args=True,
)

chmod_guard.install()
patches.install()
