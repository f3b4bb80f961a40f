"""The controller dies, the work does not: what goes on is adopted, what finished is collected."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import Project, processes_with, wait_until

MakeProject = Callable[..., Project]

# Each job says that it has begun, and then waits until its gate is opened.
GATED = """
    rule sum:
        input: expand("out/{n}", n=range(4))
        output: "sum"
        shell: "cat {input} > {output}"
    rule job:
        output: "out/{n}"
        shell:
            "echo {wildcards.n} >> {config[gates]}/begun; "
            "while [ ! -e {config[gates]}/{wildcards.n} ]; do sleep 0.1; done; "
            "echo {wildcards.n} > {output}"
    """


class Gates:
    """A folder outside of the repository that jobs look at."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    @property
    def config(self) -> tuple[str, str]:
        return "--config", f"gates={self.folder}"

    def open(self, *names: str) -> None:
        for name in names:
            (self.folder / name).touch()

    def begun(self) -> Counter[str]:
        path = self.folder / "begun"
        return Counter(path.read_text().split() if path.exists() else [])


@pytest.fixture
def gates(tmp_path: Path) -> Gates:
    return Gates(tmp_path / "gates")


def kill(project: Project, process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    project.end(process)


def of_run(run: str) -> str:
    return f'GitbatchRun == "{run}"'


def states(project: Project) -> list[str]:
    """HTCondor's numbers of the states of the jobs of the one run; 3: being removed."""
    [run] = [path.name for path in (project.path / ".git/gitbatch/runs").iterdir()]
    asked = ["condor_q", "-constraint", of_run(run), "-af", "JobStatus"]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()


def answered(project: Project) -> set[int]:
    found = project.archive.glob("staging/*/jobs/*/answer.json")
    return {int(path.parent.name) for path in found}


def test_no_job_runs_twice_and_no_result_is_lost(
    make_project: MakeProject, htcondor_pool: Path, gates: Gates
) -> None:
    """Four jobs: two run, two wait in the queue until their ads are changed."""
    queued = """output: "out/{n}"
        resources:
            classad_Free=lambda wildcards: wildcards.n in "01",
            requirements="MY.Free"
        """
    snakefile = GATED.replace('output: "out/{n}"', queued)
    project = make_project({"Snakefile": snakefile}, pool="htcondor")
    running = project.start("sum", *gates.config)
    wait_until(lambda: len(gates.begun()) == 2, "two jobs that run")
    first, second = "0", "1"
    gates.open(first)
    project.wait_for(f"out/{first}")
    kill(project, running)
    [run] = [path.name for path in (project.path / ".git/gitbatch/runs").iterdir()]
    gates.open(second)  # finishes with nobody there
    wait_until(lambda: len(answered(project)) == 2, "an answer")
    assert not (project.path / f"out/{second}").exists()
    project.plain("--unlock", *gates.config).ok()
    resumed = project.start("sum", "--rerun-incomplete", *gates.config)
    project.wait_for(f"out/{second}")
    subprocess.run(["condor_qedit", "-constraint", of_run(run), "Free", "true"], check=True)
    gates.open("2", "3")
    text = project.end(resumed).ok().text
    assert f"gitbatch run {run} resumed" in text
    assert gates.begun() == dict.fromkeys("0123", 1)
    assert project.read("sum") == "0\n1\n2\n3\n"
    assert project.tags() == [f"run/{run}"] and project.leftovers() == []
    document = project.run_document(f"run/{run}")
    assert document["jobs_finished"] == 5 and len(document["resumed"]) == 1
    assert {output["path"] for output in document["outputs"]} == {
        "sum", "out/0", "out/1", "out/2", "out/3",
    }  # fmt: skip
    assert all("job" in output for output in document["outputs"])
    project.nothing_to_do("sum", *gates.config)


def test_on_this_machine_what_was_finished_is_collected(
    make_project: MakeProject, gates: Gates
) -> None:
    snakefile = GATED.replace('output: "out/{n}"', 'output: temp("out/{n}")')
    project = make_project({"Snakefile": snakefile})
    running = project.start("sum", *gates.config, "--cores", "4")
    wait_until(lambda: len(gates.begun()) == 4, "four jobs that run")
    gates.open("1", "2")
    project.wait_for("out/2")
    project.wait_for("out/1")
    os.kill(running.pid, signal.SIGSTOP)
    gates.open("3")  # finishes while nobody looks
    wait_until(lambda: len(answered(project)) == 3, "an answer")
    kill(project, running)
    project.plain("--unlock", *gates.config).ok()
    gates.open("0")
    project.snakemake("sum", "--rerun-incomplete", *gates.config, "--cores", "4").ok()
    assert gates.begun() == {"0": 2, "1": 1, "2": 1, "3": 1}
    assert project.read("sum") == "0\n1\n2\n3\n"
    assert len(project.tags()) == 1 and project.leftovers() == []
    assert not (project.path / "out/1").exists()
    project.nothing_to_do("sum", *gates.config)


def test_another_commit_is_another_run(
    make_project: MakeProject, htcondor_pool: Path, gates: Gates
) -> None:
    project = make_project({"Snakefile": GATED}, pool="htcondor")
    running = project.start("out/0", *gates.config)
    wait_until(lambda: bool(gates.begun()), "a job that runs")
    kill(project, running)
    [run] = [path.name for path in (project.path / ".git/gitbatch/runs").iterdir()]
    project.commit({"README": "more\n"})
    project.plain("--unlock", *gates.config).ok()
    gates.open("1")
    text = project.snakemake("out/1", "--rerun-incomplete", *gates.config).ok().text
    assert f"gitbatch runs cancel {run}" in text
    assert f"run {run} resumed" not in text
    project.gitbatch("runs", "cancel", run).ok()
    assert f"{run}  cancelled" in project.gitbatch("runs").ok().text
    text = project.snakemake("out/1", "--force", *gates.config).ok().text
    assert run not in text and project.leftovers() == []


def test_a_run_goes_on_where_its_jobs_are(
    make_project: MakeProject, htcondor_pool: Path, gates: Gates
) -> None:
    """And not on this machine while HTCondor does not answer: they would run twice."""
    project = make_project({"Snakefile": GATED}, pool="auto")
    running = project.start("out/0", *gates.config)
    wait_until(lambda: bool(gates.begun()), "a job that runs")
    kill(project, running)
    project.plain("--unlock", *gates.config).ok()
    [run] = [path.name for path in (project.path / ".git/gitbatch/runs").iterdir()]
    again = ("out/0", "--rerun-incomplete", *gates.config)
    project.snakemake(*again, CONDOR_CONFIG="/dev/null").failed(
        f"The lost run {run} cannot be resumed", "try again"
    )
    gates.open("0")
    assert f"gitbatch run {run} resumed" in project.snakemake(*again).ok().text
    assert gates.begun() == {"0": 1} and project.leftovers() == []


def test_half_a_worktree_is_not_gone_on_with(make_project: MakeProject, gates: Gates) -> None:
    project = make_project(
        {
            "Snakefile": """
                rule copy:
                    input: "folder"
                    output: "copy"
                    shell: "cat {input}/* > {output}"
                rule make:
                    output: directory("folder")
                    shell: "mkdir {output}; cp slow {output}"
                """,
            ".gitattributes": "slow filter=slow\n",
            "slow": "came late\n",
        }
    )
    wait = f"touch {gates.folder}/began; while [ ! -e {gates.folder}/go ]; do sleep 0.1; done; cat"
    project.git("config", "filter.slow.smudge", wait)
    running = project.start("copy")
    wait_until((gates.folder / "began").exists, "a checkout")
    kill(project, running)
    gates.open("go")
    wait_until(lambda: not processes_with(str(gates.folder)), "the end of the checkout")
    project.plain("--unlock").ok()
    assert " resumed" not in project.snakemake("copy").ok().text
    assert project.read("copy") == "came late\n" and project.leftovers() == []


def test_what_nothing_asks_for_is_not_lost(
    make_project: MakeProject, htcondor_pool: Path, gates: Gates
) -> None:
    project = make_project({"Snakefile": GATED}, pool="htcondor")
    gates.open("0")
    running = project.start("out/0", "out/1", "out/2", *gates.config)
    wait_until(lambda: len(gates.begun()) == 3, "three jobs that run")
    project.wait_for("out/0")
    kill(project, running)
    gates.open("1")
    wait_until(lambda: len(answered(project)) == 2, "an answer")
    project.plain("--unlock", *gates.config).ok()
    again = ("--rerun-incomplete", *gates.config)
    for _ in range(2):
        text = project.snakemake("out/0", *again).ok().text
        assert "is not complete" in text and "job[n=1]" in text and "job[n=2]" in text
    gates.open("2")
    text = project.snakemake("out/0", "out/1", "out/2", *again).ok().text
    assert "succeeded: 3 jobs done" in text and gates.begun() == dict.fromkeys("012", 1)
    assert len(project.tags()) == 1 and project.leftovers() == []


def test_a_run_that_has_nothing_left_to_do_ends(
    make_project: MakeProject, htcondor_pool: Path, gates: Gates
) -> None:
    project = make_project({"Snakefile": GATED}, pool="htcondor")
    gates.open("0")
    running = project.start("out/0", "out/1", *gates.config)
    wait_until(lambda: len(gates.begun()) == 2, "two jobs that run")
    project.wait_for("out/0")
    kill(project, running)
    [run] = [path.name for path in (project.path / ".git/gitbatch/runs").iterdir()]
    subprocess.run(["condor_rm", "-constraint", of_run(run)], check=True)
    wait_until(lambda: not states(project), "the removal")
    project.plain("--unlock", *gates.config).ok()
    text = project.snakemake("out/0", "--rerun-incomplete", *gates.config).ok().text
    assert " resumed" in text and "succeeded: 1 job done" in text
    assert len(project.tags()) == 1 and project.leftovers() == []
    assert project.git("status", "--porcelain") == "?? out/\n"


def test_an_update_that_was_done_is_not_done_again(make_project: MakeProject, gates: Gates) -> None:
    project = make_project(
        {
            "Snakefile": """
                rule last:
                    input: "list"
                    output: "last"
                    shell: "echo >> {config[gates]}/begun last; sleep 600"
                rule add:
                    output: update("list")
                    shell: "echo >> {config[gates]}/begun add; echo more >> {output}"
                """,
        }
    )
    running = project.start("last", *gates.config)
    wait_until(lambda: gates.begun() == {"add": 1, "last": 1}, "the second job")
    kill(project, running)
    project.plain("--unlock", *gates.config).ok()
    project.snakemake("list", "--force", "--rerun-incomplete", *gates.config).ok()
    assert gates.begun() == {"add": 1, "last": 1} and project.read("list") == "more\n"
    project.snakemake("list", "--force", *gates.config).ok()
    assert project.read("list") == "more\nmore\n"


def test_a_second_interrupt_is_quick(
    make_project: MakeProject, htcondor_pool: Path, gates: Gates
) -> None:
    project = make_project(
        {
            "Snakefile": """
                rule stubborn:
                    output: "a"
                    shell: "trap '' TERM; echo >> {config[gates]}/begun a; sleep 600 & wait"
                """,
        },
        pool="htcondor",
    )
    running = project.start("a", *gates.config)
    wait_until(lambda: bool(gates.begun()), "a job that runs")
    running.send_signal(signal.SIGINT)
    wait_until(lambda: "3" in states(project), "the removal")
    running.send_signal(signal.SIGINT)
    assert "are still ending" in project.end(running).text
    wait_until(lambda: not processes_with(str(gates.folder)), "the end of all processes")


def test_a_job_that_is_refused_ends_no_other(
    make_project: MakeProject, htcondor_pool: Path, gates: Gates
) -> None:
    refused = """
    rule refused:
        output: "refused"
        resources: universe="grid"
        shell: "touch {output}"
    rule unmatched:
        output: "unmatched"
        threads: 1000
        shell: "touch {output}"
    """
    project = make_project({"Snakefile": GATED + refused}, pool="htcondor")
    running = project.start("out/0", *gates.config)
    wait_until(lambda: bool(gates.begun()), "a job that runs")
    kill(project, running)
    project.plain("--unlock", *gates.config).ok()
    again = ("--rerun-incomplete", "--keep-going", *gates.config)
    project.snakemake("refused", "unmatched", *again).failed("universe", "largest slot", "job[n=0]")
    gates.open("0")
    project.snakemake("out/0", *again).ok()
    assert gates.begun() == {"0": 1} and project.leftovers() == []
