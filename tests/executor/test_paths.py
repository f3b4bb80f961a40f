"""Paths and folders of all kinds: jobs see the commit through each of them, or are refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import Project, wait_until

MakeProject = Callable[..., Project]

CHECKPOINT = {
    "Snakefile": """
        def parts(wildcards):
            folder = checkpoints.split.get().output[0]
            return expand("done/{x}.txt", x=sorted(glob_wildcards(folder + "/{x}.txt").x))
        rule all:
            input: parts
            output: "all.txt"
            shell: "cat {input} > {output}"
        checkpoint split:
            output: FLAG(directory("parts"))
            shell:
                "mkdir -p {output}/in; for x in a b c; do echo $x > {output}/$x.txt; done;"
                "cd {output}; ln -s a.txt same; ln -s in linked; ln -s nowhere dangling"
        rule each:
            input: "parts/{x}.txt"
            output: "done/{x}.txt"
            shell: "cp {input} {output}"
        """,
}


@pytest.mark.parametrize("flag", ["", "temp"])
def test_a_checkpoint_with_a_folder(make_project: MakeProject, flag: str) -> None:
    project = make_project({"Snakefile": CHECKPOINT["Snakefile"].replace("FLAG", flag)})
    project.snakemake().ok()
    assert project.read("all.txt") == "a\nb\nc\n"
    assert (project.path / "parts").exists()  # as plain Snakemake leaves it, also where temporary
    assert project.leftovers() == []
    project.nothing_to_do()
    if flag == "temp":
        return
    first = project.run_document(project.tags()[-1])
    (project.path / "all.txt").unlink()
    assert "not committed" not in project.snakemake("--gitbatch-reuse", "off").ok().text
    again = project.run_document(project.tags()[-1])
    parts, same = (next(o for o in d["outputs"] if o["path"] == "parts") for d in (first, again))
    assert parts == same and parts["rule"] == "split" and again["jobs"][same["job"]]


def test_a_group_of_jobs(make_project: MakeProject, pool: str) -> None:
    project = make_project(
        {
            "Snakefile": """
                rule a:
                    output: temp("sub/x.txt")
                    group: "g"
                    shell: "echo a > {output}"
                rule b:
                    input: "sub/x.txt"
                    output: "x.txt"
                    group: "g"
                    shell: "cp {input} {output}"
                """,
        },
        pool=pool,
    )
    project.snakemake("x.txt").ok()
    document = project.run_document(project.tags()[0])
    assert [(o["path"], o["rule"]) for o in document["outputs"]] == [("x.txt", "b")]


def test_tracked_outputs_stay_in_the_run_commit(make_project: MakeProject) -> None:
    project = make_project(
        {
            "Snakefile": """
                rule all:
                    input: "kept.txt", "folder", "new.txt"
                rule kept:
                    output: "kept.txt"
                    shell: "echo kept > {output}"
                rule folder:
                    output: directory("folder")
                    shell: "mkdir {output}; echo 1 > {output}/1.txt; echo 2 > {output}/2.txt"
                rule new:
                    output: "new.txt"
                    shell: "echo new > {output}"
                """,
        }
    )
    project.plain("--cores", "1", "kept.txt", "folder").ok()
    project.write({".gitignore": ".snakemake/\n.snakemake_timestamp\n"})
    project.commit()
    project.snakemake().ok()
    names = project.git("ls-tree", "-r", "--name-only", project.tags()[0]).split()
    assert {"kept.txt", "folder/1.txt", "folder/2.txt", "new.txt"} <= set(names)
    assert not (project.path / "kept.txt").is_symlink()
    project.snakemake("--force", "folder").ok()
    listing = project.git("ls-tree", "-r", project.tags()[-1])
    assert listing.count("120000") == 2


GATED = {
    "Snakefile": """
        rule gate:
            output: "gate.txt"
            shell: "touch {output}; while [ ! -e {config[go]} ]; do sleep 0.05; done"
        rule word:
            input: "gate.txt"
            output: "word.txt"
            shell: "echo {config[word]} > {output}"
        rule data:
            input: "gate.txt", config.get("data", [])
            output: "data.txt"
            shell: "cat {input:q} > {output}"
        """,
    "config.yaml": "word: committed\n",
}


def _edit_while_it_runs(project: Project, edited: Path, *args: str) -> object:
    go = project.path.parent / "go"
    running = project.start(*args, "--config", f"go={go}")
    worktrees = project.path / ".gitbatch/worktrees"
    wait_until(lambda: bool(list(worktrees.glob("*/gate.txt"))), "the first job")
    edited.write_text("word: edited\n")
    go.touch()
    return project.end(running)


@pytest.mark.parametrize("way", ["inside", "through a linked folder", "outside"])
def test_a_config_file_that_is_edited(make_project: MakeProject, way: str) -> None:
    project = make_project(GATED)
    (project.path.parent / "linked").symlink_to(project.path)
    outside = project.path.parent / "outside.yaml"
    outside.write_text("word: committed\n")
    named = {
        "inside": project.path / "config.yaml",
        "through a linked folder": project.path.parent / "linked" / "config.yaml",
        "outside": outside,
    }[way]
    _edit_while_it_runs(project, named, "word.txt", "--configfile", str(named)).ok()  # type: ignore[attr-defined]
    assert project.read("word.txt") == "committed\n"
    document = project.run_document(project.tags()[0])
    assert (str(outside) in document["outside"]) == (way == "outside")


def test_an_input_outside_that_is_edited(make_project: MakeProject) -> None:
    project = make_project(GATED)
    data = project.path.parent / "data of others.txt"
    data.write_text("data\n")
    project.write({"config.yaml": f"word: x\ndata: '{data}'\n"})
    project.commit()
    named = ("data.txt", "--configfile", "config.yaml")
    ended = _edit_while_it_runs(project, data, *named)
    ended.failed("was changed during the run", "freeze")  # type: ignore[attr-defined]
    assert not os.path.lexists(project.path / "data.txt")
    project.snakemake(*named).ok()
    assert str(data) in project.run_document(project.tags()[-1])["outside"]


@pytest.mark.parametrize("directive", ["input", "output"])
def test_an_absolute_path_into_the_repository(make_project: MakeProject, directive: str) -> None:
    project = make_project({"data.txt": "data\n"})

    def workflow(folder: str) -> dict[str, str]:
        names = {"input": "'data.txt'", "output": "'out.txt'"}
        names[directive] = f"{folder} + '/' + {names[directive]}"
        lines = ("rule a:", *(f"  {key}: {name}" for key, name in names.items()))
        return {"Snakefile": "\n".join((*lines, "  shell: 'cp {input} {output}'\n"))}

    project.commit(workflow(repr(str(project.path) + "/.")))
    project.snakemake("a").failed("is an absolute path into the repository", "workflow.basedir")
    project.commit(workflow("str(workflow.basedir)"))
    project.snakemake("a").ok()
    assert project.read("out.txt") == "data\n"


NAMES = [
    *("-dash ünï $HOME $(touch HACK)", "~ sp ace;a&c com,ma 100%", "#1 q'uote =[*]? a=b,c=d"),
    *("'quoted'", '"', "new\nline back\\slash \t"),
]


def test_names_that_hurt(make_project: MakeProject, pool: str) -> None:
    project = make_project(
        {
            "Snakefile": f"""
                rule all:
                    input: expand("out/{{name}}.txt", name={NAMES!r})
                rule one:
                    output: "out/{{name}}.txt"
                    log: "log/{{name}}.log"
                    params: name="{{name}}"
                    wildcard_constraints: name=r"[\\s\\S]+"
                    shell: "printf %s {{params.name:q}} > {{output:q}}; echo > {{log:q}}"
                """,
        },
        pool=pool,
    )
    project.snakemake().ok()
    for name in NAMES:
        assert project.read(f"out/{name}.txt") == name
        assert (project.path / f"log/{name}.log").exists()
    project.nothing_to_do()
    assert "no damage" in project.gitbatch("archive", "verify").ok().text
    assert not list(project.path.rglob("HACK"))


def test_an_output_outside_is_refused_and_survives(make_project: MakeProject) -> None:
    project = make_project({})
    outside = project.path.parent / "scratch" / "out.txt"
    outside.parent.mkdir()
    outside.write_text("precious\n")
    project.commit({"Snakefile": f"rule a:\n  output: '{outside}'\n  shell: 'touch {{output}}'\n"})
    project.snakemake("a", "--force").failed("lies outside of the repository")
    assert outside.read_text() == "precious\n"


def test_other_working_directories(make_project: MakeProject) -> None:
    project = make_project(
        {"Snakefile": "rule a:\n  output: 'a.txt'\n  shell: 'echo > {output}'\n"}
    )
    project.snakemake("a", "--directory", "new/folder").ok()
    assert (project.path / "new/folder/a.txt").is_symlink()
    outside = project.path.parent / "elsewhere"
    project.snakemake("a", "--directory", str(outside)).failed(
        "is not in the workflow's repository", "--directory"
    )


def test_a_rule_without_outputs_is_named(make_project: MakeProject) -> None:
    project = make_project({"Snakefile": "rule clean:\n  shell: 'echo > done'\n"})
    assert "Rules without outputs: clean" in project.snakemake("clean").ok().text
