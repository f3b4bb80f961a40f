"""What Snakemake's dry run does for this executor: it looks, too, at what a start would refuse.

In a dry run Snakemake makes no executor but its own for dry runs, and hands it the workflow when
the DAG is there. That one is registered like any plugin; here another takes its place.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gitbatch_core.errors import UsageError

OTHER_ACTIONS = (
    "unlock",
    "touch",
    "report",
    "lint",
    "cleanup_metadata",
    "cleanup_shadow",
    "delete_all_output",
    "delete_temp_output",
    "archive",
    "generate_unit_tests",
    "containerize",
    "export_cwl",
    "conda_create_envs_only",
    "conda_cleanup_envs",
    "container_cleanup_images",
)
"""Of Snakemake's arguments: those with which it runs no job."""


def watch(settings: Any, act: Callable[[Any, Any], None]) -> None:
    """Have the next dry run call `act` with its workflow, which has the settings then, and its
    logger, before it shows any job."""
    if "snakemake.executors.dryrun" not in sys.modules:  # nobody has asked Snakemake for a run
        return
    from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

    plugin: Any = ExecutorPluginRegistry().get_plugin("dryrun")
    own = sys.modules["snakemake.executors.dryrun"].Executor

    class LookingExecutor(own):  # type: ignore[misc, valid-type]
        """Snakemake's, which looks first."""

        def __init__(self, workflow: Any, logger: Any) -> None:
            super().__init__(workflow, logger)
            plugin.executor = own
            workflow.executor_settings = settings
            act(workflow, logger)

    plugin.executor = LookingExecutor


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """A dry run that looks at what a start with the same arguments would do."""

    settings: Any
    """Those of this executor."""
    _parser: Any
    _args: Any

    @classmethod
    def of(cls, arguments: Sequence[str]) -> DryRun:
        """With a start's arguments. Raises UsageError for those with which Snakemake runs no job,
        SystemExit for those that it does not know."""
        from snakemake import cli
        from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

        parser, args = cli.parse_args(list(arguments))
        if named := [name for name in OTHER_ACTIONS if getattr(args, name, None)]:
            raise UsageError(f"With --{named[0].replace('_', '-')} Snakemake starts no run.")
        # It is to count as a start on a pool does.
        args.dryrun = True
        args.jobs = args.jobs or 1
        args.cores = args.cores or sys.maxsize
        plugin = ExecutorPluginRegistry().get_plugin("gitbatch")
        return cls(settings=plugin.get_settings(args), _parser=parser, _args=args)

    @property
    def executor(self) -> str:
        """The one that the arguments name."""
        return str(self._args.executor)

    @property
    def directory(self) -> str:
        """The working directory that the arguments name."""
        return str(self._args.directory or ".")

    def begin(self) -> bool:
        """Start it; whether Snakemake could do what it was asked for."""
        from snakemake import cli

        return bool(cli.args_to_api(self._args, self._parser))
