"""Jobs that fail, runs that are interrupted or killed: nothing finished is lost or left."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from projects import Project, processes_with, wait_until

MakeProject = Callable[..., Project]

FAILING = {
    "Snakefile": """
        rule all:
            input: "good.txt", "bad.txt", "late.txt"
        rule good:
            output: "good.txt"
            shell: "echo good > {output}"
        rule bad:
            input: "good.txt"
            output: "bad.txt"
            log: "logs/bad.log"
            shell: "echo to the output; echo to the log > {log}; echo part > {output}; exit 3"
        rule late:
            input: "bad.txt"
            output: "late.txt"
            shell: "cp {input} {output}"
        rule killed:
            output: "killed.txt"
            shell: "kill -9 $$"
        rule again:
            output: "again.txt"
            retries: 2
            resources: attempt=lambda wildcards, attempt: attempt
            shell: "test {resources.attempt} = 3; echo {resources.attempt} > {output}"
        rule missing:
            output: "missing.txt"
            shell: "true"
        rule script:
            output: "script.txt"
            script: "fails.py"
        """,
    "fails.py": "x = 1\nraise ValueError('told by the script')\n",
}


def test_a_failing_rule_says_why(make_project: MakeProject, pool: str) -> None:
    project = make_project(FAILING, pool=pool)
    printed = (
        project.snakemake()
        .failed(
            "failed with exit status 3 on ",
            "to the output",
            "to the log",
        )
        .text
    )
    # The finished sibling is kept, the failed one's part is not; logs are there.
    assert project.read("good.txt") == "good\n"
    assert not os.path.lexists(project.path / "bad.txt")
    assert project.read("logs/bad.log") == "to the log\n"
    [line] = [line for line in printed.splitlines() if "Full output: " in line]
    assert "to the output" in Path(line.partition(": ")[2]).read_text()
    assert project.leftovers() == [] and project.tags() == []
    document = project.run_document(project.runs()[0])
    assert document["outcome"] == "failed" and document["jobs_failed"] == ["bad"]
    # What finished need not run again.
    printed = project.snakemake().failed("exit status 3").text
    assert "rule good:" not in printed


def test_more_ways_to_fail_and_retries(make_project: MakeProject, pool: str) -> None:
    project = make_project(FAILING, pool=pool)
    targets = ("killed.txt", "missing.txt", "script.txt", "again.txt")
    ended = project.snakemake("--keep-going", "--latency-wait", "1", *targets)
    ended.failed(
        "was ended by signal SIGKILL",
        "missing.txt",
        "told by the script",
        f'File "{project.path}/fails.py", line 2, in <module>',  # not the copy that was run
    )
    shown = [line for line in ended.text.splitlines() if line.startswith("    ")]
    assert not any(".snakemake/scripts" in line or "/worktrees/" in line for line in shown)
    # Three that fail, and two attempts of the one that does not.
    assert len(project.run_document(project.runs()[0])["jobs_failed"]) == 5
    assert project.read("again.txt") == "3\n"
    [record] = project.records()
    assert record["attempt"] == 3


SLOW = {
    "Snakefile": """
        rule quick:
            output: "quick.txt"
            shell: "echo quick > {output}"
        rule slow:
            input: "quick.txt"
            output: "slow.txt"
            shell:
                "(exec setsid sleep {config[sleep]}) & touch started.{config[sleep]};"
                " sleep {config[sleep]}; cp {input} {output}"
        """,
}
STUBBORN = {"Snakefile": SLOW["Snakefile"].replace("(exec", "(trap '' TERM; exec")}
_count = itertools.count()


def _start_slow(project: Project) -> tuple[object, str]:
    """A run in its slow job, and a sleep's argument that nobody else uses."""
    sign = f"{os.getpid()}{next(_count):03}"
    running = project.start("slow.txt", "--config", f"sleep={sign}")
    worktrees = project.path / ".gitbatch/worktrees"
    wait_until(lambda: bool(list(worktrees.glob(f"*/started.{sign}"))), "the slow job")
    assert processes_with(sign)
    return running, sign


def test_an_interrupt_ends_all_jobs(make_project: MakeProject, pool: str) -> None:
    # The runner, which gives such a job 5 seconds, is the same everywhere.
    project = make_project(STUBBORN if pool == "htcondor" else SLOW, pool=pool)
    running, sign = _start_slow(project)
    running.send_signal(signal.SIGINT)  # type: ignore[attr-defined]
    ended = project.end(running)  # type: ignore[arg-type]
    assert ended.returncode == 1
    wait_until(lambda: not processes_with(sign), "the end of all processes")
    assert project.read("quick.txt") == "quick\n"
    assert project.leftovers() == []
    assert project.run_document(project.runs()[0])["outcome"] == "interrupted"
    project.snakemake("slow.txt", "--config", "sleep=0").ok()


def test_a_killed_run_is_cleared_away_later(make_project: MakeProject) -> None:
    project = make_project(SLOW)
    running, sign = _start_slow(project)
    os.kill(running.pid, signal.SIGKILL)  # type: ignore[attr-defined]
    project.end(running)  # type: ignore[arg-type]
    # On this machine, jobs end with the process that waits for them.
    wait_until(lambda: not processes_with(sign), "the end of all processes")
    assert project.leftovers() != []
    assert project.read("quick.txt") == "quick\n"
    project.plain("--unlock").ok()
    printed = project.snakemake("slow.txt", "--rerun-incomplete", "--config", "sleep=0").ok().text
    assert "rule quick:" not in printed
    assert project.leftovers() == []


def test_a_killed_run_keeps_its_worktree_while_htcondor_has_its_jobs(
    make_project: MakeProject, htcondor_pool: Path
) -> None:
    project = make_project(SLOW, pool="htcondor")
    running, sign = _start_slow(project)
    os.kill(running.pid, signal.SIGKILL)  # type: ignore[attr-defined]
    project.end(running)  # type: ignore[arg-type]
    before = project.leftovers()
    project.plain("--unlock").ok()
    project.snakemake("quick.txt", "--force", "--config", "sleep=0").ok()
    assert processes_with(sign) and project.leftovers() == before
    [run] = [path.name for path in (project.path / ".git/gitbatch/runs").iterdir()]
    subprocess.run(["condor_rm", "-constraint", f'GitbatchRun == "{run}"'], check=True)
    wait_until(lambda: not processes_with(sign), "the end of all processes")
    project.snakemake("quick.txt", "--force", "--config", "sleep=0").ok()
    assert project.leftovers() == []


def test_a_finished_temporary_output_survives_a_kill(make_project: MakeProject) -> None:
    snakefile = SLOW["Snakefile"].replace('output: "quick.txt"', 'output: temp("quick.txt")')
    project = make_project({"Snakefile": snakefile})
    running, sign = _start_slow(project)
    os.kill(running.pid, signal.SIGKILL)  # type: ignore[attr-defined]
    project.end(running)  # type: ignore[arg-type]
    wait_until(lambda: not processes_with(sign), "the end of all processes")
    project.plain("--unlock").ok()
    printed = project.snakemake("slow.txt", "--rerun-incomplete", "--config", "sleep=0").ok().text
    assert "rule quick:" not in printed and project.read("slow.txt") == "quick\n"
    assert not os.path.lexists(project.path / "quick.txt") and project.leftovers() == []


def test_a_second_interrupt_leaves_nothing_either(make_project: MakeProject) -> None:
    project = make_project(STUBBORN)
    running, sign = _start_slow(project)
    for _ in range(3):
        running.send_signal(signal.SIGINT)  # type: ignore[attr-defined]
        time.sleep(0.3)
    # The last one may come when all is cleared away and Snakemake itself is what it ends.
    assert project.end(running).returncode in (1, -signal.SIGINT)  # type: ignore[arg-type]
    wait_until(lambda: not processes_with(sign), "the end of all processes")
    assert project.leftovers() == []


def test_local_rules_share_the_cores(make_project: MakeProject, pool: str) -> None:
    project = make_project(
        {
            "Snakefile": """
                localrules: a
                rule all:
                    input: expand("{n}.txt", n=range(4))
                rule a:
                    output: "{n}.txt"
                    shell: "date +%s.%N > {output}; sleep 0.3; date +%s.%N >> {output}"
                """,
        },
        pool=pool,
    )
    project.snakemake("--cores", "1", "--local-cores", "1").ok()
    spans = sorted(tuple(project.read(f"{n}.txt").split()) for n in range(4))
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans)), spans


def test_a_job_that_rewrites_the_commit_taints_the_run(make_project: MakeProject) -> None:
    project = make_project(
        {
            "Snakefile": """
                rule a:
                    output: "a.txt"
                    shell: "touch {output}; test -e {config[quiet]} || "
                        "(chmod u+w code.txt; echo x >> code.txt; echo > extra)"
                rule b:
                    output: "b.txt"
                    shell: "touch {output}"
                """,
            "code.txt": "code\n",
        }
    )
    quiet = ("--config", f"quiet={project.path.parent / 'quiet'}")
    printed = project.snakemake("a.txt", *quiet).ok().text
    assert "TAINTED" in printed and "code.txt" in printed
    assert "extra  (rule a)" in printed
    assert project.tags() == [] and project.read("code.txt") == "code\n"
    assert project.run_document(project.runs()[0])["tainted"] == ["code.txt"]

    # What it has made stays told apart, also where a run takes it over.
    printed = project.snakemake("a.txt", *quiet).ok().text
    assert "1 result is up to date for Snakemake, but made by a tainted run" in printed
    assert "Nothing to be done" in printed
    printed = project.snakemake("a.txt", "b.txt", *quiet).ok().text
    assert "1 output was made by a tainted run" in printed
    outputs = project.run_document(project.tags()[0])["outputs"]
    assert [each.get("tainted") for each in outputs] == [True, None]
    (project.path.parent / "quiet").touch()
    printed = project.snakemake("a.txt", "b.txt", *quiet, "--gitbatch-stale", "rerun").ok().text
    assert "It will be made again" in printed and "1 job done" in printed
    printed = project.snakemake("a.txt", "b.txt", *quiet).ok().text
    assert "tainted" not in printed and "Nothing to be done" in printed


def test_a_job_cannot_write_to_the_commit(make_project: MakeProject, pool: str) -> None:
    project = make_project(
        {
            "Snakefile": """
                rule a:
                    input: "code.txt"
                    output: "a.txt"
                    shell: "touch {output}; echo x >> {input}"
                """,
            "code.txt": "code\n",
        },
        pool=pool,
    )
    project.snakemake("a.txt").failed("Permission denied")


def test_secrets_are_found_nowhere(make_project: MakeProject, pool: str, tmp_path: Path) -> None:
    marker = "s3cret-m4rker-" + os.urandom(8).hex()
    quoted, number = f'it\'s "{marker}"', str(int.from_bytes(os.urandom(6)) + 10**12)
    project = make_project(
        {
            "Snakefile": """
                import os
                envvars: "TOKEN", "QUOTED", "PIN", "HOME"
                rule quoted:
                    output: "quoted.txt"
                    log: "quoted.log"
                    params: token=os.environ["QUOTED"], pin=int(os.environ["PIN"])
                    shell: "echo {params.token:q} {params.pin} $HOME > {log}; echo > {output}"
                rule a:
                    output: "a.txt"
                    log: "a.log"
                    params: token=os.environ["TOKEN"]
                    shell: 'test -n "$TOKEN"; echo $TOKEN; echo $TOKEN > {log}; echo > {output}'
                rule b:
                    output: "b.txt"
                    log: "b.log"
                    shell: 'echo $TOKEN; echo $TOKEN > {log}; exit 1'
                """,
        },
        pool=pool,
    )
    secrets = {"TOKEN": marker, "QUOTED": quoted, "PIN": number}
    project.snakemake("a.txt", "quoted.txt", **secrets, OTHER="x").ok()
    project.snakemake("b.txt", **secrets).failed("***")
    for record in project.records():
        assert "TOKEN" in record["environment"]["names"]
    assert os.environ["HOME"] in project.read("quoted.log")  # no secret: every job has it
    places = [project.path]
    if folder := os.environ.get("GITBATCH_TEST_POOL"):
        places.append(Path(folder))
    for place in places:
        for path in place.rglob("*"):
            # Snakemake's own record of params is as with any executor.
            if path.is_file() and ".snakemake/metadata" not in str(path):
                content = path.read_bytes()
                assert marker.encode() not in content and number.encode() not in content, path
    log = project.git("log", "--all", "--patch")
    assert marker not in log and number not in log
    shown = project.git("for-each-ref", "--format=%(contents)")
    assert marker not in shown


def test_a_secret_is_no_file_name(make_project: MakeProject) -> None:
    project = make_project(
        {
            "Snakefile": """
                import os
                envvars: "SAMPLE"
                rule a:
                    output: os.environ["SAMPLE"] + "/a.txt"
                    shell: "echo > {output}"
                """
        }
    )
    project.snakemake("a", SAMPLE="sample-1").failed("envvars: declares", "use --config")


def test_the_environment_is_stated(make_project: MakeProject, pool: str) -> None:
    project = make_project(
        {
            "Snakefile": """
                rule a:
                    output: "a.txt"
                    shell: "env > {output}"
                """,
        },
        pool=pool,
    )
    project.snakemake("a.txt", UNDECLARED="leaks", LC_ALL="C.UTF-8").ok()
    names = {line.partition("=")[0] for line in project.read("a.txt").splitlines()}
    assert {"HOME", "PATH", "LC_ALL"} <= names
    assert "UNDECLARED" not in names and not {n for n in names if n.startswith("_CONDOR")}


def test_a_refused_job_is_still_to_be_run(make_project: MakeProject) -> None:
    snakefile = "rule a:\n  output: protected('a.txt')\n  shell: 'echo WORD > {output}'\n"
    project = make_project({"Snakefile": snakefile.replace("WORD", "old")})
    project.snakemake("a.txt").ok()
    project.commit({"Snakefile": snakefile.replace("WORD", "new")})
    project.snakemake("a.txt").failed("rotected output")
    # Snakemake must not take the old output for one of the new rule.
    assert "Code has changed" in project.plain("-n", "a.txt").ok().text


def test_a_failed_update_is_still_to_be_done(make_project: MakeProject) -> None:
    snakefile = "rule a:\n  output: update('a.txt')\n  shell: 'echo old >> {output}; COMMAND'\n"
    project = make_project({"Snakefile": snakefile.replace("COMMAND", "true")})
    project.snakemake("a.txt").ok()
    project.commit({"Snakefile": snakefile.replace("COMMAND", "false")})
    project.snakemake("a.txt", "-q").failed("Error in rule a: The job failed with exit status 1")
    assert project.read("a.txt") == "old\n"
    assert "Nothing to be done" not in project.plain("-n", "--rerun-incomplete", "a.txt").text
    project.commit({"Snakefile": snakefile.replace("COMMAND", "echo new >> {output}")})
    project.snakemake("a.txt", "--rerun-incomplete").ok()
    assert project.read("a.txt") == "old\nold\nnew\n"


def test_errors_are_never_quiet(make_project: MakeProject, pool: str) -> None:
    project = make_project(
        {
            "Snakefile": """
                rule a:
                    output: "a.txt"
                    shell: "echo the disk is on fire >&2; exit 7"
                rule b:
                    output: "b.txt"
                    group: "together"
                    shell: "echo the roof is too >&2; exit 8"
                """,
        },
        pool=pool,
    )
    for quiet in (["-q"], ["-q", "all"], ["-q", "progress", "rules", "host"]):
        ended = project.snakemake("a.txt", "b.txt", "--keep-going", *quiet)
        ended.failed("rule a", "exit status 7", "the disk is on fire")
        ended.failed("exit status 8", "the roof is too", "Full output: ")
    project.write({"Snakefile": project.read("Snakefile") + "\n"})
    project.snakemake("a.txt", "-q", "all").failed("modified:    Snakefile", "git add")
