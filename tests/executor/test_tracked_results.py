"""Results that git tracks as files, as many a repository of a paper has them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Any

from projects import Project

MakeProject = Callable[..., Project]

FILES = {
    "Snakefile": """
        rule all:
            input: "plots/p.txt", "plots/d", "n.txt"
        rule plot:
            input: "make.sh", "data.csv"
            output: "plots/p.txt", directory("plots/d")
            shell: "sh make.sh {output}"
        rule other:
            input: "plots/p.txt"
            output: "n.txt"
            shell: "cat {input} > {output}"
        """,
    "make.sh": "echo new > $1; mkdir $2; echo new > $2/e.txt",
    "data.csv": "1\n",
    "plots/p.txt": "old\n",
    "plots/d/e.txt": "old\n",
}
TRACKED = ("plots/p.txt", "plots/d/e.txt")


def outputs(project: Project) -> dict[str, Any]:
    document = project.run_document(project.tags()[-1])
    return {output["path"]: output for output in document["outputs"]}


def are_files(project: Project, text: str) -> bool:
    paths = [project.path / name for name in TRACKED]
    return not any(p.is_symlink() for p in paths) and all(p.read_text() == text for p in paths)


def all_current(project: Project) -> None:
    states = json.loads(project.gitbatch("status", "--json").text)["states"]
    assert {state for state, number in states.items() if number} == {"current"}, states
    text = project.snakemake().ok().text
    assert "Nothing to be done" in text and "not of this commit" not in text, text


def test_tracked_results(make_project: MakeProject, pool: str) -> None:
    """The run's end names the command that makes files of them. They are results all the same:
    before and after they are committed, and in the runs that follow."""
    project = make_project(FILES, pool=pool)
    project.gitbatch("freeze", "data.csv").ok()
    for name in TRACKED:
        (project.path / name).unlink()
    text = project.snakemake("--gitbatch-dirty", "snapshot").ok().text
    [advice] = [line.strip() for line in text.splitlines() if line.startswith("  gitbatch thaw ")]
    assert shlex.split(advice) == ["gitbatch", "thaw", "plots/d/e.txt", "plots/p.txt"]
    assert all((project.path / name).is_symlink() for name in TRACKED)
    project.gitbatch("thaw", "--tracked").ok()
    assert are_files(project, "new\n") and (project.path / "data.csv").is_symlink()
    assert project.gitbatch("thaw", "--tracked").returncode == 0
    assert project.gitbatch("thaw").returncode == 2
    project.git("add", "make.sh", "data.csv")
    project.git("commit", "--quiet", "--message", "frozen")
    all_current(project)

    # Not committed: a run of something else leaves them as they are, and has them all the same.
    made = outputs(project)
    text = project.snakemake("-R", "other").ok().text
    assert "thaw" not in text and "rule plot" not in text, text
    assert are_files(project, "new\n") and outputs(project).keys() == made.keys()
    assert all(outputs(project)[n]["job"] == made[n]["job"] for n in ("plots/p.txt", "plots/d"))
    links = project.git("ls-tree", "-r", project.tags()[-1], "plots").split("\n")
    assert [line.split()[0] for line in links if line] == ["120000"] * 2

    # Committed.
    project.commit()
    assert project.git("show", "HEAD:plots/p.txt") == "new\n"
    all_current(project)
    project.snakemake("-R", "other").ok()
    assert outputs(project)["plots/p.txt"]["job"] == made["plots/p.txt"]["job"]

    # As files always.
    project.git("config", "gitbatch.trackedResults", "files")
    project.commit({"make.sh": FILES["make.sh"].replace("new", "newer")})
    text = project.snakemake().ok().text
    assert "Turned back into files: plots/d/e.txt, plots/p.txt" in text, text
    assert are_files(project, "newer\n") and (project.path / "n.txt").is_symlink()
    all_current(project)

    # What other code has made is told of files, too.
    project.commit({"tool.py": ""})
    text = project.snakemake().ok().text
    assert "3 results are up to date for Snakemake, but not of this commit's code" in text, text
