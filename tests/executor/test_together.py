"""Several runs at the same time: none disturbs another."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from projects import Project, wait_until

MakeProject = Callable[..., Project]

WORKFLOW = {
    "Snakefile": """
        import os
        GATE = config["gate"]
        rule all:
            input: "same.txt", "own.txt", "folder", "late.txt"
        # Nobody is done before both have begun.
        rule same:
            output: temp("same.txt")
            shell: "touch {GATE}.{config[me]}; "
                "while [ ! -e {GATE}.1 ] || [ ! -e {GATE}.2 ]; do sleep 0.05; done; "
                "echo the same > {output}"
        rule own:
            output: "own.txt"
            shell: "echo {config[me]} > {output}"
        rule folder:
            input: "same.txt"
            output: directory("folder")
            shell: "mkdir {output}; cp {input} {output}/a; cat code.txt > {output}/b"
        rule late:
            input: "folder", "own.txt"
            output: "late.txt"
            shell: "cat folder/b own.txt > {output}"
        rule part:
            output: "part/{n}/out.txt"
            shell: "touch {GATE}.{wildcards.n}; "
                "while [ ! -e {GATE}.1 ] || [ ! -e {GATE}.2 ]; do sleep 0.05; done; "
                "echo part {wildcards.n} > {output}"
        rule parts:
            input: "part/{n}/out.txt"
            output: "sum{n}.txt"
            shell: "cat {input} > {output}"
        """,
    "code.txt": "first\n",
}


def both(first: Project, second: Project, gate: Path, *args: str) -> None:
    """Run the workflow in both at once."""
    running = [
        (project, project.start(*args, "--config", f"gate={gate}", f"me={number}"))
        for number, project in enumerate((first, second), start=1)
    ]
    for project, process in running:
        project.end(process).ok()


def check(project: Project, number: int, code: str) -> None:
    """The project has its own results, and the last run's commit has the same."""
    assert project.read("late.txt") == f"{code}\n{number}\n" and project.read("own.txt")[0] in "12"
    assert project.read("folder/a") == "the same\n"
    assert (project.path / ".gitbatch" / "archive" / "ARCHIVE").exists()
    assert project.git("status", "--porcelain", "--untracked-files=no") == ""


def own_run(project: Project, number: int) -> str:
    """The tag of the run that this project has made."""
    [tag] = [tag for tag in project.tags() if project.run_document(tag)["config"]["me"] == number]
    for path in ("own.txt", "late.txt", "folder/a", "folder/b"):
        link = project.git("cat-file", "blob", f"{tag}:{path}")
        assert os.readlink(project.path / path) == link
    return tag


def test_two_clones_with_one_archive(
    make_project: MakeProject, htcondor_pool: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "shared archive"
    first = make_project(WORKFLOW, pool="htcondor")
    first.gitbatch("--archive", str(archive), "init").ok()
    subprocess.run(["git", "clone", "--quiet", first.path, tmp_path / "clone"], check=True)
    second = Project(path=tmp_path / "clone", pool="htcondor")
    second.gitbatch("--archive", str(archive), "init").ok()
    both(first, second, tmp_path / "gate")
    for number, project in ((1, first), (2, second)):
        check(project, number, "first")
        own_run(project, number)
        assert len(project.tags()) == 1 and project.leftovers() == []
    assert list((archive / "staging").iterdir()) == [] and not first.archive.exists()
    assert "no damage" in first.gitbatch("archive", "verify").ok().text
    # What both have made is there once.
    assert os.path.samefile(first.path / "folder/a", second.path / "folder/a")


def test_two_worktrees_of_one_repository(make_project: MakeProject, tmp_path: Path) -> None:
    first = make_project(WORKFLOW)
    first.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "second"))
    second = Project(path=tmp_path / "second")
    both(first, second, tmp_path / "gate")
    tags = []
    for number, project in ((1, first), (2, second)):
        check(project, number, "first")
        tags.append(own_run(project, number))
    assert sorted(tags) == first.tags() == second.tags()
    # At different commits.
    second.write({"code.txt": "second\n"})
    second.git("commit", "--quiet", "--message", "second", "code.txt")
    gate = tmp_path / "other gate"
    both(first, second, gate, "--forceall")
    check(first, 1, "first")
    check(second, 2, "second")
    documents = [first.run_document(tag) for tag in set(first.tags()) - set(tags)]
    assert {document["config"]["me"]: document["source_commit"] for document in documents} == {
        number: project.git("rev-parse", "HEAD").strip()
        for number, project in ((1, first), (2, second))
    }
    listed = first.git("worktree", "list", "--porcelain")
    assert listed.count("worktree ") == 2 and "prunable" not in listed
    for project in (first, second):
        assert list((project.path / ".gitbatch").glob("worktrees/*")) == []
    assert list(first.path.glob(".git/gitbatch/runs/*")) == []
    assert list(first.path.glob(".git/gitbatch/archive/staging/*")) == []
    first.gitbatch("archive", "verify").ok()


def test_two_targets_in_one_folder(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project(WORKFLOW)
    gate = tmp_path / "gate"
    running = [
        project.start(f"sum{n}.txt", "--nolock", "--config", f"gate={gate}", f"me={n}")
        for n in (1, 2)
    ]
    for process in running:
        project.end(process).ok()
    assert [project.read(f"sum{n}.txt") for n in (1, 2)] == ["part 1\n", "part 2\n"]
    made = [
        {output["path"] for output in project.run_document(tag)["outputs"]}
        for tag in project.tags()
    ]
    assert sorted(made, key=sorted) == [
        {"part/1/out.txt", "sum1.txt"},
        {"part/2/out.txt", "sum2.txt"},
    ]
    assert project.leftovers() == []
    project.nothing_to_do("sum1.txt", "sum2.txt", "--config", f"gate={gate}", "me=1")
    project.gitbatch("archive", "verify").ok()


def test_a_run_that_starts_while_another_writes_the_same_folder(
    make_project: MakeProject, tmp_path: Path
) -> None:
    project = make_project(
        {
            "Snakefile": """
                rule many:
                    output: expand("many/{n}.txt", n=range(300)), directory("many/folder")
                    shell: "for n in {{0..299}}; do echo $n > many/$n.txt; done; mkdir many/folder;"
                        " touch many/folder/{{0..299}}; sync -f many"
                rule one:
                    output: "one{n}.txt"
                    shell: "echo {wildcards.n} > {output}"
                """,
        }
    )
    writer = project.start("many/0.txt", "--nolock", "--force")
    for n in range(3):
        project.snakemake(f"one{n}.txt", "--nolock").ok()
    project.end(writer).ok()
    wait_until(lambda: len(project.tags()) == 4, "four runs")
    assert project.leftovers() == []
