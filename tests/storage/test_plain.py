"""Workflows that use the storage, run by plain Snakemake."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from projects import Project

MakeProject = Callable[..., Project]
DEFAULT = ("--default-storage-provider", "gitbatch", "--default-storage-prefix")

SNAKEFILE = """
rule all:
    input: "summary.txt"

rule one:
    input: local("letters.txt")
    output: "parts/{letter}.txt"
    log: "logs/{letter}.log"
    shell: "grep {wildcards.letter} {input} > {output} 2> {log}"

rule folder:
    input: "parts/a.txt"
    output: directory("folder")
    shell: "mkdir -p {output}/inner; cp {input} {output}/inner/x.txt"

rule scratch:
    input: "parts/b.txt"
    output: temp("scratch.txt")
    shell: "cat {input} {input} > {output}"

rule summary:
    input: "parts/a.txt", "folder", "scratch.txt"
    output: protected("summary.txt")
    shell: "cat {input[0]} {input[1]}/inner/x.txt {input[2]} > {output}"
"""


def name_file(project: Project, name: str) -> Path:
    return project.archive / "names" / name


def meaning(project: Project, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(name_file(project, name).read_bytes())
    return document


def content(project: Project, name: str) -> str:
    return (project.archive / meaning(project, name)["object"]).read_text()


def test_a_workflow_whose_files_are_all_names(make_project: MakeProject) -> None:
    project = make_project({"Snakefile": SNAKEFILE, "letters.txt": "a\nb\n"})
    arguments = ("--cores", "2", *DEFAULT, "gitbatch://name/demo")
    project.plain(*arguments).ok()
    assert content(project, "demo/summary.txt") == "a\na\nb\nb\n"
    assert meaning(project, "demo/folder")["object"] is None
    assert name_file(project, "demo/logs/a.log").exists()
    # Local copies are Snakemake's to remove; with them, nothing else was there.
    assert not list(project.path.glob(".snakemake/storage/gitbatch/name/demo/parts/*"))
    for path in (project.archive / "objects").rglob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o444
    project.gitbatch("archive", "verify").ok()
    listed = project.gitbatch("archive", "ls", "--names", "--json", "gitbatch://name/demo/su").ok()
    assert [(each["name"], each["size"]) for each in json.loads(listed.text)] == [
        ("demo/summary.txt", 8)
    ]
    # Older Snakemakes leave temporary files in storages.
    shown = project.gitbatch("archive", "ls", "--names").text.splitlines()
    assert len([line for line in shown if not line.endswith("scratch.txt")]) == 6
    project.nothing_to_do(*arguments)

    # The same content again is older news for what was made from it.
    project.plain(*arguments, "--force", "parts/a.txt").ok()
    project.nothing_to_do(*arguments)
    # Other content of an input, the same of what is made of it: nothing more is to be done.
    project.write({"letters.txt": "a\nb\nc\n"})
    shown = project.plain(*arguments, "-n").ok().text
    assert "rule one" in shown
    project.plain(*arguments).ok()
    project.nothing_to_do(*arguments)

    project.plain(*arguments, "--touch").ok()
    project.nothing_to_do(*arguments)


def test_local_copies_are_links(make_project: MakeProject) -> None:
    project = make_project({"Snakefile": SNAKEFILE, "letters.txt": "a\nb\n"})
    arguments = ("--cores", "2", "--keep-storage-local-copies")
    arguments += (*DEFAULT, "gitbatch://name/demo")
    project.plain(*arguments).ok()
    copies = project.path / ".snakemake/storage/gitbatch/name/demo"
    for name in ("parts/a.txt", "folder/inner/x.txt", "summary.txt"):
        text = os.readlink(copies / name)
        assert text.startswith("../") and ".gitbatch/archive/objects/" in text
    assert (copies / "folder").is_dir() and not (copies / "folder").is_symlink()
    project.nothing_to_do(*arguments)
    # They are used, where they are what the names mean.
    project.write({"letters.txt": "aa\nb\n"})
    text = project.plain(*arguments).ok().text
    assert content(project, "demo/summary.txt") == "aa\naa\nb\nb\n"
    assert "Retrieving from storage" not in text


def test_reading_what_a_run_made(make_project: MakeProject, finished: Project) -> None:
    tag = finished.tags()[0]
    run = finished.run_document(tag)
    addresses = {output["path"]: output["address"] for output in run["outputs"]}
    project = make_project(
        {
            "Snakefile": f"""
                found = glob_wildcards(storage.gitbatch("gitbatch://{tag}/results/folder/{{path}}"))
                tree = "gitbatch://{addresses["results/folder"]}"
                members = glob_wildcards(storage.gitbatch(tree + "/inner/{{number}}.txt"))
                print("found", sorted(found.path), sorted(members.number))

                rule all:
                    input: "all.txt", expand("member-{{number}}.txt", number=members.number)

                rule member:
                    input: storage.gitbatch(tree + "/inner/{{number}}.txt")
                    output: "member-{{number}}.txt"
                    shell: "cp {{input}} {{output}}"

                rule read:
                    input:
                        by_tag=storage.gitbatch("gitbatch://{tag}/results/a.txt"),
                        by_id=storage.gitbatch("gitbatch://{tag.removeprefix("run/")}/results/a.txt"),
                        other=storage.gitbatch("gitbatch://papers/2026/figure-1/results/a.txt"),
                        inner=storage("gitbatch://{tag}/results/folder/inner/2.txt"),
                        folder=storage.gitbatch("gitbatch://{tag}/results/folder"),
                        tree=storage.gitbatch(tree + "/"),
                        named=storage.gitbatch("gitbatch://{addresses["results/a.txt"]}/b.csv"),
                        tool=storage.gitbatch("gitbatch://{tag}/tool.sh"),
                    output: "all.txt"
                    shell:
                        "cat {{input.by_tag}} {{input.by_id}} {{input.other}} {{input.inner}} "
                        "{{input.folder}}/inner/1.txt {{input.tree}}/inner/2.txt {{input.named}} "
                        "> {{output}}; {{input.tool}} >> {{output}}"
                """
        },
    )
    # Another clone of the repository, which shares its archive.
    project.git("fetch", "--quiet", "--tags", str(finished.path))
    options = ("--storage-gitbatch-archive", str(finished.archive), "--cores", "2")
    shown = project.plain(*options, "--keep-storage-local-copies").ok().text
    assert "found ['inner/1.txt', 'inner/2.txt'] ['1', '2']" in shown
    assert project.read("all.txt") == "made\nmade\nmade\n2\n1\n2\nmade\ntool\n"
    assert project.read("member-1.txt") == "1\n"
    copies = project.path / ".snakemake/storage/gitbatch"
    link = copies / f"3/{tag}/results/a.txt"
    assert os.path.samefile(link, finished.path / "results/a.txt") and link.is_symlink()
    assert not project.archive.exists()  # no other one was asked for
    project.nothing_to_do(*options)
    assert (copies / "1" / addresses["results/a.txt"].replace(":", "-") / "b.csv").is_symlink()


def test_under_another_executor(make_project: MakeProject, tmp_path: Path) -> None:
    """Jobs get and store for themselves where local copies are not shared."""
    submit = tmp_path / "submit"
    submit.write_text('#!/bin/sh\nsetsid sh "$1" >/dev/null 2>&1 </dev/null & echo $!\n')
    submit.chmod(0o755)
    project = make_project({"Snakefile": SNAKEFILE, "letters.txt": "a\nb\n"})
    default = (*DEFAULT, "gitbatch://name/demo")
    project.plain(
        *("--executor", "cluster-generic", "--cluster-generic-submit-cmd", str(submit)),
        *("--jobs", "4", "--seconds-between-status-checks", "1"),
        *("--shared-fs-usage", "persistence", "software-deployment", "sources", "source-cache"),
        *default,
    ).ok()
    assert content(project, "demo/summary.txt") == "a\na\nb\nb\n"
    project.nothing_to_do(*default)


def test_what_leads_nowhere_says_who_was_asked(finished: Project, tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(
        "rule a:\n  input: storage.gitbatch('gitbatch://xxh3:" + "0" * 32 + "/a.txt')\n"
        "  output: 'a.txt'\n  shell: 'cp {input} {output}'\n"
    )
    ended = finished.plain("-n", "--snakefile", str(tmp_path / "Snakefile"), "a.txt")
    ended.failed("MissingInput", f"The archive {finished.archive} has no object xxh3:0000")
    ended = finished.plain(
        *("-n", "--snakefile", str(tmp_path / "Snakefile"), "a.txt"),
        *("--storage-gitbatch-archive", "/nowhere/archive"),
    )
    ended.failed("/nowhere/archive")


def test_a_damaged_name_is_made_again(make_project: MakeProject) -> None:
    query = "gitbatch://name/damaged/a.txt"
    project = make_project(
        {
            "Snakefile": f"rule a:\n  output: storage.gitbatch('{query}')\n"
            "  shell: 'echo > {output}'\n"
        }
    )
    project.plain("--cores", "1", "a").ok()
    name_file(project, "damaged/a.txt").chmod(0o644)
    name_file(project, "damaged/a.txt").write_text("{")
    project.plain("--cores", "1", "a").ok()
    assert content(project, "damaged/a.txt") == "\n"
