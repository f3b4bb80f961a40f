"""What Snakemake's scheduler knows of how a run goes, before it says so.

There is none yet where nothing is to be run any more, and a killed run is ended for that.
"""

from __future__ import annotations

from typing import Any


def was_stopped(workflow: Any) -> bool:
    """Whether somebody has asked Snakemake to end."""
    scheduler = workflow.scheduler
    return scheduler is not None and bool(scheduler._user_kill)


def has_errors(workflow: Any) -> bool:
    """Whether a job has failed for good, or an executor has."""
    scheduler = workflow.scheduler
    return scheduler is not None and bool(scheduler._errors or scheduler._executor_error)


def give_up(workflow: Any, error: Exception) -> None:
    """Have it end the run with this error."""
    workflow.scheduler.executor_error_callback(error)
