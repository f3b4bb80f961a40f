"""How a run goes, as the scheduler knows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from snakemake_executor_plugin_gitbatch.snakemake_internals import scheduler

SNAKEFILE = """
    rule a:
        output: "a"
        shell: "false"
"""


def test_without_a_scheduler_nothing_went_wrong() -> None:
    nothing = SimpleNamespace(scheduler=None)
    assert not scheduler.was_stopped(nothing) and not scheduler.has_errors(nothing)


def test_a_wish_to_end_is_no_error(make_workflow: Any) -> None:
    workflow = make_workflow(SNAKEFILE, "a", executor="dryrun")
    assert not scheduler.was_stopped(workflow) and not scheduler.has_errors(workflow)
    workflow.scheduler.exit_gracefully()
    assert scheduler.was_stopped(workflow) and not scheduler.has_errors(workflow)


def test_an_executor_can_give_up(make_workflow: Any) -> None:
    workflow = make_workflow(SNAKEFILE, "a", executor="dryrun")
    scheduler.give_up(workflow, RuntimeError("no pool"))
    assert scheduler.has_errors(workflow)


def test_a_job_that_failed_is_an_error(make_workflow: Any) -> None:
    workflow = make_workflow(SNAKEFILE, "a", executor="local")
    assert scheduler.has_errors(workflow) and not scheduler.was_stopped(workflow)
