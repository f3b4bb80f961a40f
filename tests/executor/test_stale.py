"""Results of older code than the commit's: said, made again where that is wanted, and never claimed
by a tag."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .conftest import Project

MakeProject = Callable[..., Project]

# `first` has a module that Snakemake does not look at; `second` says itself what its code is.
WORKFLOW = {
    "Snakefile": """
        rule all:
            input: "out/second.txt", "out/other.txt", "out/folder"
        rule first:
            output: "out/first.txt"
            shell: "python tools/first.py > {output}"
        rule second:
            input: "out/first.txt"
            output: "out/second.txt"
            resources: gitbatch_code="tools/second.sh"
            shell: "bash tools/second.sh < {input} > {output}"
        rule other:
            output: "out/other.txt"
            resources: gitbatch_code="tools/second.sh"
            shell: "bash tools/second.sh < Snakefile > {output}"
        rule folder:
            output: directory("out/folder")
            resources: gitbatch_code="tools/folder.sh"
            shell: "mkdir {output}; bash tools/folder.sh > {output}/a.txt"
        """,
    "tools/first.py": "import library; print(library.VALUE)\n",
    "tools/library.py": "VALUE = 1\n",
    "tools/second.sh": "wc -c\n",
    "tools/folder.sh": "echo folder\n",
    "notes.md": "one\n",
    ".gitignore": "/out/\n.snakemake/\n__pycache__/\n",
}


def status(project: Project, *args: str) -> dict[str, Any]:
    done = project.gitbatch("status", "--json", *args)
    found: dict[str, Any] = json.loads(done.text)
    current = all(each["state"] == "current" for each in found["results"])
    assert done.returncode == (0 if current else 1), done.text
    return found


def states(project: Project) -> dict[str, str]:
    return {each["path"]: each["state"] for each in status(project)["results"]}


def marks(project: Project) -> dict[str, tuple[str | None, list[str]]]:
    document = project.run_document(project.tags()[-1])
    return {
        each["path"]: (each.get("other_code"), each.get("stale_inputs", []))
        for each in document["outputs"]
    }


def test_an_edit_that_snakemake_does_not_see(make_project: MakeProject) -> None:
    project = make_project(WORKFLOW)
    one = project.git("rev-parse", "HEAD").strip()
    first = project.snakemake().ok()
    assert "commit's code" not in first.text
    assert set(states(project).values()) == {"current"}

    # Prose is no code.
    project.commit({"notes.md": "two\n"})
    assert "up to date to Snakemake" not in project.snakemake().ok().text
    assert set(states(project).values()) == {"current"}

    two = project.commit({"tools/library.py": "VALUE = 22\n"})
    assert states(project) == {
        "out/first.txt": "other code",
        "out/second.txt": "other inputs",
        "out/other.txt": "current",
        "out/folder": "current",
    }
    # Nothing is to be done, says Snakemake, and that is not all there is to say.
    ended = project.snakemake().ok()
    assert "1 result is up to date to Snakemake, but not of this commit's code" in ended.text
    assert f"commit {one[:10]} differs in tools/library.py" in ended.text
    assert "Nothing to be done" in ended.text
    quiet = project.snakemake("--gitbatch-stale", "ignore").ok()
    assert "commit's code" not in quiet.text

    # A run that makes something else: its tag says what its commit has not made.
    (project.path / "out/other.txt").unlink()
    ended = project.snakemake().ok()
    assert "0 jobs done, 1 reused" in ended.text
    assert "1 output is not of this commit's code" in ended.text
    assert "1 more was made from these" in ended.text
    assert marks(project) == {
        "out/first.txt": (one, []),
        "out/second.txt": (None, ["out/first.txt"]),
        "out/other.txt": (None, []),
        "out/folder": (None, []),
    }
    document = project.run_document(project.tags()[-1])
    assert document["other_code"] == {one: ["tools/library.py"]}
    shown = project.gitbatch("runs", "show", "last").ok().text
    assert f"commit {one[:10]} differs in tools/library.py" in shown

    # The commit run again makes something else, and it is said why.
    again = project.gitbatch("reproduce", "last", "--pool", "local")
    assert again.returncode == 1, again.text
    assert f"made then from commit {one[:10]}, whose code differs in tools/library.py" in again.text

    ended = project.snakemake("--gitbatch-stale", "rerun").ok()
    assert "It is made again." in ended.text
    assert "0 jobs done, 2 reused" in ended.text, "the attempt has made them"
    assert project.read("out/first.txt") == "22\n"
    assert project.read("out/second.txt").strip() == "3"
    assert set(marks(project).values()) == {(None, [])}
    assert set(states(project).values()) == {"current"}
    project.nothing_to_do()
    assert {each["commit"] for each in status(project)["results"]} == {one, two}
    ended = project.snakemake("--gitbatch-stale", "rerun").ok()
    assert "Nothing to be done" in ended.text
