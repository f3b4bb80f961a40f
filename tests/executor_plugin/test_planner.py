"""Which jobs need not be handed out, as earlier ones have made the same."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from mirrors import bare_mirror
from workflows_here import job

from gitbatch_core.model.job_order import DeclaredOutput
from gitbatch_core.model.job_record import Input, JobRecord, SingleJob, StoredFile
from gitbatch_core.run.mirror.paths import Mirror
from snakemake_executor_plugin_gitbatch.job import workflow_view
from snakemake_executor_plugin_gitbatch.reuse.planner import Plan

CHAIN = """
    rule all:
        input: "last"
    rule first:
        input: "in"
        output: temp("first")
        shell: "cp {input} {output}"
    rule last:
        input: "first"
        output: "last"
        shell: "cp {input} {output}"
"""


class Records:
    """Stands for keys and archive: the records of jobs by the rule and the addresses of inputs."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], JobRecord] = {}

    def add(
        self,
        rule: str,
        read: str,
        made: dict[str, str],
        *,
        path: str = "",
        temporary: bool = False,
    ) -> None:
        self.records[rule, read] = JobRecord(
            outputs=[
                StoredFile(path=output, address=address, temporary=temporary)
                for output, address in made.items()
            ],
            members=[SingleJob(rule=rule, inputs=[Input(path=path, address=read)])],
        )

    def job_key(self, single: Any, description: Any, updated: Any) -> Any:
        [member] = description.members
        addresses = " ".join(each["address"] for each in member["inputs"])

        class Key:
            key = (member["rule"], addresses)

        return Key

    def is_open_to(self, single: Any) -> bool:
        return True

    def find(self, key: Any, outputs: Iterable[DeclaredOutput], *, absent: Any = ()) -> Any:
        record = self.records.get(key)
        if record is None or any(
            output.temporary and output.path not in absent for output in record.outputs
        ):
            return None
        return record


ONE, TWO, THREE = (f"xxh3:{number * 32}" for number in "123")


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return bare_mirror(tmp_path)


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def plan_of(make_workflow: Any, mirror: Mirror, records: Records) -> Any:
    os.chdir(mirror.top)  # which `make_workflow` leaves again
    Path("in").touch()
    mirror.addresses["in"] = ONE

    def plan(snakefile: str, *targets: str) -> Plan:
        workflow = make_workflow(snakefile, *targets)
        return Plan(
            workflow=workflow,
            mirror=mirror,
            keys=records,  # type: ignore[arg-type]
            reusing=records,  # type: ignore[arg-type]
            outputs=lambda jobs: [
                DeclaredOutput(
                    path=str(path), temporary=workflow_view.is_temporary(path, each.dag.workflow)
                )
                for each in jobs
                for path in each.output
            ],
        )

    return plan


def taken(plan: Plan) -> set[str]:
    plan.make()
    jobs = plan.workflow.dag.needrun_jobs()
    return {each.rule.name for each in jobs if plan.take(each) is not None}


def test_a_job_whose_temporary_output_is_gone_is_left_out_with_its_reader(
    plan_of: Any, records: Records
) -> None:
    records.add("first", ONE, {"first": TWO}, temporary=True)
    records.add("last", TWO, {"last": THREE})
    assert taken(plan_of(CHAIN)) == {"first", "last"}


def test_it_runs_where_its_reader_does(plan_of: Any, records: Records) -> None:
    records.add("first", ONE, {"first": TWO}, temporary=True)
    assert taken(plan_of(CHAIN)) == set()


def test_it_runs_where_it_is_asked_for(plan_of: Any, records: Records) -> None:
    records.add("first", ONE, {"first": TWO}, temporary=True)
    records.add("last", TWO, {"last": THREE})
    assert taken(plan_of(CHAIN, "last", "first")) == set()


def test_other_inputs_are_another_job(plan_of: Any, records: Records) -> None:
    records.add("first", THREE, {"first": TWO}, temporary=True)
    records.add("last", TWO, {"last": THREE})
    assert taken(plan_of(CHAIN)) == set(), "nobody knows what last would read"


def test_without_temporary_outputs_nothing_is_planned(plan_of: Any, records: Records) -> None:
    records.add("first", ONE, {"first": TWO})
    assert taken(plan_of(CHAIN.replace('temp("first")', '"first"'))) == set()


def test_a_record_that_reads_otherwise_by_now_is_not_taken(
    plan_of: Any, records: Records, mirror: Mirror
) -> None:
    records.add("first", ONE, {"first": TWO}, temporary=True)
    records.add("last", TWO, {"last": THREE}, path="first")
    plan = plan_of(CHAIN)
    plan.make()
    mirror.addresses["first"] = ONE
    assert plan.take(job(plan.workflow, "last")) is None
    plan.forget()
    assert plan.take(job(plan.workflow, "first")) is None
