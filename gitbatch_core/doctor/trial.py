"""A test job, run through the pool like the jobs of a run, up to its output in an archive.

What it makes lies in a folder of its own in the archive's staging, and is removed with it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gitbatch_core import fs
from gitbatch_core.archive import hashing, layout
from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import GitbatchError
from gitbatch_core.model.check import Check, failed, fine, wrong
from gitbatch_core.model.job_order import ORDER_NAME, DeclaredOutput, JobOrder
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.job_result import LOG_NAME, JobResult
from gitbatch_core.pools.base import JobSpec, JobStatus, PoolOptions, State
from gitbatch_core.pools.choose import choose
from gitbatch_core.run import archive_location
from gitbatch_core.run.run import new_id

if TYPE_CHECKING:
    from gitbatch_core.git.repository import Repository
    from gitbatch_core.pools.base import Pool

_CHECK = "job"
_LATE_S = 10.0
"""So long a shared file system may take to show what another machine has written."""


def trial(
    repository: Repository,
    chosen: Path | None,
    worktrees: Path | None,
    kind: str,
    wait_s: float,
) -> Check:
    """Run it, wait for at most `wait_s` seconds, and say how long it took or where it failed."""
    try:
        archive = archive_location.open_archive(repository, chosen, create=False)
        with contextlib.ExitStack() as stack:
            parent = worktrees or archive.root / layout.STAGING
            parent.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix="doctor-", dir=parent))
            stack.callback(fs.remove_tree, folder)
            folder.chmod(0o755)
            private = Path(tempfile.mkdtemp(prefix="doctor-", dir=repository.common_dir))
            stack.callback(fs.remove_tree, private)
            pool, _ = choose(kind, PoolOptions(), run=f"doctor-{new_id()}", private_folder=private)
            stack.callback(pool.close)
            spec = _job(folder, archive.algorithm)
            began = time.monotonic()
            pool.submit([spec])
            stack.callback(pool.cancel)
            started, status = _follow(pool, began + wait_s)
            return _judge(folder, status, started, began, wait_s)
    except GitbatchError as error:
        return failed(_CHECK, error)
    except OSError as error:
        return wrong(_CHECK, f"it could not be prepared: {error}")


def _job(folder: Path, algorithm: str) -> JobSpec:
    worktree = folder / "worktree"
    worktree.mkdir()
    archive = Archive.create(folder / "archive", algorithm)
    key = hashing.hash_bytes(os.fsencode(folder), algorithm).digest
    order = JobOrder(
        argv=("/bin/sh", "-c", "uname -n > host.txt"),
        folder=str(worktree),
        worktree=str(worktree),
        archive=str(archive.root),
        environment={"PATH": os.environ.get("PATH", os.defpath)},
        outputs=(DeclaredOutput(path="host.txt"),),
        record=JobRecord(run=new_id(), number=1, key=key),
    )
    order.write(folder / ORDER_NAME)
    argv = (sys.executable, "-m", "gitbatch_core.runner", str(folder))
    return JobSpec(number=1, name="gitbatch doctor", argv=argv, folder=folder)


def _follow(pool: Pool, deadline: float) -> tuple[float | None, JobStatus | None]:
    """When it was seen to start (by time.monotonic()), and how it ended, as far as it did."""
    started = None
    last = None
    while (remaining := deadline - time.monotonic()) > 0:
        for status in pool.wait(min(remaining, 1.0)):
            last = status
            if status.state is State.RUNNING and started is None:
                started = time.monotonic()
            if status.state.final:
                return started, status
    return started, last


def _judge(
    folder: Path, status: JobStatus | None, started: float | None, began: float, wait_s: float
) -> Check:
    if status is None or not status.state.final:
        if started is None:
            hint = "See `condor_q -better-analyze` while one waits; --wait waits for longer."
            return wrong(_CHECK, f"still in the queue after {wait_s:.0f} s", hint)
        return wrong(_CHECK, f"still running after {wait_s:.0f} s on {status and status.host}")
    host = f" on {status.host}" if status.host else ""
    if status.state is State.FAILED:
        hint = f"Does{host or ' each machine'} see {sys.executable} and {folder.parent}?"
        return wrong(_CHECK, f"the pool could not run it{host}: {status.reason}", hint)
    answer = JobResult.of_job(folder, within_s=_LATE_S if status.exit_code == 0 else 0)
    if answer is None:
        shared = "Repository, archive and this Python must be on file systems that it shares."
        words = _tail(folder / "process.log")
        return wrong(
            _CHECK,
            f"it left nothing in {folder.parent} (exit code {status.exit_code}){host}{words}",
            shared,
        )
    if not answer.succeeded:
        why = answer.reason or f"exit code {answer.exit_code}"
        return wrong(_CHECK, f"it failed{host}: {why}{_tail(folder / LOG_NAME)}")
    [output] = answer.record.outputs
    object_ = folder / "archive" / str(output.name)
    if not object_.exists():
        return wrong(_CHECK, f"its output is not to be seen here: {object_}")
    all_s = time.monotonic() - began
    queued = f", {started - began:.1f} s of them in the queue" if started else ""
    text = object_.read_text().strip()
    return fine(_CHECK, f"ran on {text}, {all_s:.1f} s in all{queued}")


def _tail(log: Path) -> str:
    """The last line of what it printed."""
    with contextlib.suppress(OSError):
        if lines := log.read_text(errors="replace").split("\n")[-3:]:
            return f": {' '.join(filter(None, lines))[-300:]}"
    return ""
