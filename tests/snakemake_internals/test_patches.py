"""Snakemake remembers of an output what the job has used."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from mirrors import bare_mirror
from snakemake.dag import DAG
from snakemake.deployment.conda import Env
from snakemake.jobs import GroupJob, Job
from snakemake.sourcecache import LocalSourceFile
from workflows_here import job

from gitbatch_core.run.mirror.paths import Mirror
from snakemake_executor_plugin_gitbatch.snakemake_internals import patches

SNAKEFILE = """
    rule a:
        input: "in"
        output: "a", temp("t")
        log: "a.log"
        script: "a.sh"
"""


class View:
    """A run whose worktree is this folder, and that notes what it is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dated: list[tuple[list[str], list[str]]] = []

    def there(self, path: str) -> Path:
        return self.folder / path

    def note_time(self, path: str, mtime_ns: int) -> None:
        raise AssertionError(path)

    def date_again(self, outputs: Iterable[str], inputs: Iterable[str]) -> None:
        self.dated.append((list(outputs), list(inputs)))


@pytest.fixture
def single(make_workflow: Any, folder: Path) -> Any:
    """A job that has ended."""
    (folder / "a.sh").touch()
    for name in ("in", "a", "t"):
        (folder / name).write_text(name)
        os.utime(folder / name, (10**9, 10**9))
    workflow = make_workflow(SNAKEFILE, "a")
    found = job(workflow, "a")
    workflow.persistence.started(found)
    return found


def ended(single: Any, **options: Any) -> None:
    single.dag.workflow.async_run(single.postprocess(**options))


def test_a_start_of_snakemake_loads_nothing_that_only_runs_need() -> None:
    """It imports each installed plugin, in each job, too."""
    code = "import sys, snakemake.cli, snakemake_executor_plugin_gitbatch; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = {name for name in done.stdout.split() if "gitbatch" in name}
    assert "snakemake_executor_plugin_gitbatch.executor" in loaded
    assert {name.rpartition(".")[2] for name in loaded}.isdisjoint(
        {"session", "starting", "stale", "mirror", "document", "store", "htcondor2"}
    )


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    mirror = bare_mirror(tmp_path, pinned_ns=10**18)
    monkeypatch.chdir(mirror.top)
    return mirror


def unfinished(single: Any) -> list[str]:
    workflow = single.dag.workflow
    workflow.persistence._incomplete_cache = None  # as in a new process
    files = workflow.async_run(workflow.persistence.incomplete(single))
    return [str(file) for file in files if file is not None]


def test_environment_files_are_those_of_the_worktree(make_workflow: Any, mirror: Mirror) -> None:
    (mirror.worktree / "environment.yaml").write_text("of the commit")
    (mirror.top / "environment.yaml").write_text("edited")
    source = LocalSourceFile(str(mirror.top / "environment.yaml"))
    workflow = make_workflow("", executor="dryrun")
    environment = Env(workflow, env_file=source, envs_dir="envs")
    patches.read_environment(environment, mirror, workflow)
    assert environment.content == b"of the commit" and environment.file is source


def test_a_workflow_knows_when_snakemake_began(make_workflow: Any) -> None:
    before = time.monotonic_ns()
    workflow = make_workflow("", executor="dryrun")
    assert before < patches.began_ns(workflow) < time.monotonic_ns()


def test_a_script_that_was_only_written_again_is_no_reason_to_run(
    single: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def older() -> list[str]:
        return [str(path) async for path in single.outputs_older_than_script_or_notebook()]

    run = single.dag.workflow.async_run
    monkeypatch.setattr(patches, "_is_the_same", lambda script, output: False)
    assert run(older()) == ["a", "t"], "the script is younger"
    monkeypatch.setattr(patches, "_is_the_same", lambda script, output: output == "a")
    assert run(older()) == ["t"]
    assert "outputs_older_than_script_or_notebook" in inspect.getsource(DAG), "who asks"


def test_outputs_keep_their_times(single: Any, folder: Path) -> None:
    (folder / "in").write_text("younger than what was made of it")
    patches.leave_times_alone(single.dag)
    ended(single)
    assert (folder / "a").stat().st_mtime == 10**9


def test_changes_of_the_dag_are_told(single: Any) -> None:
    told: list[bool] = []

    async def call() -> None:
        told.append(True)

    patches.tell_updates(single.dag, call)
    single.dag.workflow.async_run(single.dag.postprocess_after_update())
    assert told == [True]
    assert "self.postprocess_after_update()" in inspect.getsource(
        DAG.update_checkpoint_dependencies
    ) + inspect.getsource(DAG), "who calls it"


def test_a_job_that_succeeded_is_remembered_as_it_was_in_the_run(single: Any, folder: Path) -> None:
    view = View(folder / "worktree")
    view.folder.mkdir()
    (view.folder / "in").write_text("as the job has read it")
    patches.leave_times_alone(single.dag)
    patches.take_over_end(single, view)
    ended(single)
    assert view.dated == [(["a", "t"], ["in"])]
    path = single.input[0]
    checksum = single.dag.workflow.async_run(path.checksum(10**6))
    (folder / "in").write_text("as the job has read it")
    from snakemake.io import IOFile

    assert checksum == single.dag.workflow.async_run(IOFile("in", rule=path.rule).checksum(10**6))
    assert unfinished(single) == []


def test_nothing_is_done_to_outputs_of_a_job_that_failed(single: Any, folder: Path) -> None:
    (folder / "a").unlink()
    (folder / "a").symlink_to("t")
    patches.take_over_end(single, View(folder))
    ended(single, error=True)
    assert (folder / "a").is_symlink() and (folder / "t").read_text() == "t"
    assert unfinished(single) == ["t"], "what links lead to is whole"


def test_nothing_of_a_failed_job_that_has_written_nothing_is_unfinished(
    single: Any, folder: Path
) -> None:
    for name in "at":
        (folder / name).unlink()
    patches.take_over_end(single, View(folder))
    ended(single, error=True)
    (folder / "a").touch()
    assert unfinished(single) == []


def test_outputs_may_be_lacking(single: Any, folder: Path) -> None:
    (folder / "t").unlink()
    patches.leave_times_alone(single.dag)
    patches.may_lack(single, [single.output[1]])
    ended(single)


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (DAG.check_and_touch_output, {"no_touch", "check_output_mtime"}),
        (Job.postprocess, {"error", "handle_touch", "ignore_missing_output"}),
        (GroupJob.postprocess, {"error"}),
    ],
)
def test_parameters_that_are_given(function: Any, parameters: set[str]) -> None:
    assert parameters <= inspect.signature(function).parameters.keys()
