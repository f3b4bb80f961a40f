"""The main job: an unmodified workflow, run from the commit, its results in the archive."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

from projects import Project

MakeProject = Callable[..., Project]

WORKFLOW = {
    "Snakefile": """
        rule all:
            input: "results/sum.txt", "results/folder", "results/local.txt", "results/touched"
        rule part:
            input: "data/in.txt"
            output: "results/{n}.part"
            log: "logs/{n}.log"
            params: k=3
            shell: "(cat {input}; echo {wildcards.n} {params.k}) > {output}; echo said > {log}"
        rule temporary:
            input: "results/1.part"
            output: temp("results/t.tmp")
            shell: "cat {input} {input} > {output}"
        rule sum:
            input: expand("results/{n}.part", n=[1, 2]), "results/t.tmp"
            output: protected("results/sum.txt")
            benchmark: "bench/sum.tsv"
            script: "scripts/sum.py"
        rule folder:
            output: directory("results/folder")
            shell:
                "mkdir -p {output}/a/b {output}/empty; echo 1 > {output}/a/x.txt;"
                "echo 2 > '{output}/a/b/y z.csv'; ln -s a/x.txt {output}/link;"
                "printf '#!/bin/sh\\n' > {output}/run; chmod +x {output}/run"
        rule local:
            output: "results/local.txt"
            localrule: True
            shell: "pwd > {output}"
        rule touched:
            input: "results/local.txt"
            output: touch("results/touched")
        """,
    "scripts/sum.py": """
        with open(snakemake.output[0], "w") as out:
            out.write("".join(open(name).read() for name in snakemake.input))
        """,
    "data/in.txt": "data\n",
}


def test_everything_that_a_run_promises(make_project: MakeProject, pool: str) -> None:
    project = make_project(WORKFLOW, pool=pool)
    before = project.git("rev-parse", "HEAD"), project.git("status", "--porcelain")
    index = (project.path / ".git/index").read_bytes()

    printed = project.snakemake().ok().text

    # Results are links, relative, through .gitbatch/archive, to read-only objects.
    assert project.read("results/sum.txt") == "data\n1 3\ndata\n2 3\n" + 2 * "data\n1 3\n"
    link = project.path / "results/sum.txt"
    assert os.readlink(link).startswith("../.gitbatch/archive/objects/")
    assert stat.S_IMODE(link.stat().st_mode) == 0o444
    assert link.resolve().is_relative_to(project.archive)
    # A folder output is a real folder of links, its empty folder kept.
    folder = project.path / "results/folder"
    assert folder.is_dir() and not folder.is_symlink()
    assert (folder / "a/b/y z.csv").is_symlink()
    assert (folder / "a/b/y z.csv").read_text() == "2\n"
    assert (folder / "empty").is_dir()
    assert os.readlink(folder / "link") == "a/x.txt"
    assert os.access(folder / "run", os.X_OK)
    # temp() is gone; logs and benchmarks are plain files.
    assert not os.path.lexists(project.path / "results/t.tmp")
    for name in ("logs/1.log", "bench/sum.tsv"):
        assert (project.path / name).is_file() and not (project.path / name).is_symlink()
    # Local rules ran in the worktree.
    assert ".gitbatch/worktrees" in project.read("results/local.txt")

    project.nothing_to_do()
    assert project.leftovers() == []
    assert (project.git("rev-parse", "HEAD"), project.git("branch").split()) == (
        before[0],
        ["*", "main"],
    )
    assert (project.path / ".git/index").read_bytes() == index
    assert project.git("status", "--porcelain").split() == (
        ["??", "bench/", "??", "logs/", "??", "results/"]
    )

    # The run commit: source tree, links, document; a tag, and a line that names it.
    [tag] = project.tags()
    assert tag in printed
    assert project.git("rev-parse", f"{tag}^").strip() == before[0].strip()
    document = project.run_document(tag)
    assert document["source_commit"] == before[0].strip()
    assert document["outcome"] == "succeeded"
    by_path = {output["path"]: output for output in document["outputs"]}
    assert set(by_path) == {
        *("results/1.part", "results/2.part", "results/sum.txt", "results/folder"),
        *("results/local.txt", "results/touched"),
    }
    made = document["jobs"][by_path["results/1.part"]["job"]]
    [member] = made["members"]
    assert member["command"]["text"] == (
        "(cat data/in.txt; echo 1 3) > results/1.part; echo said > logs/1.log"
    )
    assert member["params"] == {"k": 3}
    assert member["wildcards"] == {"n": "1"}
    assert [each["path"] for each in member["inputs"]] == ["data/in.txt"]
    assert by_path["results/folder"]["kind"] == "tree"
    listing = project.git("ls-tree", "-r", "--name-only", tag).split("\n")
    assert "results/folder/a/x.txt" in listing and "results/t.tmp" not in listing
    assert made["host"]["name"] and made["environment"]["names"]
    # What software that was: of the machine, and beside Snakemake.
    assert list(made["tools"]) == ["cat"]
    assert made["tools"]["cat"]["address"].startswith("xxh3:")
    of_sum = document["jobs"][by_path["results/sum.txt"]["job"]]
    assert list(of_sum["tools"]) == [sys.executable]
    assert document["packages"]["snakemake"] == document["versions"]["snakemake"]

    # Every executed job left a record; the temporary output is in it, not in the archive.
    temporary = [r for r in project.records() if r["rule"] == "temporary"]
    assert temporary[0]["outputs"][0]["temporary"] is True
    digest = temporary[0]["outputs"][0]["address"].partition(":")[2]
    assert not list(project.archive.glob(f"objects/{digest[:2]}/{digest[2:]}*"))


def test_a_checkout_of_the_tag_has_the_results(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project(WORKFLOW)
    project.snakemake("results/folder", "results/1.part").ok()
    clone = tmp_path / "clone"
    project.git("clone", "--quiet", str(project.path), str(clone))
    other = Project(path=clone)
    other.git("checkout", "--quiet", project.tags()[0])
    assert os.path.lexists(clone / "results/1.part") and not (clone / "results/1.part").exists()
    other.gitbatch("init", "--archive", str(project.archive)).ok()
    assert other.read("results/1.part") == "data\n1 3\n"
    assert other.read("results/folder/a/x.txt") == "1\n"
    # HEAD is a run commit: its source is what runs.
    assert "Nothing to be done" not in other.snakemake("results/2.part").ok().text
    assert (
        other.run_document(other.tags()[-1])["source_commit"]
        == project.git("rev-parse", "HEAD").strip()
    )


def test_edits_during_the_run_reach_no_job(make_project: MakeProject, pool: str) -> None:
    project = make_project(
        {
            "Snakefile": """
                localrules: local
                rule gate:
                    output: "gate.txt"
                    shell: "touch {output}; while [ ! -e {workflow.basedir}/../../../go ];"
                           " do sleep 0.05; done"
                rule script:
                    input: "gate.txt", "data.txt"
                    output: "script.txt"
                    script: "code/run.py"
                rule local:
                    input: "gate.txt", "data.txt"
                    output: "local.txt"
                    shell: "cat data.txt code/extra.txt > {output}"
                """,
            "code/run.py": """
                import extra
                open(snakemake.output[0], "w").write(extra.word + open("data.txt").read())
                """,
            "code/extra.py": "word = 'committed '\n",
            "code/extra.txt": "committed\n",
            "data.txt": "data\n",
        },
        pool=pool,
    )
    running = project.start("script.txt", "local.txt")
    worktrees = project.path / ".gitbatch/worktrees"
    from projects import wait_until

    wait_until(lambda: bool(list(worktrees.glob("*/gate.txt"))), "the first job")
    project.write(
        {
            "Snakefile": "rule all:\n    broken\n",
            "code/run.py": "raise SystemExit('edited')\n",
            "code/extra.py": "word = 'edited '\n",
            "data.txt": "edited\n",
            "code/new.py": "",
        }
    )
    (project.path / "code/extra.txt").unlink()
    (project.path / "go").touch()
    project.end(running).ok()
    assert project.read("script.txt") == "committed data\n"
    assert project.read("local.txt") == "data\ncommitted\n"
    assert project.read("data.txt") == "edited\n"


def test_runs_from_a_subfolder_with_config_and_workflow_folder(make_project: MakeProject) -> None:
    project = make_project(
        {
            "sub/workflow/Snakefile": """
                configfile: "config/config.yaml"
                include: "rules/more.smk"
                rule all:
                    input: "out/a.txt"
                """,
            "sub/workflow/rules/more.smk": """
                rule a:
                    output: "out/a.txt"
                    script: "../scripts/a.py"
                """,
            "sub/workflow/scripts/a.py": """
                open(snakemake.output[0], "w").write(str(snakemake.config))
                """,
            "sub/config/config.yaml": "a: 1\nb: 2\n",
            "other.yaml": "b: 3\n",
        }
    )
    args = ("--configfile", "../other.yaml", "--config", "cc=it's $HOME")
    project.snakemake(*args, folder="sub").ok()
    assert eval(project.read("sub/out/a.txt")) == {"a": 1, "b": 3, "cc": "it's $HOME"}
    assert "sub/out/a.txt" in project.git("ls-tree", "-r", "--name-only", project.tags()[0])


def test_a_path_with_spaces_and_quotes(make_project: MakeProject, pool: str) -> None:
    project = make_project(
        {
            "Snakefile": """
                rule a:
                    input: "in put/it's ü.txt"
                    output: "out put/{name}.txt"
                    shell: "cp {input:q} {output:q}"
                """,
            "in put/it's ü.txt": "x\n",
        },
        name='a folder\'s "name" ü',
        pool=pool,
    )
    project.snakemake("out put/b c.txt").ok()
    assert project.read("out put/b c.txt") == "x\n"


def test_nothing_to_do_leaves_nothing(make_project: MakeProject) -> None:
    project = make_project(WORKFLOW)
    project.snakemake("results/1.part").ok()
    before = project.runs()
    printed = project.snakemake("results/1.part").ok().text
    assert "Nothing to be done" in printed and "schedule new futures" not in printed
    assert project.runs() == before


def test_outputs_of_plain_snakemake_are_frozen(make_project: MakeProject) -> None:
    project = make_project(WORKFLOW)
    project.plain("--cores", "2", "results/1.part", "results/folder").ok()
    run = project.snakemake("results/sum.txt", "results/folder").ok()
    said = "of 2 outputs no run knows the origin, and 1 more was made from these"
    assert said in run.text
    assert said in project.gitbatch("runs", "show", "last").ok().text
    status, _ = json.JSONDecoder().raw_decode(project.gitbatch("status", "--json").text)
    assert {each["path"]: each["state"] for each in status["results"]} == {
        "results/1.part": "unknown origin",
        "results/2.part": "current",
        "results/folder": "unknown origin",
        "results/sum.txt": "other inputs",
    }
    assert "results/1.part is not as this commit makes it" in project.gitbatch("status").text
    assert (project.path / "results/1.part").is_symlink()
    outputs = {o["path"]: o for o in project.run_document(project.tags()[0])["outputs"]}
    assert outputs["results/1.part"]["provenance"] == "unknown"
    assert outputs["results/folder"]["provenance"] == "unknown"
    assert "provenance" not in outputs["results/sum.txt"]
    assert sorted(outputs["results/sum.txt"]["stale_inputs"]) == ["results/1.part", "results/t.tmp"]
    project.nothing_to_do("results/sum.txt", "results/folder")


def test_provenance_of_an_earlier_run_is_kept(make_project: MakeProject) -> None:
    project = make_project(WORKFLOW)
    first = project.git("rev-parse", "HEAD").strip()
    project.snakemake("results/1.part").ok()
    project.commit({"README": "new\n"})
    project.snakemake("results/sum.txt").ok()
    document = project.run_document(project.tags()[-1])
    outputs = {output["path"]: output for output in document["outputs"]}
    assert document["jobs"][outputs["results/1.part"]["job"]]["commit"] == first
    assert document["jobs"][outputs["results/sum.txt"]["job"]]["commit"] != first
