"""The storage under `--executor gitbatch`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from executor.conftest import Project

MakeProject = Callable[..., Project]
DEFAULT = ("--default-storage-provider", "gitbatch", "--default-storage-prefix")

SNAKEFILE = """
rule all:
    input: "summary.txt", local("plain.txt")

checkpoint letters:
    input: local("letters.txt")
    output: "found.txt"
    log: "logs/found.log"
    shell: "sort {input} > {output} 2> {log}"

def doubled(wildcards):
    with checkpoints.letters.get().output[0].open() as file:
        return expand("double/{x}.txt", x=file.read().split())

rule parts:
    input: "found.txt"
    output: directory("parts")
    shell: "mkdir {output}; for x in $(cat {input}); do echo $x > {output}/$x.txt; done"

rule double:
    input: "parts"
    output: temp("double/{x}.txt")
    shell: "cat {input}/{wildcards.x}.txt {input}/{wildcards.x}.txt > {output}"

rule summary:
    input: doubled
    output: "summary.txt"
    shell: "cat {input} > {output}"

rule plain:
    input: "summary.txt"
    output: local("plain.txt")
    shell: "wc -l < {input} > {output}"
"""


def test_a_workflow_whose_files_are_all_names(make_project: MakeProject, pool: str) -> None:
    project = make_project({"Snakefile": SNAKEFILE, "letters.txt": "b\na\n"}, pool=pool)
    arguments = (*DEFAULT, "gitbatch://name/demo")
    project.snakemake(*arguments).ok()
    assert project.read("plain.txt") == "4\n"
    names = project.archive / "names/demo"
    assert {path.name for path in names.iterdir()} == {"found.txt", "parts", "summary.txt", "logs"}
    assert json.loads((names / "parts").read_bytes())["object"] is None
    project.nothing_to_do(*arguments)
    assert "Nothing to be done" in project.snakemake(*arguments).ok().text

    [tag] = project.tags()
    document = project.run_document(tag)
    outputs = {output.get("storage", output["path"]): output for output in document["outputs"]}
    assert set(outputs) == {
        "gitbatch://name/demo/summary.txt",
        "gitbatch://name/demo/parts",
        "gitbatch://name/demo/found.txt",
        "plain.txt",
    }
    assert outputs["gitbatch://name/demo/parts"]["rule"] == "parts"
    summary = json.loads((names / "summary.txt").read_bytes())
    assert outputs["gitbatch://name/demo/summary.txt"]["address"] == summary["address"]
    assert ".snakemake" not in project.git("ls-tree", "-r", "--name-only", tag)
    by_rule = {record["rule"]: record for record in project.records()}
    [used] = by_rule["plain"]["members"][0]["inputs"]
    assert used["address"] == summary["address"]
    assert not project.leftovers()
    project.gitbatch("archive", "verify").ok()

    # What a run has stored can be read by its name there.
    query = f"gitbatch://{tag}/name/demo/summary.txt"
    project.commit(
        {
            "again/Snakefile": f"rule a:\n input: storage.gitbatch('{query}')\n"
            " output: 'again.txt'\n shell: 'cp {input} {output}'\n"
        }
    )
    project.snakemake("--snakefile", "again/Snakefile", "again.txt").ok()
    assert project.read("again.txt") == "a\na\nb\nb\n"
    assert os.path.samefile(project.path / "again.txt", project.archive / summary["object"])
