"""Snakemake's scheduler and its status thread never meet in what a run keeps, and neither waits
for the other for long."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from projects import Ended, Project, processes_with, wait_until

MakeProject = Callable[..., Project]

BUSY = {
    "Snakefile": """
        localrules: collect
        SAMPLES = list("abc")
        wildcard_constraints: s="[abc]"
        rule all:
            input: "collected", "again.txt"
        rule first:
            output: temp("tmp/{s}")
            log: "logs/{s}.log"
            shell: "echo {wildcards.s} > {output}; echo log > {log}"
        rule second:
            input: "tmp/{s}"
            output: "{s}.txt"
            shell: "cp {input} {output}"
        rule again:
            output: "again.txt"
            retries: 1
            resources: attempt=lambda wildcards, attempt: attempt
            shell: "test {resources.attempt} = 2; echo {resources.attempt} > {output}"
        rule collect:
            input: expand("{s}.txt", s=SAMPLES)
            output: directory("collected")
            shell: "mkdir {output}; cp {input} {output}"
        rule bad:
            input: "a.txt"
            output: "bad.txt"
            shell: "exit 3"
        """,
}
WATCHED = str(Path(__file__).with_name("watched.py"))


def watched(project: Project, *args: str) -> tuple[Ended, dict[str, Any]]:
    told = project.path / ".git" / "told.json"
    ended = project.end(project.start(*args, program=(WATCHED, str(told))))
    return ended, json.loads(told.read_bytes())


def check(project: Project, told: dict[str, Any]) -> None:
    assert told["met"] == []
    assert told["waited"] == []
    assert project.leftovers() == []


def test_two_threads_never_meet(make_project: MakeProject, pool: str) -> None:
    project = make_project(BUSY, pool=pool)
    ended, told = watched(project, "--keep-going", "all", "bad.txt")
    check(project, told)
    ended.failed("failed with exit status 3")
    results = {f"{s}.txt": f"{s}\n" for s in "abc"}
    results |= {f"collected/{name}": text for name, text in results.items()} | {"again.txt": "2\n"}
    assert {name: project.read(name) for name in results} == results
    assert not list(project.path.glob("tmp/*"))
    document = project.run_document(project.runs()[0])
    assert document["jobs_finished"] == 8 and document["jobs_failed"] == ["again", "bad"]
    done = {"first": 3, "second": 3, "again": 2, "collect": 1, "bad": 1}
    assert {row["rule"]: row["executions"] for row in document["costs"]["rules"]} == done
    # All kinds of what is shared were there: their operations were slowed down.
    kinds = {name.partition(".")[0] for name in told["slowed"]}
    of_a_run = {
        "Mirror",
        "JobTable",
        "TemporaryOutputs",
        "Plan",
        "Reusing",
        "Costs",
        "Report",
        "output_links",
    }
    assert of_a_run <= kinds

    # Once more, without results: all is reused or left out, but for an attempt that fails.
    for name in ("a.txt", "b.txt", "c.txt", "again.txt"):
        (project.path / name).unlink()
    shutil.rmtree(project.path / "collected")
    ended, told = watched(project)
    check(project, told)
    assert "5 reused" in ended.ok().text and "3 left out" in ended.text
    assert {name: project.read(name) for name in results} == results


# Snakemake whose status thread stays in the second job's conclusion, with the lock, until it may go
# on, while the scheduler wants it too.
LATE = """
import os, sys, time
from snakemake.cli import main
from gitbatch_core.pools.local import machine
from gitbatch_core.run.mirror import output_links
from snakemake_executor_plugin_gitbatch.run.session import Session

machine.cores = lambda: 3  # the slow job and both quick ones run at once, whatever comes first
signs, link_output, hand_over = os.environ["SIGNS"], output_links.link_output, Session.hand_over

def wait_for(name):
    while not os.path.exists(f"{signs}/{name}"):
        time.sleep(0.05)

def link_late(*args, **kwargs):
    if os.path.exists(f"{signs}/first"):
        open(f"{signs}/concluding", "w").close()
        wait_for("go")
    open(f"{signs}/first", "w").close()
    link_output(*args, **kwargs)

def hand_over_late(session, jobs):
    if os.path.exists(f"{signs}/first"):
        wait_for("concluding")
        open(f"{signs}/handing_over", "w").close()
    return hand_over(session, jobs)

output_links.link_output, Session.hand_over = link_late, hand_over_late
main(sys.argv[1:])
"""


def test_an_interrupt_does_not_wait_for_the_other_thread(
    make_project: MakeProject, tmp_path: Path
) -> None:
    sign = f"{os.getpid()}0077"
    project = make_project(
        {
            "Snakefile": f"""
                rule all:
                    input: "after_1.txt", "after_2.txt", "slow.txt"
                rule quick:
                    output: "{{n}}.txt"
                    wildcard_constraints: n="[12]"
                    shell:
                        "until [ {{wildcards.n}} = 1 -o -e {tmp_path}/first ]; do sleep 0.05; done;"
                        "echo {{wildcards.n}} > {{output}}"
                rule after:
                    input: "{{n}}.txt"
                    output: "after_{{n}}.txt"
                    shell: "cp {{input}} {{output}}"
                rule slow:
                    output: "slow.txt"
                    shell: "sleep {sign}; echo slow > {{output}}"
                """
        }
    )
    running = project.start(program=("-c", LATE), SIGNS=str(tmp_path))
    wait_until((tmp_path / "handing_over").exists, "the scheduler, which wants the lock")
    wait_until(lambda: bool(processes_with(sign)), "the slow job")
    running.send_signal(signal.SIGINT)
    wait_until(lambda: not processes_with(sign), "the end of all processes")
    (tmp_path / "go").touch()
    assert project.end(running).returncode == 1
    assert project.read("1.txt") + project.read("2.txt") == "1\n2\n"
    assert project.leftovers() == []
    document = project.run_document(project.runs()[0])
    assert document["outcome"] == "interrupted" and document["jobs_finished"] == 2


# Snakemake with faults: in the conclusion of one job, when another one has been handed over, and,
# where FAULT says so, of the pool.
FAULTY = """
import os, sys
from snakemake.cli import main
from gitbatch_core.pools.local.pool import LocalPool
from snakemake_executor_plugin_gitbatch.run.report import Report
from snakemake_executor_plugin_gitbatch.run.old_outputs import Room

measure, clear, turn = Report.measure, Room.clear_folder, LocalPool._turn

def measure_some(report, status, answer):
    if answer.record.rule == "unlucky":
        raise KeyError("no such thing")
    measure(report, status, answer)

def clear_some(room, job, unchanged):
    if job.rule.name == "shut":
        raise PermissionError(13, "Permission denied", "shut.txt")
    clear(room, job, unchanged)

def no_turn(pool):
    if pool._running and os.environ.get("FAULT") == "pool":
        raise OSError(5, "Input/output error")
    return turn(pool)

Report.measure, Room.clear_folder, LocalPool._turn = measure_some, clear_some, no_turn
main(sys.argv[1:])
"""


def test_a_fault_is_one_jobs_failure_or_one_error(make_project: MakeProject) -> None:
    project = make_project(
        {
            "Snakefile": """
                rule all:
                    input: "unlucky.txt", "lucky.txt", "shut.txt"
                rule stuck:
                    output: temp("stuck/a.txt")
                    shell: "echo a > {output}; chmod a-w stuck"
                rule lucky:
                    input: "stuck/a.txt"
                    output: "lucky.txt"
                    shell: "cp {input} {output}"
                rule unlucky:
                    output: "unlucky.txt"
                    shell: "echo unlucky > {output}"
                rule shut:
                    output: "shut.txt"
                    shell: "echo shut > {output}"
                """
        }
    )
    ended = project.end(project.start("--keep-going", program=("-c", FAULTY)))
    ended.failed(
        "could not be recorded: KeyError: 'no such thing'\n",
        "This is a bug of gitbatch",
        "Permission denied: 'shut.txt'",
        "stuck/a.txt cannot be removed and stays until the run ends",
    )
    assert project.read("lucky.txt") == "a\n" and project.leftovers() == []
    document = project.run_document(project.runs()[0])
    assert document["jobs_finished"] == 2 and sorted(document["jobs_failed"]) == ["shut", "unlucky"]
    # Of no job: the run ends.
    args = ("unlucky.txt", "--gitbatch-reuse", "off")
    ended = project.end(project.start(*args, program=("-c", FAULTY), FAULT="pool"))
    ended.failed("The local pool broke: OSError: [Errno 5] Input/output error")
