"""Params and resources are evaluated once, and again when that is undone."""

from __future__ import annotations

from typing import Any

import pytest
from workflows_here import job

from snakemake_executor_plugin_gitbatch.snakemake_internals import evaluation

SNAKEFILE = """
    import itertools
    times = itertools.count()
    rule a:
        output: "a"
        resources: mem_mb=100
        params:
            time=lambda wildcards: next(times),
            mem=lambda wildcards, resources: resources.mem_mb
        shell: "touch {output}"
"""


@pytest.fixture
def single(make_workflow: Any) -> Any:
    found = job(make_workflow(SNAKEFILE, "a"), "a")
    evaluation.forget(found)
    return found


def test_what_was_not_evaluated_before_is_evaluated_again(single: Any) -> None:
    with evaluation.undone(single):
        assert single.resources.mem_mb == 100 and evaluation.has_resources(single)
        time = single.params.time
        assert single.params.time == time, "once"
    assert not evaluation.has_resources(single)
    assert single.params.time == time + 1


def test_what_was_evaluated_before_stays(single: Any) -> None:
    time = single.params.time
    with evaluation.undone(single):
        evaluation.forget(single)
        assert single.params.time == time + 1
    assert single.params.time == time


def test_what_is_forgotten_is_evaluated_again_whatever_was_before(single: Any) -> None:
    time = single.params.time
    with evaluation.forgotten(single):
        assert single.params.time == time
    assert single.params.time == time + 1


def test_params_follow_the_resources_that_a_job_is_given(single: Any) -> None:
    assert single.params.mem == 100
    evaluation.set_resources(single, {"mem_mb": 7, "_cores": 1, "_nodes": 1})
    assert (single.resources.mem_mb, single.params.mem) == (7, 7)
