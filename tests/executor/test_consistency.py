"""A job is the same one in the worktree as in the user's folder, or it does not run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from projects import Project

MakeProject = Callable[..., Project]


def test_what_differs_where_the_job_runs(make_project: MakeProject) -> None:
    project = make_project(
        {
            "Snakefile": """
                import os, random, time
                config["chance"] = random.random()

                rule all:
                    input: "same.txt", "params.txt", "command.txt", "input.txt", "config.txt"
                rule same:
                    output: "same.txt"
                    shell: "echo > {output}"
                rule params:
                    output: "params.txt"
                    params: sure=1, chance=lambda wildcards: random.random()
                    shell: "echo > {output}"
                rule command:
                    output: "command.txt"
                    shell: f"echo {time.time_ns()} > {{output}}"
                rule input:
                    input: "a.txt" if "worktrees" not in os.getcwd() else "b.txt"
                    output: "input.txt"
                    shell: "cp {input} {output}"
                rule configured:
                    output: "config.txt"
                    run:
                        open(output[0], "w").write(str(config["chance"]))
                """,
            "a.txt": "a\n",
            "b.txt": "b\n",
        }
    )
    text = project.snakemake("all", "--keep-going").failed().text
    assert (project.path / "same.txt").exists()
    for rule, what in {
        "params": "params.chance",
        "command": "command.text",
        "input": "inputs[0].path\n        run: a.txt\n        job: b.txt",
    }.items():
        assert not (project.path / f"{rule}.txt").exists()
        assert f"The job of rule {rule} is not what it was" in text
        assert what in text, text
    assert "The configuration is not what it was" in text and "config.chance" in text
    assert "params.sure" not in text
    assert not (project.path / "config.txt").exists()


def test_what_is_the_same_where_the_job_runs(make_project: MakeProject, pool: str) -> None:
    """Other paths, later values, limits and settings that hurt: none of them is a difference."""
    message = r"""it's "quoted" \ $(touch HACK) {x} 100%"""
    project = make_project(
        {
            "Snakefile": """
                import os
                from pathlib import Path

                rule all:
                    input:
                        os.path.abspath("paths.txt"), "later.txt", "limits.txt", "said.txt",
                        "scripted.txt"
                rule paths:
                    input: Path(workflow.basedir) / "data.txt"
                    output: os.path.join(os.getcwd(), "paths.txt")
                    params: here=os.getcwd(), script=workflow.basedir + "/data.txt"
                    shell: "test {params.here} = $PWD; cat {input} {params.script} > {output}"
                rule later:
                    input: "data.txt"
                    output: "later.txt"
                    resources: mem_mb=lambda wildcards, input, attempt: int(input.size) * attempt
                    params: folder=lambda wildcards, resources: f"in {resources.tmpdir}"
                    shell: "test -d {resources.tmpdir}; echo {resources.mem_mb} > {output}"
                rule limits:
                    output: "limits.txt"
                    threads: 64
                    resources: load=7
                    params: half=lambda wildcards, threads: threads // 2
                    shell: "echo {threads} {resources.load} {params.half} > {output}"
                rule said:
                    output: "said.txt"
                    params: lambda wildcards: config["message"]
                    shell: "printf %s {params:q} > {output}"
                rule scripted:
                    output: "scripted.txt"
                    params: {1: (2, {3.5}), "none": None}
                    run:
                        assert type(config["number"]) is int
                        Path(output[0]).write_text(config["message"] + repr(params[0]))
                """,
            "data.txt": "data\n",
        },
        pool=pool,
    )
    settings = [
        *("--resources", "load=3", "--max-threads", "2"),
        *("--config", f"message={message}", "number=7", "nested={'a': [1, 'b']}"),
    ]
    project.snakemake(*settings).ok()
    assert project.read("paths.txt") == "data\ndata\n"
    assert project.read("later.txt") == "5\n"
    assert project.read("limits.txt") == "2 3 1\n"
    assert project.read("said.txt") == message
    assert project.read("scripted.txt") == message + repr({1: (2, {3.5}), "none": None})
    project.nothing_to_do("all", *settings)
    assert not list(project.path.rglob("HACK"))


def test_a_machine_limits_threads(make_project: MakeProject) -> None:
    """Record, params and command say how many the job had."""
    project = make_project(
        {
            "Snakefile": """
                rule a:
                    output: "a.txt"
                    threads: 5000
                    shell: "echo {threads} > {output}"
                """
        }
    )
    project.snakemake("a").ok()
    [record] = project.records()
    assert record["members"][0]["threads"] == int(project.read("a.txt")) < 5000


def test_inputs_keep_their_order(make_project: MakeProject, tmp_path: Path) -> None:
    """A listing comes in any order; the job has the one of the access point, which is recorded."""
    project = make_project(
        {
            "Snakefile": """
                import glob, os
                found = glob.glob("data/*")
                if "worktree" in os.getcwd():
                    found.reverse()

                rule a:
                    input: "Snakefile", named=found, last="data/1"
                    output: "a.txt"
                    run:
                        assert input[0] == "Snakefile" and input.last == "data/1"
                        assert list(input.named) == input[1:-1]
                        open(output[0], "w").write(" ".join(input.named))
                """,
            **{f"data/{n}": "" for n in range(5)},
        }
    )
    project.snakemake("a").ok()
    [record] = project.records()
    inputs = record["members"][0]["inputs"]
    assert [each["path"] for each in inputs][1:-1] == project.read("a.txt").split()
    assert [each.get("name") for each in inputs] == [None, *["named"] * 5, "last"]


def test_ways_back_into_the_users_folder(make_project: MakeProject) -> None:
    """However they are spelled. What only that folder has, an environment say, is no such way."""
    project = make_project({"my data/x.txt": "x\n", "data/x.txt": "x\n", "lib/own.py": "W = 'c'\n"})
    top = project.path
    ways = {
        "spaces": f"cat '{top}/my data/x.txt' > {{output}}",
        "list": f"D={top}/data:/tmp; cat ${{{{D%%:*}}}}/x.txt > {{output}}",
        "top": f"cd {top} && cat data/x.txt; echo > {{output}}",
        "home": f"cat ~/{top.name}/data/x.txt > {{output}}",
        # It edits the user's modules, and takes the commit's.
        "good": f"P={top.parent}; echo > $P/{top.name}/lib/own.py;"
        f"{top}/venv/run 'import own; print(own.W)' > {{output}}",
    }
    rules = [
        f'rule {name}:\n  output: "{name}.txt"\n  shell: """{way}"""\n'
        for name, way in ways.items()
    ]
    project.commit({"Snakefile": "".join(rules), ".gitignore": ".snakemake/\nvenv/\n"})
    project.write({"venv/run": f'#!/bin/sh\nexec {sys.executable} -c "$1"\n'})
    (top / "venv/run").chmod(0o755)
    path = f"{top}/lib:{os.environ.get('PYTHONPATH', '')}"
    targets = [f"{name}.txt" for name in ways]
    text = (
        project.snakemake("--keep-going", *targets, PYTHONPATH=path, HOME=str(top.parent))
        .failed()
        .text
    )
    for name in ways:
        refused = f"of rule {name}, is an absolute path into the repository" in text
        assert refused == (not (top / f"{name}.txt").exists()) == (name != "good"), name
    assert project.read("good.txt") == "c\n"


def test_differences_outside_of_the_command(make_project: MakeProject) -> None:
    project = make_project(
        {
            "Snakefile": """
                import os, random
                rule log:
                    output: "log.txt"
                    log: f"logs/{random.random()}.log"
                    run:
                        open(output[0], "w").close()
                rule container:
                    output: "container.txt"
                    container: "docker://image:" + os.environ.get("TAG", "none")
                    shell: "echo > {output}"
                rule folder:
                    output: expand("folder/{n}", n=random.sample("abcde", 5))
                    run:
                        for path in output:
                            open(path, "w").write(path)
                """,
        }
    )
    targets = ["log.txt", "container.txt", "folder/a"]
    text = project.snakemake("--keep-going", *targets, TAG="7").failed("logs[0]", "image:7").text
    assert "software.container" in text and "rule folder is not" not in text
    assert project.read("folder/b") == "folder/b"
