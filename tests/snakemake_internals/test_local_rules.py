"""Which rules Snakemake would run itself."""

from __future__ import annotations

from typing import Any

import pytest
from workflows_here import job

from snakemake_executor_plugin_gitbatch.snakemake_internals import local_rules

SNAKEFILE = """
    localrules: here
    rule all:
        input: "here", "there"
    rule here:
        output: "here"
        shell: "touch {output}"
    rule there:
        output: "there"
        shell: "touch {output}"
"""


def test_only_rules_that_run_nothing_stay_with_snakemake(
    make_workflow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = make_workflow(SNAKEFILE)
    rules = {rule.name: rule for rule in workflow.rules}
    monkeypatch.setattr(type(workflow), "local_exec", False)  # as in no dry run
    expected = {"all": True, "here": True, "there": False}
    assert {name: local_rules.is_local(rule) for name, rule in rules.items()} == expected
    assert {name: workflow.is_local(rule) for name, rule in rules.items()} == expected
    before = local_rules.take_over(workflow)
    assert callable(before)
    left = {name: workflow.is_local(rule) for name, rule in rules.items()}
    assert left == {"all": True, "here": False, "there": False}
    there, here = job(workflow, "there"), job(workflow, "here")
    assert not there.is_local and not here.is_local and job(workflow, "all").is_local
