"""Checkpoints are taken out of groups, and nothing else is."""

from __future__ import annotations

from typing import Any

from snakemake.api import GroupSettings
from workflows_here import job

from snakemake_executor_plugin_gitbatch.snakemake_internals import checkpoint_groups

SNAKEFILE = """
    def parts(wildcards):
        return [str(checkpoints.split.get().output) + "/1"]
    rule all:
        input: parts, "alone"
    rule before:
        output: "before"
        group: "work"
        shell: "touch {output}"
    checkpoint split:
        input: "before"
        output: directory("parts")
        group: "work"
        shell: "mkdir {output}"
    rule alone:
        input: "parts"
        output: "alone"
        group: "work"
        shell: "touch {output}"
"""


def groups(workflow: Any) -> dict[str, str | None]:
    return {each.rule.name: each.group for each in workflow.dag.jobs}


def test_a_checkpoint_runs_by_itself(make_workflow: Any) -> None:
    workflow = make_workflow(SNAKEFILE)
    assert groups(workflow)["split"] == "work"
    assert checkpoint_groups.take_checkpoints_out(workflow) == ["split"]
    now = groups(workflow)
    assert now["split"] is None and now["before"] == "work"
    # What comes after it is in no group with what comes before it.
    assert now["alone"] not in (None, "work")
    assert all(
        len({"before", "alone"} & {each.rule.name for each in group.jobs}) < 2
        for group in workflow.dag.group_job_factory.cache.values()
    )


def test_groups_of_the_command_line_count(make_workflow: Any) -> None:
    text = SNAKEFILE.replace('        group: "work"\n', "")
    workflow = make_workflow(
        text, groups=GroupSettings(overwrite_groups={"split": "g", "alone": "g"})
    )
    assert groups(workflow)["split"] == "g"
    assert checkpoint_groups.take_checkpoints_out(workflow) == ["split"]
    assert groups(workflow)["split"] is None
    assert workflow.group_settings.overwrite_groups == {"alone": "g"}


def test_without_checkpoints_nothing_changes(make_workflow: Any) -> None:
    workflow = make_workflow(SNAKEFILE.replace("checkpoint split", "rule split"), "alone")
    before = workflow.dag.update_groups
    assert checkpoint_groups.take_checkpoints_out(workflow) == []
    assert workflow.dag.update_groups == before and job(workflow, "split").group == "work"
