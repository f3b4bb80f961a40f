"""Resources as the pool and the job see them: all keys of snakemake-executor-plugin-htcondor."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import Project

WRAPPER = """\
    #!/bin/sh
    export WRAPPED=yes
    exec "$@"
    """


def ads(project: Project, *attributes: str) -> dict[str, list[str]]:
    """What the history has of the run's jobs, unevaluated, by rule."""
    run = project.runs()[-1].rpartition("/")[2]
    names = ("GitbatchRule", *attributes)
    printed = subprocess.run(
        ["condor_history", "-constraint", f'GitbatchRun == "{run}"', "-af:rt", *names],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    rows = [line.split("\t") for line in printed.splitlines()]
    return {row[0].strip('"'): row[1:] for row in rows}


def test_every_key_arrives(
    make_project: Callable[..., Project], htcondor_pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SITE_PASS", "open-sesame-17")
    monkeypatch.setenv("OTHER_PASS", "not-for-jobs-18")
    project = make_project(
        {
            "wrappers/w.sh": WRAPPER,
            "Snakefile": r"""
                rule all:
                    input: "a", "b", "c"
                rule a:
                    output: "a"
                    threads: 2
                    resources:
                        request_memory="200 MB", htcondor_request_disk_mb=30,
                        retry_request_memory="RequestMemory * 3",
                        requirements="Memory > 10 && OpSys == \"LINUX\"", rank="Memory",
                        classad_Project="a \"b\" $(c)", classad_Urgent=7,
                        htcondor_submit_priority=-2, htcondor_submit_MY__Site="x y",
                        max_retries=1, allowed_job_duration=3600, job_wrapper="wrappers/w.sh",
                        stream_output=True, preserve_relative_paths=True, network=1,
                        getenv="SITE_*", environment="COLOR=blue TWO='a b'",
                        concurrency_limits="licence"
                    shell: "env > {output}"
                rule b:
                    output: "b"
                    resources: mem_mb=300, disk_mib=20, runtime=90
                    shell: "env > {output}"
                rule c:
                    output: "c"
                    resources: getenv=True, universe="vanilla", mem="0.5GB"
                    shell: "env > {output}"
            """,
        },
        pool="htcondor",
    )
    (project.path / "wrappers/w.sh").chmod(0o755)
    project.commit()
    project.snakemake().ok()
    found = ads(
        project,
        "RequestCpus", "GitbatchMemory", "RequestDisk", "Project", "Urgent", "JobPrio", "Site",
        "JobMaxRetries", "AllowedJobDuration", "AllowedExecuteDuration", "Rank",
        "ConcurrencyLimits", "JobUniverse",
    )  # fmt: skip
    assert found["a"] == [
        "2", "{ 200,(200) * 3 }", "30720", 'strcat("a \\"b\\" $","(c)")', "7", "-2", '"x y"',
        "1", "3600", "undefined", "Memory", '"licence"', "5",
    ]  # fmt: skip
    assert found["b"][1:3] == ["{ 287,574,1148,2296 }", "262144"], "Snakemake's MB in MiB"
    assert found["b"][9] == "5400"
    assert found["c"][1].startswith(("{ 477,", "{ 500,"))
    a, b, c = (project.read(name).splitlines() for name in "abc")
    assert {"WRAPPED=yes", "SITE_PASS=open-sesame-17", "COLOR=blue", "TWO=a b"} <= {*a}
    assert not any(line.startswith(("SITE_PASS", "COLOR", "WRAPPED", "OTHER_PASS")) for line in b)
    assert {"SITE_PASS=open-sesame-17", "OTHER_PASS=not-for-jobs-18"} <= {*c}
    assert not any("OTHER_PASS" in line for line in a)
    assert not any(line.startswith("PWD=") and str(project.path / ".git") not in line for line in c)
    records = {record["rule"]: record for record in project.records()}
    names = records["a"]["environment"]["names"]
    assert {"SITE_PASS", "COLOR", "TWO"} <= {*names}
    text = str(records)
    assert "open-sesame" not in text and "not-for-jobs" not in text and "blue" not in text
    assert records["a"]["members"][0]["resources"]["network"] == 1


def test_what_cannot_be_honoured_is_refused_before_it_is_submitted(
    make_project: Callable[..., Project], htcondor_pool: Path
) -> None:
    bad = {
        "universe": ('universe="grid"', "universe = grid"),
        "container": ('universe="container"', "needs the resource container_image"),
        "stdin": ('input="x"', "the resource input cannot be honoured"),
        "send": ('htcondor_transfer_input_files="x"', "declare it as input"),
        "log": ('htcondor_submit_log="/x"', "is set by gitbatch itself"),
        "iwd": ('classad_Iwd="/x"', "is set by gitbatch itself"),
        "secret": ('classad_Token="hidden-4711"', "holds the value of a secret (A_TOKEN)"),
        "number": ('htcondor_request_mem_mb="2 GB"', "is no number of MiB"),
        "wrapper": ('job_wrapper="missing.sh"', "is no program that the commit has"),
        "environment": ('environment="A B"', "is no NAME=value"),
        "retry": (
            'request_memory="Memory", retry_request_memory="9"',
            "needs a number as request_memory",
        ),
        "syntax": ('requirements="(Memory >"', "is no ClassAd expression"),
        "cpus": ("request_cpus=640", "asks for 640 CPUs; the largest slot has"),
        "memory": ('request_memory="900 TB"', "of memory; the largest slot has"),
        "gpus": ("gpu_model=3090", "asks for 1 GPU; the largest slot has none"),
        "kind": ('gpus="a100"', "the resource gpus='a100' is no number"),
        "more": ('gpus="3"', "asks for 3 GPUs; the largest slot has none"),
        "licences": ("request_licences=2", "asks for licences=2; the largest slot has none"),
        "lines": (r'classad_Note="a\nb"', "HTCondor cannot carry line breaks"),
        "machine": ("requirements='Machine == \"no.such\"'", "has the requirements"),
    }
    rules = "".join(
        f"rule {name}:\n    output: '{name}'\n    resources: {given}\n    shell: 'touch {name}'\n"
        for name, (given, _) in bad.items()
    )
    targets = ", ".join(repr(name) for name in [*bad, "fine"])
    project = make_project({}, pool="htcondor", commit=False)
    (project.path / "Snakefile").write_text(
        f"envvars: 'A_TOKEN'\nrule all:\n    input: {targets}\n{rules}"
        "rule fine:\n    output: 'fine'\n    shell: 'touch fine'\n"
    )
    project.commit()
    ended = project.snakemake("--keep-going", "--jobs", "50", A_TOKEN="hidden-4711")
    ended.failed(
        " failed: 1 job done", *(words for _, words in bad.values()), "--gitbatch-unmatched wait"
    )
    assert (project.path / "fine").exists()
    assert [*ads(project)] == ["fine"]
    project.snakemake("more", A_TOKEN="x").failed(" failed: 0 jobs done")
    document = project.run_document(project.runs()[-1])
    assert document["outcome"] == "failed" and document["jobs_failed"] == ["more"]


def test_max_retries_are_htcondors(
    make_project: Callable[..., Project], htcondor_pool: Path, tmp_path: Path
) -> None:
    project = make_project(
        {
            "Snakefile": f"""
                rule a:
                    output: "a"
                    resources: max_retries=2
                    shell: "echo x >> {tmp_path}/tries; test $(wc -l < {tmp_path}/tries) = 2"
                           " && cp {tmp_path}/tries {{output}}"
            """
        },
        pool="htcondor",
    )
    ended = project.snakemake().ok()
    assert project.read("a") == "x\nx\n"
    assert "it runs again" in ended.text


def test_on_this_machine_only_the_process_is_shaped(make_project: Callable[..., Project]) -> None:
    project = make_project(
        {
            "w.sh": WRAPPER,
            "Snakefile": """
                rule all:
                    input: "a", "b"
                rule a:
                    output: "a"
                    resources:
                        universe="grid", rank="(", environment="COLOR=blue", job_wrapper="w.sh"
                    shell: "echo $COLOR $WRAPPED > {output}"
                rule b:
                    output: "b"
                    resources: classad_Project="x"
                    shell: "touch {output}"
            """,
        }
    )
    (project.path / "w.sh").chmod(0o755)
    project.commit()
    ended = project.snakemake("--cores", "1").ok()
    assert project.read("a") == "blue yes\n"
    assert ended.text.count("Only HTCondor uses resources") == 1
