"""The message of a failed job."""

from __future__ import annotations

from pathlib import Path

import pytest
from mirrors import bare_mirror

from gitbatch_core.model.job_result import JobResult
from gitbatch_core.pools.base import JobStatus, State
from gitbatch_core.run.mirror.paths import Mirror
from snakemake_executor_plugin_gitbatch.job.failure import explain

ENDED = JobStatus(number=1, state=State.ENDED, exit_code=1, host="there")


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    (tmp_path / "job").mkdir()
    return bare_mirror(tmp_path)


def explained(
    mirror: Mirror, answer: JobResult | None, *, printed: str = "", log: str = "", runner: str = ""
) -> str:
    folder = mirror.top.parent / "job"
    (folder / "output.log").write_text(printed)
    (folder / "process.log").write_text(runner)
    (folder / "rule.log").write_text(log)
    return explain(
        ENDED,
        answer,
        log=folder / "output.log",
        rule_logs=[folder / "rule.log"],
        folder=folder,
        mirror=mirror,
        outputs=["out.txt"],
    )


def test_paths_of_the_worktree_are_those_of_the_folder(mirror: Mirror) -> None:
    (mirror.top / "script.sh").touch()
    text = explained(
        mirror, JobResult(succeeded=False, exit_code=3), printed=f"{mirror.worktree}/script.sh: 1"
    )
    assert text.startswith("The job failed with exit status 3 on there.\n")
    assert f"    {mirror.top}/script.sh: 1" in text and str(mirror.worktree) not in text


def test_a_rules_own_log_is_shown_once(mirror: Mirror) -> None:
    text = explained(mirror, JobResult(succeeded=False, exit_code=3), log="bad input")
    assert text.count("bad input") == 1 and "The runner said" not in text


def test_the_runner_is_heard_where_the_rules_log_is_empty(mirror: Mirror) -> None:
    assert "The runner said:\n    no space" in explained(mirror, None, runner="no space")
    assert "The runner said:\n    no space" in explained(mirror, None, runner="no space", log="x")


def test_an_output_that_cannot_be_written(mirror: Mirror) -> None:
    (mirror.worktree / "out.txt").touch(mode=0o444)
    text = explained(
        mirror,
        JobResult(succeeded=False, exit_code=1),
        printed=f"/bin/sh: {mirror.worktree}/out.txt: Permission denied",
    )
    assert "cp --no-preserve=mode" in text
