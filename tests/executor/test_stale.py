"""Results of older code than the commit's: said, made again where that is wanted, and never claimed
by a tag."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from projects import Ended, Project

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

    two = project.commit({"tools/library.py": "VALUE = 22\n"})
    assert states(project) == {
        "out/first.txt": "other code",
        "out/second.txt": "other inputs",
        "out/other.txt": "current",
        "out/folder": "current",
    }
    # Nothing is to be done, says Snakemake, and that is not all there is to say.
    ended = project.snakemake().ok()
    assert "1 result is up to date for Snakemake, but not of this commit's code" in ended.text
    assert f"commit {one[:10]} differs in tools/library.py" in ended.text
    assert "Nothing to be done" in ended.text

    # A run that makes something else: its tag says what its commit has not made.
    (project.path / "out/other.txt").unlink()
    ended = project.snakemake("--gitbatch-stale", "ignore").ok()
    assert "0 jobs done, 1 reused" in ended.text
    assert "up to date for Snakemake" not in ended.text
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
    assert "made then from what other code had made: out/first.txt" in again.text
    assert states(project)["out/first.txt"] == "other code", "the attempt was not made here"

    ended = project.snakemake("--gitbatch-stale", "rerun").ok()
    assert "It will be made again." in ended.text
    assert "0 jobs done, 2 reused" in ended.text, "the attempt has made them"
    assert project.read("out/first.txt") == "22\n"
    assert project.read("out/second.txt").strip() == "3"
    assert all(mark == (None, []) for mark in marks(project).values())
    # The attempt has made the others too, but a run of its own comes first.
    assert {each["commit"] for each in status(project)["results"]} == {one, two}

    # Prose is no code.
    project.commit({"notes.md": "two\n"})
    ended = project.snakemake("--gitbatch-stale", "rerun").ok()
    assert "up to date for Snakemake" not in ended.text
    assert "Nothing to be done" in ended.text
    assert set(states(project).values()) == {"current"}


def test_made_again_where_nothing_was_to_be_done(make_project: MakeProject) -> None:
    """A checkpoint, a group, a temporary output, a protected one, and what `ancient` keeps."""
    project = make_project(
        {
            "Snakefile": """
                rule all:
                    input: "out/all.txt", "out/ancient.txt", "out/done.txt"
                checkpoint parts:
                    output: directory("out/parts")
                    shell: "mkdir {output}; bash tools/a.sh > {output}/1.txt"
                rule work:
                    input: "out/parts/{n}.txt"
                    output: temp("out/middle/{n}.txt")
                    group: "g"
                    shell: "cat {input} > {output}"
                rule end:
                    input: "out/middle/{n}.txt"
                    output: "out/end/{n}.txt"
                    group: "g"
                    shell: "cat {input} > {output}"
                def parts(wildcards):
                    folder = checkpoints.parts.get().output[0]
                    found = glob_wildcards(folder + "/{n,[0-9]+}.txt").n
                    return expand("out/end/{n}.txt", n=found)
                rule collect:
                    input: parts
                    output: "out/all.txt"
                    shell: "cat {input} > {output}"
                rule old:
                    input: ancient("out/all.txt")
                    output: "out/ancient.txt"
                    resources: gitbatch_code="tools/b.sh"
                    shell: "cat {input} > {output}"
                rule done:
                    output: touch("out/done.txt")
                    resources: gitbatch_code="tools/b.sh"
                onsuccess:
                    shell("cd .snakemake/locks && echo *.output.lock > ../../out/locks")
                """,
            "tools/a.sh": "echo one\n",
            "tools/b.sh": "echo b\n",
            ".gitignore": "/out/\n.snakemake/\n",
        }
    )
    project.snakemake().ok()
    [first] = project.tags()
    project.commit({"tools/a.sh": "echo two\n"})
    ended = project.snakemake().ok()
    assert "3 results are up to date for Snakemake" in ended.text
    assert project.tags() == [first]
    # Snakemake has dropped the checkpoint from what it may do.
    ended = project.snakemake("--gitbatch-stale", "rerun").ok()
    assert project.read("out/all.txt") == "two\n"
    # The run knows this one, and so can take it away where its process was killed.
    assert project.read("out/locks") == "0.output.lock\n"
    assert project.read("out/ancient.txt") == "one\n", "ancient, and of the same code"
    assert states(project)["out/ancient.txt"] == "other inputs"
    assert set(states(project).values()) == {"current", "other inputs"}
    project.nothing_to_do()


def test_checkpoints_are_made_again_and_what_comes_after_them(
    make_project: MakeProject, pool: str
) -> None:
    """Also where the checkpoint says the same as before, so that Snakemake sees no change in what
    follows; and a checkpoint after another."""
    project = make_project(
        {
            "Snakefile": """
                def names(wildcards):
                    with checkpoints.first.get().output[0].open() as file:
                        return expand("out/{x}.end", x=file.read().split())
                rule all:
                    input: names
                    output: "out/all.txt"
                    resources: gitbatch_code="tools/none.sh"
                    default_target: True
                    shell: "cat {input} > {output}"
                checkpoint first:
                    output: "out/first.txt"
                    resources: gitbatch_code="tools/first.sh"
                    shell: "bash tools/first.sh > {output}"
                checkpoint second:
                    output: "out/{x}.second"
                    resources: gitbatch_code="tools/second.sh"
                    shell: "bash tools/second.sh > {output}"
                rule mid:
                    output: "out/{x}.mid"
                    resources: gitbatch_code="tools/mid.sh"
                    shell: "bash tools/mid.sh > {output}"
                rule end:
                    input: "out/{x}.mid", lambda w: checkpoints.second.get(x=w.x).output[0]
                    output: "out/{x}.end"
                    resources: gitbatch_code="tools/none.sh"
                    shell: "cat {input} > {output}"
                """,
            "tools/first.sh": "echo a b\n",
            "tools/second.sh": "echo second\n",
            "tools/mid.sh": "echo mid\n",
            "tools/none.sh": "",
            ".gitignore": "/out/\n.snakemake/\n",
        },
        pool=pool,
    )
    project.snakemake().ok()
    assert project.read("out/all.txt") == "mid\nsecond\n" * 2
    edits = {
        "tools/first.sh": "# An edit that changes nothing.\necho a b\n",
        "tools/mid.sh": "echo new mid\n",
        "tools/second.sh": "echo new second\n",
    }
    project.commit(edits)
    assert set(states(project).values()) == {"other code", "other inputs"}
    ended = project.snakemake("--gitbatch-stale", "rerun").ok()
    assert project.read("out/all.txt") == "new mid\nnew second\n" * 2
    assert set(states(project).values()) == {"current"}
    assert "8 jobs done" in ended.text and project.leftovers() == []
    project.nothing_to_do()
    assert (
        "up to date for Snakemake" not in project.snakemake("--gitbatch-stale", "rerun").ok().text
    )
    # What stays is not made again.
    project.commit({"tools/second.sh": "echo newer second\n"})
    ended = project.snakemake("--gitbatch-stale", "rerun").ok()
    assert "2 results are up to date for Snakemake" in ended.text and "5 jobs done" in ended.text
    assert project.read("out/all.txt") == "new mid\nnewer second\n" * 2


def test_a_start_says_what_no_run_has_made_and_what_no_result_has_seen(
    make_project: MakeProject,
) -> None:
    project = make_project(
        {
            "Snakefile": """
                rule all:
                    input: "out/made.txt", "out/plain.txt", "out/folder", "kept.txt"
                rule made:
                    output: "out/made.txt"
                    shell: "bash tools/a.sh > {output}"
                rule plain:
                    output: "out/plain.txt"
                    shell: "echo plain > {output}"
                rule folder:
                    output: directory("out/folder")
                    shell: "mkdir {output}"
                rule kept:
                    output: "kept.txt"
                    shell: "echo kept > {output}"
                """,
            "tools/a.sh": "echo a\n",
            "README.md": "",
            ".gitignore": "/out/\n.snakemake/\n",
        }
    )

    def said(*args: str) -> list[str]:
        text = project.snakemake(*args).ok().text
        assert "Nothing to be done" in text
        before, _, _ = text.partition("Nothing to be done")
        return before.partition("Building DAG of jobs...\n")[2].splitlines()

    project.snakemake("out/made.txt").ok()
    project.plain("--cores", "1").ok()
    unknown = (
        "The origin of {} is unknown: {}. Remove them to have them made again with a record.".format
    )
    assert said() == [unknown("3 results", "kept.txt, out/folder, out/plain.txt")]
    project.commit()  # git has made this one its own
    others = unknown("2 results", "out/folder, out/plain.txt")
    assert said() == [others]
    # What is up to date to Snakemake has seen no edit; prose is none.
    project.write({"tools/a.sh": "echo b\n", "README.md": "more\n"})
    edits = (
        "No result includes the uncommitted edits of tools/a.sh. Commit them, and the next start "
        "reports results of older code."
    )
    assert said() == [others, edits]
    assert said("--gitbatch-stale", "ignore") == []
    [by_code] = said("--gitbatch-dirty", "snapshot")[1:]
    assert "1 result is up to date for Snakemake, but not of this commit's code" in by_code
    project.git("checkout", "--quiet", "tools/a.sh")
    (project.path / "out/made.txt").unlink()
    project.write({"out/made.txt": "by hand\n", "kept.txt": "by hand\n"})
    by_hand = "1 result was changed by hand since a run has made it: out/made.txt. Remove it"
    first, second = said()
    assert first.startswith(by_hand)
    assert second == unknown("3 results", "kept.txt, out/folder, out/plain.txt")


# ---------------------------------------------------------------- elsewhere


def ran(ended: Ended) -> str:
    """Of the line that says that jobs run only because of their code."""
    lines = [line for line in ended.text.splitlines() if "only because the code differs" in line]
    assert len(lines) == 2, ended.text  # at the start and at the end
    assert lines[0] == lines[1]
    return lines[0]


def test_a_fresh_clone_says_what_it_does_again_for_the_code_alone(
    make_project: MakeProject, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    project = make_project(
        {
            "Snakefile": """
                configfile: "config.yaml"
                rule all:
                    input: expand("out/{n}.end", n=range(2)), "out/report.txt"
                rule one:
                    output: "out/{n}.txt"
                    shell: "echo {wildcards.n} > {output}"
                rule two:
                    input: "out/{n}.txt"
                    output: "out/{n}.end"
                    script: "tools/two.py"
                rule report:
                    input: "out/1.txt"
                    output: "out/report.txt"
                    params: words="first"
                    shell: "echo {params.words} > {output}"
                """,
            "config.yaml": "threshold: 1\n",
            "tools/two.py": "open(snakemake.output[0], 'w').write('end')\n",
            ".gitignore": "/out/\n.snakemake/\n",
        }
    )
    own = ("--gitbatch-archive", str(archive))
    project.gitbatch("init", "--archive", str(archive)).ok()
    one = project.git("rev-parse", "HEAD").strip()
    assert "only because" not in project.snakemake(*own).ok().text
    text = project.read("Snakefile").replace('words="first"', 'words="second"')
    project.commit({"Snakefile": text})

    clone = Project(path=tmp_path / "clone")
    subprocess.run(
        ["git", "clone", "-q", "--no-tags", str(project.path), str(clone.path)], check=True
    )
    line = ran(ended := clone.snakemake(*own).ok())
    assert line.startswith("4 jobs were done before and run again only because"), line
    assert f"commit {one[:10]} differs in Snakefile." in line
    assert line.endswith("to name those that do.")
    assert "5 jobs done" in ended.text

    # Whoever has chosen is told of what was chosen. The configuration is nothing that a shell
    # command sees; a script does.
    shutil.rmtree(clone.path / "out")
    clone.commit({"tools/new.py": "", "config.yaml": "threshold: 2\n"})
    line = ran(ended := clone.snakemake(*own, "--gitbatch-code", "tools").ok())
    assert line.startswith("3 jobs were done before"), line
    assert "differs in tools/new.py." in line
    assert line.endswith("names.")
    document = json.loads(max(archive.glob("runs/*.json")).read_bytes())
    assert len(document["jobs_without_code"]) == 5
