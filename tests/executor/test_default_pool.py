"""A run on a pool with HTCondor's own settings, where the schedd looks at idle claims every five
minutes only."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from projects import Project, wait_until

MakeProject = Callable[..., Project]

DIAMOND = """
    rule last:
        input: "pause.txt"
        output: "last.txt"
        shell: "cat {input} > {output}"
    rule pause:
        input: expand("middle{n}.txt", n=range(2))
        output: "pause.txt"
        localrule: True
        shell: "touch {config[gate]}.reached; while [ ! -e {config[gate]} ]; do sleep 0.1; done; "
            "cat {input} > {output}"
    rule middle:
        input: "first.txt"
        output: "middle{n}.txt"
        shell: "cat {input} > {output}"
    rule first:
        output: "first.txt"
        shell: "echo first > {output}"
    """


def none_busy() -> bool:
    asked = ["condor_status", "-af", "Activity"]
    shown = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    return shown.split() == ["Idle"] * 2


def test_a_job_that_is_ready_when_no_shadow_is_there(
    make_project: MakeProject, default_pool: Path, tmp_path: Path
) -> None:
    project = make_project({"Snakefile": DIAMOND}, pool="htcondor")
    gate = tmp_path / "gate"
    process = project.start("--config", f"gate={gate}")
    wait_until((tmp_path / "gate.reached").exists, "the local rule", 120, unless=process)
    # All slots are ours, and idle: the last job can run on these only.
    wait_until(none_busy, "claims that are idle")
    gate.touch()
    project.end(process).ok()
    assert project.read("last.txt") == "first\n" * 2
