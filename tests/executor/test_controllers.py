"""gitbatch run and gitbatch runs: a controller without a terminal, seen and ended from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from projects import Project, processes_with, wait_until

MakeProject = Callable[..., Project]

SNAKEFILE = """
    rule all:
        input: "a", "b"
    rule gated:
        output: "{name,[ab]}"
        shell: "while [ ! -e {config[gates]}/{wildcards.name} ]; do sleep 0.1; done; "
            "echo {wildcards.name} > {output}"
    """


@pytest.fixture
def gates(tmp_path: Path) -> Path:
    folder = tmp_path / "gates"
    folder.mkdir()
    return folder


def listed(project: Project) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(project.gitbatch("runs", "ls", "--json").ok().text)
    return found


def detach(project: Project, gates: Path, *options: str) -> str:
    arguments = ("-j", "4", "--gitbatch-pool", project.pool, "--config", f"gates={gates}")
    project.gitbatch("run", "--detach", *options, "--", *arguments).ok()
    [entry] = [entry for entry in listed(project) if entry["state"] == "running"]
    run: str = entry["run"]
    return run


def test_a_run_goes_on_without_its_terminal(
    make_project: MakeProject,
    pool: str,
    gates: Path,
) -> None:
    project = make_project({"Snakefile": SNAKEFILE}, pool=pool)
    run = detach(project, gates, "-m", "Two letters\n\nfor the paper")
    [entry] = listed(project)
    assert entry["message"].startswith("Two letters") and entry["jobs"] == 2
    attached = subprocess.Popen(
        [sys.executable, "-m", "gitbatch_core.cli.main", "runs", "attach"],
        cwd=project.path,
        stdout=subprocess.PIPE,
        text=True,
    )
    for name in "ab":
        (gates / name).touch()
    text, _ = attached.communicate(timeout=60)
    assert attached.returncode == 0 and f"gitbatch run {run} succeeded" in text
    wait_until(lambda: not processes_with(str(gates)), "the controller's end")
    [entry] = listed(project)
    assert (entry["state"], entry["jobs_done"], entry["jobs"]) == ("succeeded", 2, None)
    assert "Two letters" in project.gitbatch("runs").ok().text
    assert project.git("log", "-1", "--format=%s", f"run/{run}") == "Two letters\n"
    assert project.leftovers() == [] and not list(project.path.glob(".git/gitbatch/controllers/*"))


def test_cancel_ends_exactly_this_run(
    make_project: MakeProject,
    pool: str,
    gates: Path,
) -> None:
    project = make_project({"Snakefile": SNAKEFILE}, pool=pool)
    run = detach(project, gates)
    (gates / "a").touch()
    project.wait_for("a")
    project.gitbatch("runs", "cancel", run[-4:]).ok()
    wait_until(lambda: not processes_with(str(gates)), "the end of all processes")
    [entry] = listed(project)
    assert (entry["run"], entry["state"], entry["jobs_done"]) == (run, "interrupted", 1)
    assert project.leftovers() == [] and not (project.path / "b").exists()


@pytest.mark.parametrize("arguments", ["", "-- -j 4 --gitbatch-pool htcondor --config gates={}"])
def test_resume_needs_no_arguments(
    make_project: MakeProject,
    htcondor_pool: Path,
    gates: Path,
    arguments: str,
) -> None:
    project = make_project({"Snakefile": SNAKEFILE}, pool="htcondor")
    running = project.start("--config", f"gates={gates}")
    (gates / "a").touch()
    project.wait_for("a")
    running.kill()
    project.end(running)
    [entry] = listed(project)
    assert entry["state"] == "lost" and "gitbatch run --resume" in project.gitbatch("runs").text
    (gates / "b").touch()
    done = project.gitbatch("run", "--resume", *arguments.format(gates).split())
    assert f"run {entry['run']} resumed" in done.ok().text
    assert [e["state"] for e in listed(project)] == ["succeeded"]
    assert project.leftovers() == []


@pytest.mark.parametrize("killed", ["snakemake", "all"])
def test_a_killed_controller_is_started_again_by_htcondor(
    make_project: MakeProject,
    htcondor_pool: Path,
    gates: Path,
    killed: str,
) -> None:
    project = make_project({"Snakefile": SNAKEFILE}, pool="htcondor")
    run = detach(project, gates)
    owner = project.path / f".git/gitbatch/runs/{run}/owner.json"
    first = json.loads(owner.read_bytes())["pid"]
    top = str(project.path)
    ours = f'JobUniverse == 12 && substr(Iwd, 0, {len(top)}) == "{top}"'
    asked = ["condor_q", "-constraint", ours, "-af", "ClusterId"]
    [job] = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()
    assert str(gates) not in _ad_of(job)
    above = processes_with(f"{project.path}/.git/gitbatch/controllers")
    for pid in (*(above if killed == "all" else ()), first):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: json.loads(owner.read_bytes())["pid"] != first, "another controller")
    (gates / "a").touch()
    (gates / "b").touch()
    wait_until(lambda: listed(project)[0]["state"] == "succeeded", "the end of the run")
    assert [entry["run"] for entry in listed(project)] == [run]
    subprocess.run(["condor_wait", "-wait", "30", _log_of(job)], check=False)
    assert project.leftovers() == []


def _ad_of(job: str) -> str:
    asked = ["condor_q", "-long", job]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout


def _log_of(job: str) -> str:
    asked = ["condor_history", job, "-limit", "1", "-af", "UserLog"]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


def test_errors_before_the_start_are_shown(
    make_project: MakeProject,
    pool: str,
) -> None:
    project = make_project({"Snakefile": "rule a:\n    output: 'a'\n    shell: '>{output}'\n"})
    (project.path / "Snakefile").write_text("this is no Snakefile\n")
    (project.path / ".git/gitbatch/runs/of-somebody-else").mkdir(parents=True, mode=0)
    for options in ((), ("--detach",)):
        done = project.gitbatch("run", *options, "--", "-j", "1", "--gitbatch-pool", pool)
        assert done.returncode == 1 and "SyntaxError" in done.text, done.text
    assert project.gitbatch("run", "--resume").returncode == 2
    assert "There is no run" in project.gitbatch("runs", "cancel", "2020").text
    assert project.gitbatch("run", "-j", "1").returncode == 2


def test_what_shows_the_run_is_not_what_runs_it(make_project: MakeProject, gates: Path) -> None:
    project = make_project({"Snakefile": SNAKEFILE})
    command = [sys.executable, "-m", "gitbatch_core.cli.main", "run", "--", "-j", "4"]
    command += ["--gitbatch-pool", "local", "--config", f"gates={gates}"]
    shown = subprocess.Popen(command, cwd=project.path, stdout=subprocess.PIPE, text=True)
    wait_until(lambda: bool(listed(project)), "the run")
    shown.kill()
    shown.communicate()
    assert [entry["state"] for entry in listed(project)] == ["running"]
    for name in "ab":
        (gates / name).touch()
    wait_until(lambda: listed(project)[0]["state"] == "succeeded", "the end of the run")


def test_an_interrupt_reaches_the_run(make_project: MakeProject, gates: Path) -> None:
    project = make_project({"Snakefile": SNAKEFILE})
    command = [sys.executable, "-m", "gitbatch_core.cli.main", "run", "--", "-j", "4"]
    command += ["--gitbatch-pool", "local", "--config", f"gates={gates}"]
    shown = subprocess.Popen(command, cwd=project.path, stdout=subprocess.PIPE, text=True)
    orders = "staging/*/jobs/*/order.json"
    wait_until(lambda: any(project.archive.glob(orders)), "a job of the run")
    shown.send_signal(signal.SIGINT)
    text, _ = shown.communicate(timeout=60)
    assert shown.returncode == 1 and "interrupted" in text
    assert [entry["state"] for entry in listed(project)] == ["interrupted"]
    assert project.leftovers() == [] and not processes_with(str(gates))
