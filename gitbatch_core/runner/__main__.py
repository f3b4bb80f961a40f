"""`python -m gitbatch_core.runner FOLDER --private FILE|-`: do the order that lies in FOLDER.

Ends with the command's status (128 + signal where a signal ended it), 1 where the command succeeded
but its outputs could not be kept, `UNSEEN` where this machine does not see FOLDER. The answer in
FOLDER says what happened; an order that was answered with success is not run again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import sys
import time
from pathlib import Path

from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import GitbatchError
from gitbatch_core.model.job_order import ORDER_NAME, JobOrder
from gitbatch_core.model.job_result import LOG_NAME, RESULT_NAME, UNSEEN, JobResult
from gitbatch_core.model.masking import Mask, redact
from gitbatch_core.runner import command, host, outputs, programs


def main(arguments: list[str] | None = None) -> int:
    """Run one order; see the module's first lines."""
    parser = argparse.ArgumentParser(prog="gitbatch-runner", description=__doc__)
    parser.add_argument("folder", type=Path, help="the job's folder, with the order")
    parser.add_argument(
        "--private",
        required=True,
        metavar="FILE",
        help="JSON object of the job's secrets; -: one line of standard input, whose end then "
        "means that the controller has died",
    )
    options = parser.parse_args(arguments)
    folder: Path = options.folder
    with contextlib.suppress(FileNotFoundError):
        if JobResult.read(folder / RESULT_NAME).succeeded:
            return 0
    if not folder.is_dir():
        print(f"gitbatch: {platform.node()} does not see {folder}", file=sys.stderr)
        return UNSEEN
    order = JobOrder.read(folder / ORDER_NAME)
    if options.private == "-":
        secrets = json.loads(_first_line(sys.stdin.fileno()))
    else:
        secrets = json.loads(Path(options.private).read_bytes())
    answer = run(order, secrets, folder, follow_stdin=options.private == "-")
    answer.write(folder / RESULT_NAME)
    if answer.succeeded and order.sign is not None:
        with contextlib.suppress(OSError):  # the pool hears of the end in any case
            Path(order.sign).touch()
    if answer.signal is not None:
        return 128 + answer.signal
    return answer.exit_code or (0 if answer.succeeded else 1)


def _first_line(descriptor: int) -> bytes:
    """Without reading on: what follows is for others to wait for."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(descriptor, 1)):
        line += byte
    return line


def run(order: JobOrder, secrets: dict[str, str], folder: Path, *, follow_stdin: bool) -> JobResult:
    """Run the command, keep what it made, and say what happened."""
    record = order.record.replace(started=host.iso_time(time.time()), host=host.host())
    for path, what in ((order.archive, "archive"), (order.folder, "run's worktree")):
        if not os.path.isdir(path):
            why = f"it was not started: its machine does not see the {what}, {path}"
            return JobResult(succeeded=False, reason=why, record=record)
    try:
        archive = Archive.open(Path(order.archive))
    except (GitbatchError, OSError) as error:
        return JobResult(succeeded=False, reason=f"it was not started: {error}", record=record)
    environment = host.environment(order.environment, secrets)
    used = programs.describe(
        order.tools,
        search=environment.get("PATH", ""),
        worktree=order.worktree,
        algorithm=archive.algorithm,
    )
    record = record.replace(tools=redact(used, secrets.values()))
    mask = Mask(secrets.values())
    ended = command.run(
        order.argv,
        folder=order.folder,
        environment=environment,
        log=folder / LOG_NAME,
        mask=mask,
        follow_stdin=follow_stdin,
    )
    with contextlib.suppress(OSError):
        # By the file system's clock, for whoever compares ours with the times of other files.
        os.utime(folder / LOG_NAME)
    record = record.replace(
        ended=host.iso_time(time.time()), exit_code=ended.exit_code, usage=ended.usage
    )
    if not ended.succeeded:
        return JobResult(
            succeeded=False,
            exit_code=ended.exit_code,
            signal=ended.signal,
            reason=ended.reason,
            record=record,
        )
    try:
        record = outputs.publish(archive, order, mask, record)
        outputs.keep_record(archive, record)
    except (GitbatchError, OSError) as error:
        # Not the hint: it speaks of a source that is still there, and the worktree will be gone.
        why = error.message if isinstance(error, GitbatchError) else str(error)
        return JobResult(
            succeeded=False,
            exit_code=0,
            reason=f"the command succeeded, but its outputs could not be kept: {why}",
            record=record,
        )
    return JobResult(succeeded=True, exit_code=0, record=record)


if __name__ == "__main__":
    sys.exit(main())
