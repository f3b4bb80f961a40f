"""Starting again in a folder that has results; what the run commit holds then."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from projects import Project, wait_until

MakeProject = Callable[..., Project]

CHAIN = {
    "Snakefile": """
        rule all:
            input: "c.txt", "d.txt"
        rule a:
            output: temp("a.txt")
            shell: "echo a > {output}"
        rule b:
            input: "a.txt"
            output: "b.txt"
            log: "b.log"
            shell: "cat {input} > {output}; echo log > {log}"
        rule c:
            input: "b.txt"
            output: "c.txt"
            shell: "cat {input} > {output}"
        rule d:
            input: "b.txt", "b.log"
            output: "d.txt"
            shell: "cat {input} > {output}"
        """,
}


def test_what_needs_not_run_may_lack_its_temporary_input(make_project: MakeProject) -> None:
    project = make_project(CHAIN)
    project.snakemake().ok()
    (project.path / "c.txt").unlink()
    printed = project.snakemake().ok().text
    assert "rule c:" in printed and "rule b:" not in printed
    assert project.read("c.txt") == "a\n"


def test_a_log_may_be_an_input(make_project: MakeProject) -> None:
    project = make_project(CHAIN)
    project.snakemake().ok()
    assert project.read("d.txt") == "a\nlog\n" and not (project.path / "b.log").is_symlink()
    (project.path / "d.txt").unlink()
    printed = project.snakemake().ok().text  # the log is of an earlier run now
    assert "not committed" not in printed
    assert project.read("d.txt") == "a\nlog\n" and not (project.path / "b.log").is_symlink()
    project.snakemake("--force", "d.txt", "b.log").ok()


def test_an_output_that_the_user_overwrites_during_the_run(make_project: MakeProject) -> None:
    project = make_project(
        {
            "Snakefile": """
                rule first:
                    output: "first.txt"
                    shell: "echo right > {output}"
                rule second:
                    input: "first.txt"
                    output: "second.txt"
                    shell: "while [ ! -e {config[go]} ]; do sleep 0.05; done; cp {input} {output}"
                """,
        }
    )
    go = project.path.parent / "go"
    running = project.start("second.txt", "--config", f"go={go}")
    wait_until(lambda: os.path.lexists(project.path / "first.txt"), "the first output")
    (project.path / "first.txt").unlink()
    project.write({"first.txt": "wrong\n"})
    go.touch()
    printed = project.end(running).ok().text
    assert "first.txt is no longer the link" in printed
    assert project.read("first.txt") == "wrong\n" and project.read("second.txt") == "right\n"
    document = project.run_document(project.tags()[0])
    first = document["outputs"][0]
    assert first["path"] == "first.txt" and "provenance" not in first
    planned = project.plain("-n", "second.txt", "--config", f"go={go}").ok().text
    assert "Updated input files: first.txt" in planned and "rule first:" not in planned
    project.git("checkout", "--quiet", "--force", project.tags()[0])
    assert project.read("first.txt") == "right\n"


def test_frozen_inputs_that_are_not_committed(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project(
        {
            "Snakefile": """
                rule a:
                    input: "data/1.txt", "data/folder"
                    output: "a.txt"
                    shell: "cat data/1.txt data/folder/* > {output}"
                """,
            ".gitignore": ".snakemake/\ndata/\n",
        }
    )
    project.write({"data/1.txt": "1\n", "data/folder/2.txt": "2\n"})
    project.gitbatch("freeze", "data").ok()
    assert "data/folder/2.txt" in project.snakemake("a.txt").ok().text
    project.git("clone", "--quiet", str(project.path), str(tmp_path / "clone"))
    clone = Project(path=tmp_path / "clone")
    clone.git("checkout", "--quiet", project.tags()[0])
    clone.git("config", "gitbatch.archive", str(project.archive))
    # HEAD is a run commit; Snakemake finds its links without any other command before.
    clone.snakemake("--force", "a.txt").ok()
    assert clone.read("a.txt") == "1\n2\n"
    source = project.run_document(project.tags()[0])["source_commit"]
    assert clone.run_document(clone.tags()[-1])["source_commit"] == source


def test_an_input_through_a_linked_folder_of_the_commit(make_project: MakeProject) -> None:
    project = make_project(
        {
            "Snakefile": """
                rule a:
                    input: "linked/data.txt"
                    output: "a.txt"
                    conda: "environment.yaml"
                    shell: "cp {input} {output}"
                """,
            "real/data.txt": "data\n",
            "environment.yaml": "dependencies: []\n",
        }
    )
    (project.path / "linked").symlink_to("real")
    project.commit()
    project.snakemake("a.txt").ok()
    assert project.read("a.txt") == "data\n"


def test_an_output_in_a_submodule_is_refused(make_project: MakeProject) -> None:
    inner = make_project({"data.txt": "data\n"}, name="inner")
    project = make_project(
        {
            "Snakefile": """
                rule a:
                    input: "sub/data.txt"
                    output: "a.txt"
                    shell: "cp {input} {output}"
                rule b:
                    output: "sub/b.txt"
                    shell: "echo > {output}"
                """,
        }
    )
    project.git(
        *("-c", "protocol.file.allow=always"),
        *("submodule", "--quiet", "add", str(inner.path), "sub"),
    )
    project.commit()
    project.snakemake("b").failed("lies in the submodule")
    project.snakemake("a").ok()
    assert "160000" in project.git("ls-tree", project.tags()[0])


def test_missing_inputs_are_named_together(make_project: MakeProject) -> None:
    project = make_project(
        {
            "Snakefile": "rule a:\n  input: 'x 1', 'x2'\n  output: 'a'\n  shell: 'touch a'\n",
            ".gitignore": ".snakemake/\nx*\n",
        }
    )
    project.write({"x 1": "", "x2": ""})
    project.snakemake("a").failed("gitbatch freeze 'x 1' x2")


def test_a_failed_run_keeps_what_is_temporary_for_the_next(make_project: MakeProject) -> None:
    project = make_project(
        {
            "Snakefile": """
                rule all:
                    input: "b.txt"
                rule a:
                    output: temp("a.txt"), temp(directory("a"))
                    shell: "echo a > {output[0]}; mkdir {output[1]}; echo inner > {output[1]}/x"
                rule b:
                    input: "a.txt", "a"
                    output: "b.txt"
                    shell: "cat {input[0]} {input[1]}/x {config[more]} > {output}"
                """,
            "data.txt": "data\n",
        }
    )
    project.snakemake("--config", "more=missing.txt").failed("missing.txt: No such file")
    assert project.read("a.txt") == "a\n" and project.read("a/x") == "inner\n"
    assert project.leftovers() == []
    printed = project.snakemake("--config", "more=data.txt").ok().text
    assert "rule a:" not in printed
    assert project.read("b.txt") == "a\ninner\ndata\n"
    assert not os.path.lexists(project.path / "a.txt") and not (project.path / "a").exists()


def test_common_mistakes_are_explained(make_project: MakeProject) -> None:
    project = make_project(
        {
            ".gitignore": ".snakemake/\nlocal.txt\n",
            "Snakefile": """
                rule all:
                    input: "appended.txt", "read.txt", "opened.txt"
                rule appended:
                    input: "data.txt"
                    output: "appended.txt"
                    shell: "cp {input} {output}; echo more >> {output}"
                rule read:
                    output: "read.txt"
                    shell: "cat local.txt > {output}"
                rule opened:
                    output: "opened.txt"
                    run:
                        open(output[0], "w").write(open("local.txt").read())
                """,
            "data.txt": "data\n",
            "local.txt": "local\n",
        }
    )
    text = project.snakemake("--keep-going").failed("cp --no-preserve=mode").text
    assert text.count("local.txt exists only in your folder") == 2


def test_what_cannot_be_kept_at_the_end_is_kept_later(make_project: MakeProject) -> None:
    project = make_project(
        {
            "Snakefile": """
                rule a:
                    output: temp("a.txt"), temp(directory("a"))
                    shell: "echo a > {output[0]}; mkdir a; cd a; echo > x; ln -s x l"
                rule b:
                    input: "a.txt", "a"
                    output: "b.txt"
                    shell:
                        "chmod {config[mode]} {config[objects]};"
                        "test -f a/l; cat {input[0]} > {output}"
                """,
        }
    )
    objects = project.archive / "objects"
    settings = ["b.txt", "--config", f"objects={objects}"]
    text = project.snakemake(*settings, "mode=0555").failed("stays in the run's worktree").text
    assert "could not be put into the archive" in text
    assert project.read("a.txt") == "a\n" and (project.path / "a/l").exists()
    objects.chmod(0o755)
    printed = project.snakemake(*settings, "mode=0755").ok().text
    assert "rule a:" not in printed and project.read("b.txt") == "a\n"
    assert project.leftovers() == []
