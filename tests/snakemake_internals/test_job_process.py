"""The Snakemake that runs one job acts otherwise where that is needed."""

from __future__ import annotations

import inspect
import shlex
from pathlib import Path
from typing import Any

import pytest
from snakemake import cli
from snakemake.executors import local
from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake_interface_executor_plugins.executors import real
from snakemake_interface_executor_plugins.utils import TargetSpec

from snakemake_executor_plugin_gitbatch.snakemake_internals import job_process

SNAKEFILE = """
    rule a:
        output: "a"
        script: "a.sh"
    rule b:
        output: "b"
        run: open(output[0], "w").close()
    rule folder:
        output: directory("x")
        shell: "mkdir {output}"
    rule inside:
        output: "x/y"
        shell: "touch {output}"
"""
SCRIPT = "echo said > ${snakemake_output[0]}\n"


@pytest.fixture(autouse=True)
def script(folder: Path) -> None:
    (folder / "a.sh").write_text(SCRIPT)


def test_other_storages_are_left_alone(make_workflow: Any) -> None:
    workflow = make_workflow(SNAKEFILE, "a")
    job_process.leave_storage_to_the_run()
    for name in ("retrieve_storage_inputs", "store_storage_outputs"):
        assert workflow.async_run(getattr(workflow.dag, name)()) is None
    # These call them.
    assert "dag.retrieve_storage_inputs(" in inspect.getsource(JobScheduler)
    assert "dag.store_storage_outputs(" in inspect.getsource(type(workflow))


def test_outputs_may_lie_in_outputs(make_workflow: Any) -> None:
    with pytest.raises(Exception, match="x/y"):
        make_workflow(SNAKEFILE, "x", "x/y")
    job_process.accept_outputs_in_outputs()
    workflow = make_workflow(SNAKEFILE, "x", "x/y")
    assert len(list(workflow.dag.jobs)) == 2


def test_targets_come_back_as_they_were() -> None:
    job_process.read_targets_as_json()
    targets = [TargetSpec("a", {"w": "x,y=z 'q'\n"}), TargetSpec("b", {})]
    words = shlex.split(" ".join(real.encode_target_jobs_cli_args(targets)))
    assert cli.parse_args(["--target-jobs", *words])[1].target_jobs == targets
    assert "encode_target_jobs_cli_args(" in inspect.getsource(real.RealExecutor)


def test_something_is_done_before_each_job(make_workflow: Any, folder: Path) -> None:
    seen: list[str] = []

    def act(single: Any) -> None:
        assert not (folder / "a").exists()
        seen.append(single.rule.name)

    job_process.before_each_job(act)
    assert make_workflow(SNAKEFILE, "a", executor="local").error is None
    assert seen == ["a"] and (folder / "a").read_text() == "said\n"


def test_a_job_does_not_start_where_that_fails(make_workflow: Any, folder: Path) -> None:
    def act(single: Any) -> None:
        raise ValueError("another job")

    job_process.before_each_job(act)
    assert make_workflow(SNAKEFILE, "a", executor="local").error is not None
    assert not (folder / "a").exists()


def test_copies_of_scripts_are_told_of(make_workflow: Any, folder: Path) -> None:
    seen: list[tuple[str, str]] = []

    def act(copy: Path, script: str, source: str) -> None:
        assert copy.read_text().endswith(source) and copy.read_text() != source
        seen.append((script, source))

    job_process.before_each_script(act)
    assert make_workflow(SNAKEFILE, "a", executor="local").error is None
    assert seen == [(str(folder / "a.sh"), SCRIPT)] and (folder / "a").read_text() == "said\n"


def test_jobs_within_are_run_by_another_module(
    make_workflow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[str] = []

    def run_job(executor: Any, single: Any) -> None:
        commands.append(executor.format_job_exec(single))
        raise ValueError("seen")

    monkeypatch.setattr(local.Executor, "run_job", run_job)
    job_process.run_inner_jobs_by("other.module", "an order")
    make_workflow(SNAKEFILE, "b", executor="local")
    [command] = commands
    words = shlex.split(command)
    assert words[words.index("-m") :][:3] == ["-m", "other.module", "an order"]
    assert "--target-jobs" in words and "snakemake" not in words
    assert "--default-resources" not in words
