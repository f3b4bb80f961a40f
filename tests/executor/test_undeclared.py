"""Files that jobs leave beside their outputs, and no rule declares."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .conftest import Project

MakeProject = Callable[..., Project]

SNAKEFILE = """
    rule all:
        input: "results/n.txt"
    rule map:
        input: "reads.txt"
        output: "results/a.bam"
        shell:
            "cp --no-preserve=mode {input} {output}; cat {input} > {output}.bai;"
            "mkdir -p __pycache__ results/.cache; touch __pycache__/x results/.cache/y z.scratch"
    rule count:
        input: "results/a.bam"
        output: "results/n.txt"
        shell: "cat {input}.bai > {output}"
    """


ARGUMENTS = ("--gitbatch-caches", "*.scratch", "--gitbatch-code", "code.txt", "-j1")


def entries(project: Project, run: str = "") -> dict[str, Any]:
    document = project.run_document(run or project.tags()[-1])
    return {entry["path"]: entry for entry in document["undeclared"]}


def folder(project: Project) -> set[str]:
    """What git does not track."""
    listed = project.git("ls-files", "--others", "--exclude=.snakemake", "--exclude=.gitbatch")
    return set(listed.split())


def states(project: Project) -> dict[str, int]:
    found = json.loads(project.gitbatch("status", "--json").text)["states"]
    return {state: number for state, number in found.items() if number}


def test_index(make_project: MakeProject, pool: str, tmp_path: Path) -> None:
    """An index beside an output, which a later rule reads: in the same run, in a later one, made
    again, after reuse, and by who checks the run out."""
    files = {"Snakefile": SNAKEFILE, "reads.txt": "1\n", "code.txt": ""}
    project = make_project(files, pool=pool)
    text = project.snakemake(*ARGUMENTS).ok().text
    assert text.count("results/a.bam.bai  (rule map)") == 1 and "1 file (2 B)" in text, text
    index = project.path / "results/a.bam.bai"
    assert index.is_symlink() and project.read("results/a.bam.bai") == "1\n"
    assert folder(project) == {"results/a.bam", "results/a.bam.bai", "results/n.txt"}
    [entry] = entries(project).values()
    [record] = [each for each in project.records() if each["rule"] == "map"]
    assert (entry["path"], entry["rule"]) == ("results/a.bam.bai", "map")
    assert entry["jobs"] == [record["number"]] and entry["size"] == 2
    assert [output["path"] for output in record["outputs"]] == ["results/a.bam"]
    assert states(project) == {"current": 2}
    shown = project.gitbatch("runs", "show", project.tags()[-1]).ok().text
    assert "results/a.bam.bai (rule map)" in shown

    # A later run: the index comes along, and nothing is said of it. Somebody has committed it.
    project.commit({"Snakefile": SNAKEFILE.replace(".bai > ", ".bai  > ")})
    text = project.snakemake(*ARGUMENTS).ok().text
    assert "rule count" in text and "rule map" not in text and "a.bam.bai" not in text, text
    assert entries(project) == {"results/a.bam.bai": entry}
    assert "results/a.bam.bai" in project.git("ls-tree", "-r", "--name-only", project.tags()[-1])
    assert states(project) == {"current": 2}

    # Made again, from something else: a new index, in the place of the old one.
    project.commit({"reads.txt": "2\n"})
    assert "results/a.bam.bai  (rule map)" in project.snakemake(*ARGUMENTS).ok().text
    assert project.read("results/a.bam.bai") == project.read("results/n.txt") == "2\n"
    assert entries(project)["results/a.bam.bai"]["address"] != entry["address"]

    # Reuse brings it, in a clone that shares the archive, too; what it has made before counts.
    tag, own = project.tags()[-1], entries(project)
    clone = Project(path=tmp_path / "clone", pool=pool)
    project.git("clone", "--quiet", "--no-tags", ".", str(clone.path))
    clone.environment["GITBATCH_ARCHIVE"] = str(project.archive)
    clone.git("rm", "-rq", "results")
    clone.commit({"Snakefile": SNAKEFILE.replace(".bai > ", ".bai   > ")})
    text = clone.snakemake(*ARGUMENTS).ok().text
    assert "1 job done, 1 reused" in text and "a.bam.bai" not in text, text
    assert clone.read("results/n.txt") == "2\n"
    assert (clone.path / "results/a.bam.bai").is_symlink()
    assert entries(clone) == own
    assert states(clone) == {"current": 2}

    # A checkout of the run has it, and goes on from there.
    project.git("reset", "--quiet", "--hard")
    project.gitbatch("runs", "checkout", tag).ok()
    assert project.read("results/a.bam.bai") == "2\n"
    assert "Nothing to be done" in project.snakemake(*ARGUMENTS).ok().text
    project.snakemake(*ARGUMENTS, "-R", "count").ok()
    assert entries(project) == own
    assert states(project) == {"current": 2}
