"""What is said of runs on HTCondor: of killed controllers, of jobs that cannot be as asked for."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from projects import wait_until

from .terminals import GATED, TOKEN, Terminal, types

MORE = """
        rule grid:
            output: "grid"
            resources: universe=config.get("universe", "vanilla")
            shell: "echo > {output}"
        rule large:
            output: "large"
            resources: request_cpus=640
            shell: "echo > {output}"
        """


def queue(run: str, command: str = "condor_q") -> str:
    asked = [command, "-constraint", f'GitbatchRun == "{run}"', "-af", "ClusterId", "JobStatus"]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout


@types(
    "run/session: gitbatch runs cancel",
    "run/start: gitbatch runs cancel",
    "run/start: --gitbatch-pool",
    "pools/htcondor/submit_extras: --gitbatch-pool",
    "pools/htcondor/match: --gitbatch-unmatched",
    "pools/htcondor/holds: --gitbatch-held-timeout",
)
def test_a_pool(terminal: Terminal, tmp_path: Path, htcondor_pool: Path) -> None:
    project = terminal.project
    project.pool = "htcondor"
    project.environment["TOKEN"] = TOKEN
    project.commit({**GATED, "Snakefile": GATED["Snakefile"].rstrip() + MORE})
    gates = tmp_path / "gates"
    gates.mkdir()
    given = ("--nolock", "--rerun-incomplete", "--config", f"gates={gates}")

    def runs() -> set[str]:
        return {path.name for path in project.path.glob(".git/gitbatch/runs/*")}

    def start(*words: str) -> tuple[subprocess.Popen[str], str]:
        """A run, and its id, once it has a job in the queue."""
        before = runs()
        running = project.start(*words, *given)
        wait_until(lambda: any(map(queue, runs() - before)), "its job", unless=running)
        [run] = filter(queue, runs() - before)
        return running, run

    def killed(name: str) -> str:
        running, run = start(name)
        running.kill()
        project.end(running)
        return run

    # Another run than the one whose controller has died.
    run = killed("a")
    (gates / "b").touch()
    told = project.snakemake("b", *given, "more=1").ok()
    terminal.type(told, "gitbatch runs cancel")
    wait_until(lambda: not queue(run), "the end of its job")
    # The same one, asked for something else; and where its pool is away.
    run = killed("c")
    (gates / "d").touch()
    nowhere = {"CONDOR_CONFIG": "/nonexistent"}
    told = project.snakemake("d", *given, **nowhere).failed("cannot be resumed")
    told_later = project.snakemake("d", *given).ok()
    assert queue(run)
    project.pool = terminal.option(told, "--gitbatch-pool", "local")[1]
    project.snakemake("d", "--force", *given, **nowhere).ok()
    project.pool = "htcondor"
    terminal.type(told_later, "gitbatch runs cancel")
    wait_until(lambda: not queue(run), "the end of its job")

    # Jobs that are not to be had.
    told = project.snakemake("grid", *given, "universe=grid").failed("universe = grid")
    project.pool = terminal.option(told, "--gitbatch-pool", "local")[1]
    project.snakemake("grid", *given, "universe=grid").ok()
    project.pool = "htcondor"
    told = project.snakemake("large", *given).failed("asks for 640 CPUs")
    waits = terminal.option(told, "--gitbatch-unmatched", "wait")
    running, _ = start("large", *waits)
    running.send_signal(signal.SIGINT)
    project.end(running)

    # One that somebody puts on hold.
    def held(*options: str, release: bool = False) -> str:
        (gates / "a").unlink(missing_ok=True)
        running, run = start("a", *options)
        wait_until(lambda: queue(run).endswith(" 2\n"), "its start", unless=running)
        job = queue(run).split()[0]
        subprocess.run(["condor_hold", job], check=True, capture_output=True)
        if release:
            wait_until(lambda: queue(run).endswith(" 5\n"), "the hold")
            (gates / "a").touch()
            subprocess.run(["condor_release", job], check=True, capture_output=True)
        return project.end(running).text

    told_held = held("--gitbatch-held-timeout", "0")
    assert "Somebody put it on hold" in told_held
    patient = terminal.option(told_held, "--gitbatch-held-timeout", "600")
    held(*patient, release=True)
    assert project.read("a") == "a\n"
