"""What follows a checkpoint is known only when that has ended: nothing that a run has found out
before may be taken for all that there is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

from projects import Project, counts

MakeProject = Callable[..., Project]

BROUGHT = {
    "Snakefile": """
        rule all:
            input: "out/all.txt", "out/logs.txt", "out/late.txt", "out/owner.json"

        # Only the checkpoint asks for these.
        rule prepare:
            input: "raw/data.txt"
            output: "out/prepared.txt"
            shell: "cat {input} > {output}"
        rule first:
            output: temp("out/first.txt")
            group: "before"
            shell: "echo first > {output}"
        rule second:
            input: "out/first.txt"
            output: "out/second.txt"
            group: "before"
            shell: "cat {input} > {output}"

        checkpoint split:
            input: "out/prepared.txt", "out/second.txt"
            output: directory("out/parts")
            log: "out/split.log"
            shell: "mkdir {output}; for i in $(cat {input[0]}); do echo $i > {output}/$i; done"
        rule each:
            input: "out/parts"
            output: "out/each/{x}.txt"
            log: "out/each/{x}.log"
            benchmark: "out/each/{x}.tsv"
            shell: "cat {input}/{wildcards.x} > {output}; echo log {wildcards.x} > {log}"
        rule plain:
            output: "out/plain/{x}.txt"
            shell: "echo plain > {output}"
        rule copy:
            input: "out/each/{x}.log", "out/each/{x}.tsv", "out/each/{x}.txt", "out/plain/{x}.txt"
            output: "out/{x}.copy"
            shell: "cat {input[0]} {input[2]} {input[3]} > {output}; test -e {input[1]}"
        def names(folder):
            return sorted(glob_wildcards(folder + "/{x}").x)
        def after(pattern):
            return lambda w: expand(pattern, x=names(checkpoints.split.get().output[0]))
        rule gather:
            input: after("out/{x}.copy")
            output: "out/all.txt"
            shell: "cat {input} > {output}"
        rule logs:
            input: after("out/each/{x}.log")
            output: "out/logs.txt"
            shell: "cat {input} > {output}"
        rule late:
            input: lambda w: checkpoints.split.get() and "out/first.txt"
            output: "out/late.txt"
            shell: "cat {input} > {output}"
        rule planned:
            input: "out/all.txt"
            output: "out/owner.json"
            shell: "cat $(git rev-parse --git-common-dir)/gitbatch/runs/*/owner.json > {output}"
        """,
    ".gitignore": "/out/\n/raw/\n.snakemake/\n",
}
MARK = ".snakemake_timestamp"


def test_what_a_checkpoint_brings(make_project: MakeProject, pool: str) -> None:
    """Logs, benchmarks, temporary outputs and results of plain Snakemake as inputs; and what was
    made for the checkpoint alone."""
    project = make_project(BROUGHT, pool=pool)
    project.write({"raw/data.txt": "1\n2\n"})
    project.gitbatch("freeze", "raw/data.txt").ok()
    project.plain("--cores", "1", "out/plain/1.txt").ok()
    project.snakemake().ok()
    copies = "".join(f"log {x}\n{x}\nplain\n" for x in "12")
    # The file by which Snakemake dates a folder: whoever lists that sees it here and in the job.
    assert project.read("out/all.txt") == f"log {MARK}\nplain\n" + copies
    assert project.read("out/late.txt") == "first\n"
    [tag] = project.tags()
    tree = project.git("ls-tree", "-r", "--name-only", tag).split()
    assert {"raw/data.txt", "out/prepared.txt", "out/second.txt", "out/parts/2"} <= {*tree}
    document = project.run_document(tag)
    assert document["undeclared"] == [] and document["tainted"] == []
    assert {o["path"] for o in document["outputs"] if "job" not in o} == {"out/plain/1.txt"}
    planned = json.loads(project.read("out/owner.json"))["about"]["jobs"]
    # The group's two are one to nobody but the pool.
    assert planned == document["jobs_finished"] + 1
    assert project.leftovers() == []
    project.nothing_to_do()


def test_a_checkpoint_in_a_group(make_project: MakeProject, pool: str) -> None:
    """It runs by itself; what comes before it and what comes after run together."""
    project = make_project(
        {
            "Snakefile": """
                rule all:
                    input: "out/merged/x.txt", "out/merged/y.txt"
                rule before:
                    output: "out/before/{s}.txt"
                    group: "work"
                    shell: "echo {wildcards.s} > {output}"
                checkpoint split:
                    input: "out/before/{s}.txt"
                    output: directory("out/split/{s}")
                    group: "work"
                    shell: "mkdir -p {output}; for i in 1 2; do cat {input} > {output}/$i.txt; done"
                rule part:
                    input: "out/split/{s}/{i}.txt"
                    output: "out/part/{s}/{i}.txt"
                    group: "work"
                    shell: "cat {input} > {output}"
                def parts(wildcards):
                    folder = checkpoints.split.get(s=wildcards.s).output[0]
                    found = sorted(glob_wildcards(folder + "/{i}.txt").i)
                    return expand("out/part/{s}/{i}.txt", s=wildcards.s, i=found)
                rule merge:
                    input: "out/before/{s}.txt", parts
                    output: "out/merged/{s}.txt"
                    group: "work"
                    shell: "cat {input} > {output}"
                """,
            ".gitignore": "/out/\n.snakemake/\n",
        },
        pool=pool,
    )
    ended = project.snakemake("out/merged/x.txt").ok()
    assert project.read("out/merged/x.txt") == "x\n" * 3
    assert "not within their groups: split" in ended.text
    assert [r["rule"] for r in project.records()] == ["before", "split", "part+merge"]
    project.snakemake("--groups", "split=work").ok()
    assert project.read("out/merged/y.txt") == "y\n" * 3
    project.nothing_to_do()
    assert len(project.tags()) == 2 and project.leftovers() == []


def test_what_cannot_run_after_a_checkpoint(make_project: MakeProject) -> None:
    project = make_project(
        {
            "Snakefile": """
                rule all:
                    input: "out/good.txt", "out/bad.txt"
                checkpoint point:
                    output: "out/point.txt"
                    shell: "echo point > {output}"
                def after(name):
                    return lambda w: checkpoints.point.get() and name
                rule good:
                    input: after("out/mid.txt")
                    output: "out/good.txt"
                    shell: "cat {input} > {output}"
                rule mid:
                    output: "out/mid.txt"
                    script: "mid.py"
                rule bad:
                    input: after("linked/x.txt")
                    output: "out/bad.txt"
                    shell: "cat {input} > {output}"
                rule linked:
                    output: "linked/x.txt"
                    log: "/nowhere/x.log"
                    shell: "echo > {output}"
                """,
            ".gitignore": "/out/\n/linked\n.snakemake/\n/mid.py\n",
        }
    )
    script = {"mid.py": "open(snakemake.output[0], 'w').write('mid')\n"}
    project.write(script)
    # Whether a job with this script will come is not known yet.
    project.snakemake().failed("not tracked: mid.py")
    project.git("add", "--force", "mid.py")
    project.commit()
    ended = project.snakemake("-k").failed(
        "/nowhere/x.log of rule linked lies outside of the repos"
    )
    assert "Error in rule mid" not in ended.text and project.read("out/good.txt") == "mid"


TRACKED = {
    "Snakefile": """
        checkpoint split:
            input: "data.txt"
            output: directory("results/parts")
            shell: "mkdir {output}; for i in $(cat {input}); do echo $i > {output}/$i.txt; done"
        rule each:
            input: "results/parts/{x}.txt"
            output: "results/each/{x}.txt"
            shell: "cat {input} > {output}"
        def each(wildcards):
            folder = checkpoints.split.get().output[0]
            return expand("results/each/{x}.txt", x=sorted(glob_wildcards(folder + "/{x}.txt").x))
        rule all:
            input: each
            output: "results/all.txt"
            default_target: True
            shell: "cat {input} > {output}"
        """,
    "data.txt": "1 2\n",
    "results/parts/1.txt": "old\n",
    "results/each/1.txt": "old\n",
    "results/all.txt": "old\n",
    ".gitignore": ".snakemake/\n",
}


def test_results_that_git_tracks(make_project: MakeProject) -> None:
    """They are no edit, also while nobody can say that a job makes them; nor are they code."""
    project = make_project(TRACKED)
    project.snakemake("-F").ok()
    assert project.read("results/all.txt") == "1\n2\n"
    assert project.git("status", "--porcelain", "--untracked-files=no") != ""
    assert "Nothing to be done" in project.snakemake().ok().text
    project.write({"data.txt": "2 3\n"})
    project.git("commit", "--quiet", "--message", "data", "data.txt")
    # The checkpoint is to run, so that no job is known that makes results/each.
    project.snakemake().ok()
    assert project.read("results/all.txt") == "2\n3\n"
    # Edited by hand, it is one.
    (project.path / "results/each/1.txt").unlink()
    project.write({"results/each/1.txt": "by hand\n"})
    project.snakemake("-R", "split").failed("modified:    results/each/1.txt")


def test_what_can_be_left_out_after_a_checkpoint(make_project: MakeProject) -> None:
    project = make_project(
        {
            "Snakefile": """
                checkpoint split:
                    output: directory("out/parts")
                    resources: gitbatch_reuse="off"
                    shell: "mkdir {output}; touch {output}/1.txt {output}/2.txt"
                rule weigh:
                    input: "out/parts/{x}.txt"
                    output: temp("out/{x}.weight")
                    shell: "wc -c < {input} > {output}"
                rule each:
                    input: "out/{x}.weight"
                    output: "out/{x}.txt"
                    shell: "cat {input} > {output}"
                def each(wildcards):
                    folder = checkpoints.split.get().output[0]
                    return expand("out/{x}.txt", x=sorted(glob_wildcards(folder + "/{x}.txt").x))
                rule all:
                    input: each
                    output: "out/all.txt"
                    default_target: True
                    shell: "cat {input} > {output}"
                """,
            ".gitignore": "/out/\n.snakemake/\n",
        }
    )
    assert counts(project.snakemake().ok().text) == (6, 0, 0)
    shutil.rmtree(project.path / "out")
    assert counts(project.snakemake().ok().text) == (1, 3, 2)
    assert project.read("out/all.txt") == "0\n0\n"
    project.nothing_to_do()
