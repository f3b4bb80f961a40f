"""`python -m snakemake_executor_plugin_gitbatch.in_job.main ORDER …`: Snakemake as it runs one job.

Like `python -m snakemake …`, but the job does not start if it differs here, in the worktree, from
what it was where the run was started; `--target-jobs` takes JSON, which loses nothing.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from snakemake_interface_common.exceptions import WorkflowError

from gitbatch_core.errors import GitbatchError, RunError
from gitbatch_core.model.job_order import JobOrder
from gitbatch_core.wording import some
from snakemake_executor_plugin_gitbatch.in_job import script_copies
from snakemake_executor_plugin_gitbatch.in_job.consistency import Comparison
from snakemake_executor_plugin_gitbatch.in_job.parse_overlay import Overlay
from snakemake_executor_plugin_gitbatch.job import job_description
from snakemake_executor_plugin_gitbatch.snakemake_internals import job_process


def main(argv: list[str]) -> None:
    """Run Snakemake with the arguments after the order's path; ends the process."""
    order_file, *arguments = argv
    comparison = Comparison.read(Path(order_file).parents[2])
    overlay = Overlay(comparison.worktree, comparison.written, comparison.passing)
    guard(Path(order_file), comparison, overlay)
    job_process.leave_storage_to_the_run()
    job_process.accept_outputs_in_outputs()
    job_process.read_targets_as_json()
    job_process.run_inner_jobs_by(__spec__.name, order_file)
    job_process.before_each_script(script_copies.noting(Path(order_file).parent))
    sys.argv = ["snakemake", *arguments]
    overlay.begin()
    try:
        job_process.run(arguments)
    except SystemExit as ended:
        overlay.end()
        _end(int(ended.code or 0))


def _end(code: int) -> None:
    """End the process, also where threads that the Snakefile has started go on: for Snakemake's
    `from_queue`, say."""
    others = [t for t in threading.enumerate() if t is not threading.main_thread()]
    if any(not thread.daemon for thread in others):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def guard(order_file: Path, comparison: Comparison, overlay: Overlay) -> None:
    """Make Snakemake's local executor compare each job with the order before it starts it: until
    then, the workflow is read, and what that writes goes to the `overlay`."""
    members = JobOrder.read(order_file).record.to_dict()["members"]

    def check(job: Any) -> None:
        try:
            for member in job_description.members(job):
                compare(comparison, members, member)
            tell_written(overlay.end(), job_description.members(job))
        except GitbatchError as error:
            raise WorkflowError(str(error)) from error

    job_process.before_each_job(check)


def compare(comparison: Comparison, members: job_description.Members, job: Any) -> None:
    """Raise RunError if the single `job` is none of those in the order."""
    named = comparison.redacted([job.rule.name, job_description.wildcards(job)])
    expected = next((m for m in members if [m["rule"], m["wildcards"]] == named), None)
    if expected is None:
        raise RunError(
            f"The job would also run {job_description.title(job)}, which the run has not "
            "requested: its outputs are missing here or out of date."
        )
    inputs = [{k: v for k, v in each.items() if k != "address"} for each in expected["inputs"]]
    decided = expected | {"resources": comparison.real(expected["resources"])}
    job_description.take_over(job, decided, as_recorded=comparison.as_user)
    seen, _ = job_description.view(job)
    comparison.job({name: expected[name] for name in seen} | {"inputs": inputs}, seen)
    if seen["command"]["kind"] not in ("shell", "none"):
        comparison.config(job_description.plain_config(job.dag.workflow.config))


def tell_written(files: list[str], jobs: Iterable[Any]) -> None:
    """Reading the workflow here has written `files` differently from the run's controller. Raise
    RunError for a job that also sees what the Snakefile knows while it is read; other jobs do
    not."""
    if not files:
        return
    what = f"What the workflow writes while it is read is not the same each time: {some(files, 5)}"
    for job in jobs:
        if job.is_run:
            raise RunError(
                f"{what}\nThe code of rule {job.rule.name} may depend on it.",
                hint="It must not depend on time, chance or host. Or use script: instead of run:.",
            )
    print(f"{what}\nThe job sees it as it was when the run was started.", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
