"""The end of a run for people: what it has cost, and who is told."""

from __future__ import annotations

import csv
import json
import signal
import time
from collections.abc import Callable

from projects import Project

MakeProject = Callable[..., Project]

WORKFLOW = {
    "Snakefile": """
        envvars: "TOKEN"
        rule all:
            input: "again.txt", "bad.txt"
        rule again:
            output: "again.txt"
            retries: 1
            threads: 2
            resources: mem_mb=500, attempt=lambda wildcards, attempt: attempt
            shell: "test {resources.attempt} = 2; echo > {output}"
        rule bad:
            output: "bad.txt"
            log: "bad.log"
            shell: "echo in vain: $TOKEN > {log}; exit 3"
        rule slow:
            output: "slow.txt"
            shell: "touch {config[go]}; sleep 100; touch {output}"
        rule missing:
            input: "nowhere/{name}.txt"
            output: "{name}.out"
            shell: "touch {output}"
        """,
}
TELL = "cat > told.txt; env | grep ^GITBATCH_ > facts.txt; echo $TOKEN"


def told(project: Project) -> tuple[str, dict[str, str]]:
    facts = dict(line.split("=", 1) for line in project.read("facts.txt").splitlines())
    return project.read("told.txt"), facts


def test_a_run_that_fails(make_project: MakeProject, pool: str) -> None:
    project = make_project(WORKFLOW, pool=pool)
    printed = (
        project.snakemake(
            *("--keep-going", "--gitbatch-efficiency-report", "reports/jobs.csv"),
            *("--gitbatch-notify", TELL),
            TOKEN="secret-token",
        )
        .failed("jobs: 1 done, 1 failed, 1 attempt repeated")
        .text
    )
    # The table is as wide as a terminal.
    assert max(map(len, printed[printed.index("jobs: 1 done") :].splitlines()[:5])) <= 100
    with (project.path / "reports/jobs.csv").open(newline="") as file:
        rows = {(row["RuleName"], row["Attempt"]): row for row in csv.DictReader(file)}
    assert {key: row["State"] for key, row in rows.items()} == {
        ("again", "1"): "failed",
        ("again", "2"): "done",
        ("bad", "1"): "failed",
    }
    again = rows["again", "2"]
    assert (again["NCPUS"], again["RequestedMem_MB"]) == ("2", "500.0")
    for name in ("Elapsed_sec", "TotalCPU_sec", "MaxRSS_MB", "CPU Efficiency (%)"):
        assert float(again[name]) > 0
    assert float(again["Waited_sec"]) >= 0 and again["Host"]
    run = project.runs()[0]
    document = project.run_document(run)
    [job] = document["jobs"].values()
    assert job["request"]["cpus"] == 2 and job["usage"]["memory_mb"] > 0
    assert job["waited_s"] >= 0
    assert document["costs"]["jobs"] == {"done": 1, "failed": 1, "cancelled": 0, "repeated": 1}
    text, facts = told(project)
    assert facts["GITBATCH_STATE"] == "failed" and facts["GITBATCH_REF"] == run
    assert facts["GITBATCH_RUN"] == document["run"] and facts["GITBATCH_JOBS_FAILED"] == "1"
    assert "bad:\n    The job failed with exit status 3 on" in text and "in vain: ***" in text
    assert "again:" not in text  # its second attempt was good
    assert f" {run} && git checkout FETCH_HEAD" in text and "jobs: 1 done" in text
    assert "secret-token" not in text + printed


def test_a_run_that_succeeds_can_be_fetched_as_it_is_told(
    make_project: MakeProject,
) -> None:
    project = make_project(WORKFLOW)
    ended = project.snakemake(
        *("again.txt", "--gitbatch-efficiency-report", "jobs.json", "--gitbatch-notify", TELL),
        TOKEN="secret-token",
    ).ok()
    assert "could not be notified" not in ended.text
    text, facts = told(project)
    [tag] = project.tags()
    assert (facts["GITBATCH_STATE"], facts["GITBATCH_REF"]) == ("succeeded", f"refs/tags/{tag}")
    assert facts["GITBATCH_COMMIT"] == project.git("rev-parse", tag).strip()
    [show] = [line for line in text.splitlines() if "git show" in line]
    assert "again.txt" in project.git(*show.partition("git ")[2].split())
    assert len(json.loads(project.read("jobs.json"))["jobs"]) == 2


def test_a_run_that_is_interrupted(make_project: MakeProject) -> None:
    project = make_project(WORKFLOW)
    go = project.path.parent / "go"
    running = project.start(
        *("slow.txt", "--config", f"go={go}", "--gitbatch-efficiency-report", "jobs.csv"),
        *("--gitbatch-notify", TELL),
        TOKEN="secret-token",
    )
    while not go.exists():
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    project.end(running)
    text, facts = told(project)
    assert facts["GITBATCH_STATE"] == "interrupted" and "jobs: 1 cancelled" in text
    with (project.path / "jobs.csv").open(newline="") as file:
        [row] = csv.DictReader(file)
    assert row["State"] == "cancelled" and float(row["Elapsed_sec"]) > 0


def test_a_run_that_cannot_be_ended(make_project: MakeProject) -> None:
    project = make_project(WORKFLOW)
    heads = project.path / ".git" / "refs" / "gitbatch"
    heads.write_text("nothing can be a folder here\n")
    ended = project.snakemake("again.txt", "--gitbatch-notify", TELL, TOKEN="secret-token")
    ended.failed("The run could not be ended")
    text, facts = told(project)
    assert facts["GITBATCH_STATE"] == "failed" and facts["GITBATCH_COMMIT"] == ""
    assert "The run could not be ended" in text and "jobs: 1 done" in text
    # The job is done: once it can be, the same command ends the run, and runs nothing.
    heads.unlink()
    again = project.snakemake("again.txt", TOKEN="secret-token").ok().text
    assert "succeeded: 1 job done" in again and "Nothing to be done" in again
    assert len(project.tags()) == 1 and project.leftovers() == []


def test_settings_that_cannot_be_used(make_project: MakeProject) -> None:
    project = make_project(WORKFLOW)
    for option, value, words in (
        ("--gitbatch-efficiency-report", "Snakefile/jobs.csv", "cannot be written"),
        ("--gitbatch-efficiency-report", "jobs.txt", "neither .csv nor .json"),
        ("--gitbatch-notify", "a@b,c@d", "is no mail address"),
    ):
        project.snakemake("again.txt", option, value, TOKEN="secret-token").failed(words)
    assert project.runs() == [] and project.leftovers() == []
    # What goes wrong later harms nothing.
    tell = "rm -rf reports; exit 3"
    said = project.snakemake("again.txt", "--gitbatch-notify", tell, TOKEN="secret-token").ok()
    assert "could not be notified: exit status 3" in said.text


def test_verbose_shows_what_is_passed_over(make_project: MakeProject) -> None:
    project = make_project(
        {"Snakefile": "rule a:\n    output: 'a.txt'\n    shell: 'touch {output}'\n"}
    )
    project.snakemake("a.txt").ok()
    [record] = project.archive.glob("records/*/*/*.json")
    record.chmod(0o644)
    record.write_text(json.dumps(json.loads(record.read_text()) | {"outputs": 5}))
    passed_over = "DEBUG gitbatch_core.run.reusable_records: "
    for arguments in ((), ("--verbose",)):
        (project.path / "a.txt").unlink()
        printed = project.snakemake("a.txt", "--gitbatch-reuse", "on", *arguments).ok().text
        assert (passed_over in printed) == bool(arguments), printed
        for later in {*project.archive.glob("records/*/*/*.json")} - {record}:
            later.chmod(0o644)
            later.unlink()
