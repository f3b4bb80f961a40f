"""What Snakemake's dry run does for this executor: it looks, too, at what a start would refuse.

In a dry run Snakemake makes no executor but its own for dry runs, and hands it the workflow when
the DAG is there. That one is registered like any plugin; here another takes its place.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def watch(settings: Any, act: Callable[[Any, Any], None] | None = None) -> None:
    """Have the next dry run call `act` with its workflow, which has the settings then, and its
    logger, before it shows any job; by default it warns."""
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
            (act or _warn)(workflow, logger)

    plugin.executor = LookingExecutor


def _warn(workflow: Any, logger: Any) -> None:
    from gitbatch_core.run import obstacles
    from snakemake_executor_plugin_gitbatch.errors import text_of
    from snakemake_executor_plugin_gitbatch.reuse import stale_outputs
    from snakemake_executor_plugin_gitbatch.run import start_check

    if not stale_outputs.anything_to_do(workflow):
        return
    try:
        looked = start_check.look(workflow, workflow.executor_settings)
    except Exception as error:  # a dry run goes on
        logger.warning(f"What a start would refuse cannot be told: {text_of(error, logger)}")
        return
    if looked.obstacles:
        text = obstacles.as_list(obstacles.blocks(looked.obstacles))
        logger.warning(f"A start would be refused:\n{text}")
    for note in looked.notes:
        logger.warning(note)
