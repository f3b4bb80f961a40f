"""The jobs and groups that Snakemake has handed out and not heard of since."""

from __future__ import annotations

from typing import Any


def of(dag: Any) -> frozenset[Any]:
    """Of this DAG."""
    return frozenset(dag._running)


def forget_before_restart(dag: Any, job: Any) -> None:
    """Have Snakemake not take a job that has failed, and that it is about to restart, for a running
    one: where a checkpoint changes the DAG before the restart it would forget the job (Snakemake's
    issue 823)."""
    dag._running.discard(job)
