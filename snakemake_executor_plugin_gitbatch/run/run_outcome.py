"""How a run has ended: what Snakemake says, and nothing else.

Snakemake ends its executor before it says how the run went. What it will say is known by then: see
the ends of `JobScheduler.schedule`. What comes later, its hooks and reports, is no part of the run.
"""

from __future__ import annotations

from typing import Any

from snakemake_executor_plugin_gitbatch.job import job_description
from snakemake_executor_plugin_gitbatch.snakemake_internals import scheduler

SUCCEEDED, FAILED, INTERRUPTED = "succeeded", "failed", "interrupted"


def outcome(workflow: Any, *, cancelled: bool, wished: bool | None) -> str:
    """The outcome, when the executor is shut down. `cancelled`: whether the jobs were ended;
    `wished`: whether that was somebody's wish, or came of an error (None: nobody has said)."""
    stopped = scheduler.was_stopped(workflow)
    if cancelled:
        return FAILED if wished is False else INTERRUPTED
    if scheduler.has_errors(workflow):
        return FAILED
    undone = any(map(job_description.has_outputs, workflow.dag.needrun_jobs()))
    # SIGTERM: Snakemake waits for what runs, and takes the run for failed even if that was all.
    if stopped:
        return INTERRUPTED
    return FAILED if undone else SUCCEEDED
