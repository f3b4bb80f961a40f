"""What Snakemake takes for running."""

from __future__ import annotations

from typing import Any

from workflows_here import job

from snakemake_executor_plugin_gitbatch.snakemake_internals import running_jobs

SNAKEFILE = """
    rule a:
        output: "a"
        shell: "touch {output}"
"""


def test_a_job_runs_from_when_it_is_handed_out(make_workflow: Any) -> None:
    workflow = make_workflow(SNAKEFILE, "a")
    single = job(workflow, "a")
    assert single not in running_jobs.of(workflow.dag)
    workflow.dag.register_running({single})
    assert running_jobs.of(workflow.dag) == {single}
    running_jobs.forget_before_restart(workflow.dag, single)
    assert not running_jobs.of(workflow.dag)
    running_jobs.forget_before_restart(workflow.dag, single)
