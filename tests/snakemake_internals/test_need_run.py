"""More jobs are workflow to run than Snakemake has found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from workflows_here import job

from snakemake_executor_plugin_gitbatch.snakemake_internals import need_run

SNAKEFILE = """
    def parts(wildcards):
        folder = str(checkpoints.split.get().output)
        return [f"{folder}/1", "first"]
    rule all:
        input: parts, "second"
    rule first:
        output: "first"
        shell: "touch {output}"
    rule second:
        input: "first"
        output: "second"
        shell: "touch {output}"
    checkpoint split:
        input: "first"
        output: directory("parts")
        shell: "mkdir {output}; touch {output}/1"
"""


def needed(workflow: Any) -> set[str]:
    return {each.rule.name for each in workflow.dag.needrun_jobs()}


@pytest.fixture
def done(make_workflow: Any, folder: Path) -> Any:
    """A workflow whose results are there."""
    (folder / "parts").mkdir()
    for time, name in enumerate(("first", "second", "parts/1", "parts")):
        if name != "parts":
            (folder / name).touch()
        os.utime(folder / name, (10**9 + time, 10**9 + time))
    workflow = make_workflow(SNAKEFILE)
    assert needed(workflow) <= {"all"}
    return workflow


def test_a_job_runs_again_with_all_that_depends_on_it(done: Any) -> None:
    done.async_run(need_run.run_again(done.dag, [job(done, "second")]))
    assert needed(done) == {"second", "all"}
    assert "Code has changed" in str(done.dag.reason(job(done, "second")))
    done.async_run(need_run.run_again(done.dag, [job(done, "first")]))
    assert needed(done) >= {"first", "second", "all"}


def test_a_checkpoint_that_is_no_part_of_the_dag_runs_again(done: Any) -> None:
    assert "split" not in needed(done)
    assert set(map(str, done.checkpoints.created_output)) == {"parts"}
    done.async_run(need_run.run_checkpoints_again(done.dag, ["parts"]))
    assert needed(done) >= {"split", "all"}
    assert {each.rule.name for each in done.dag.checkpoint_jobs} == {"split"}


def test_more_jobs_get_their_software_and_their_locks(
    done: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    provided: list[Any] = []
    locked: list[list[str]] = []
    monkeypatch.setattr(need_run, "provide_software", provided.append)
    monkeypatch.setattr(need_run.locks, "lock_more", lambda _, paths: locked.append(paths))
    with need_run.more(done):
        done.async_run(need_run.run_again(done.dag, [job(done, "second")]))
    assert provided == [done] and locked == [["second"]]


def test_software_is_provided_by_the_dag(done: Any) -> None:
    need_run.provide_software(done)  # of no kind
    for name in ("pull_container_imgs", "create_conda_envs"):
        assert callable(getattr(done.dag, name))
