"""What `gitbatch doctor` makes of what became of its test job."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from gitbatch_core.archive import layout
from gitbatch_core.doctor import trial
from gitbatch_core.model.check import Check
from gitbatch_core.model.job_result import LOG_NAME
from gitbatch_core.pools.base import JobSpec, JobStatus, State


@pytest.fixture
def job(tmp_path: Path) -> JobSpec:
    """The test job, not yet run."""
    return trial._job(tmp_path, layout.DEFAULT_ALGORITHM)


def _run(job: JobSpec) -> int:
    """As a pool would."""
    private = job.folder / "private.json"
    private.write_text("{}")
    argv = [*job.argv, "--private", str(private)]
    return subprocess.run(argv, cwd=job.folder, capture_output=True).returncode


def _judged(folder: Path, status: JobStatus | None, *, is_started: bool = True) -> Check:
    began = time.monotonic() - 2
    return trial._judge(folder, status, began + 1 if is_started else None, began, 60.0)


def _status(state: State, exit_code: int | None = None, reason: str = "") -> JobStatus:
    return JobStatus(number=1, state=state, exit_code=exit_code, reason=reason, host="node7")


def test_a_job_that_went_well(job: JobSpec, tmp_path: Path) -> None:
    assert _run(job) == 0
    check = _judged(tmp_path, _status(State.ENDED, 0))
    assert check.ok and check.text.startswith("ran on ") and "in the queue" in check.text
    assert "in the queue" not in _judged(
        tmp_path, _status(State.ENDED, 0), is_started=False
    ).text  # fmt: skip


def test_a_job_that_did_not_end(job: JobSpec, tmp_path: Path) -> None:
    waiting = _judged(tmp_path, None, is_started=False)
    assert "still in the queue after 60 s" in waiting.text and "--wait" in str(waiting.hint)
    running = _judged(tmp_path, _status(State.RUNNING))
    assert running.text == "still running after 60 s on node7"


def test_a_job_that_failed(job: JobSpec, tmp_path: Path) -> None:
    not_run = _judged(tmp_path, _status(State.FAILED, reason="held"))
    assert not_run.text == "the pool could not run it on node7: held"
    assert f"see {job.argv[0]}" in str(not_run.hint)
    (tmp_path / "process.log").write_text("no such\nmodule\n")
    silent = _judged(tmp_path, _status(State.ENDED, 1))
    assert "left nothing" in silent.text and "(exit code 1) on node7: no such module" in silent.text
    (tmp_path / "archive").rename(tmp_path / "gone")
    assert _run(job) != 0
    (tmp_path / LOG_NAME).write_text("why\n")
    failed = _judged(tmp_path, _status(State.ENDED, 1))
    assert failed.text.startswith("it failed on node7: it was not started") and "why" in failed.text


def test_an_output_that_is_not_to_be_seen(job: JobSpec, tmp_path: Path) -> None:
    assert _run(job) == 0
    (tmp_path / "archive" / "objects").rename(tmp_path / "elsewhere")
    check = _judged(tmp_path, _status(State.ENDED, 0))
    assert not check.ok and "its output is not to be seen here" in check.text
