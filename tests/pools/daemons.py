"""HTCondor's own commands, and pools of which a test may do as it likes."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitbatch_core.pools.base import Pool
from gitbatch_core.pools.htcondor.pool import HTCondorPool

POOL_TOOL = Path(__file__).parents[2] / "tools" / "htcondor-pool"


def condor(*words: str) -> str:
    """What an HTCondor command prints."""
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def make(folder: Path, run: str = "", **settings: object) -> HTCondorPool:
    run = run or f"test-{os.getpid()}-{time.monotonic_ns()}"
    return HTCondorPool(run=run, private_folder=folder / "private", **settings)  # type: ignore[arg-type]


def ours(pool: Pool) -> str:
    assert isinstance(pool, HTCondorPool)
    return f'GitbatchRun == "{pool._run}"'


@contextlib.contextmanager
def own_pool(shared: Path, *options: str, local: str = "") -> Iterator[Path]:
    """Another pool than the shared one; the environment points to it meanwhile. `local`: lines of
    its configuration."""
    import htcondor2

    folder = shared.with_name(f"own{time.monotonic_ns() % 10**6}")
    subprocess.run([POOL_TOOL, "up", "--dir", folder, *options], check=True)
    with pytest.MonkeyPatch.context() as patch:
        for line in condor(str(POOL_TOOL), "env", "--dir", str(folder)).splitlines():
            name, _, value = shlex.split(line.removeprefix("export "))[0].partition("=")
            patch.setenv(name, os.path.expandvars(value))
        htcondor2.reload_config()
        if local:
            (folder / "local.conf").write_text(local)
            condor("condor_reconfig")
        yield folder
        subprocess.run([POOL_TOOL, "down", "--dir", folder], check=True)
    htcondor2.reload_config()
