"""A machine of the pool that does not see what must be shared."""

from __future__ import annotations

import sys
from pathlib import Path

from conformance import Jobs
from daemons import make, own_pool

from gitbatch_core.model.job_result import UNSEEN


def test_a_job_there_says_what_it_does_not_see(htcondor_pool: Path, tmp_path: Path) -> None:
    staging, wrapper = tmp_path / "archive/staging", tmp_path / "wrapper.sh"
    staging.mkdir(parents=True)
    # To the job, the folder is not where it is to all others.
    wrapper.write_text('#!/bin/bash\nexec "${@//archive\\/staging/archive\\/elsewhere}"\n')
    wrapper.chmod(0o755)
    with own_pool(htcondor_pool, local=f"USER_JOB_WRAPPER = {wrapper}\n"):
        pool = make(tmp_path)
        jobs = Jobs(pool, staging)
        # With a secret, so that files are sent: else HTCondor itself looks for the folder.
        argv = (sys.executable, "-m", "gitbatch_core.runner", str(staging / "job 1"))
        spec = jobs.spec("exit", argv=argv, private={"A_TOKEN": "hidden"})
        [status] = jobs.run(spec)
        assert status.exit_code == UNSEEN, status
        said = (spec.folder / "process.log").read_text()
        there = str(spec.folder).replace("archive/staging", "archive/elsewhere")
        assert said.endswith(f"does not see {there}\n") and "Traceback" not in said
        pool.close()
