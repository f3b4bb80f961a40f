"""Snakemake's other options, and git's cleaning commands, do what users know them to do."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from projects import Project

MakeProject = Callable[..., Project]

WORKFLOW = {
    "Snakefile": """
        rule all:
            input: "b.txt", "folder", "kept.txt"
        rule a:
            output: "a.txt"
            shell: "echo a > {output}"
        rule b:
            input: "a.txt", "t.tmp"
            output: "b.txt"
            shell: "cat {input} > {output}"
        rule t:
            output: temp("t.tmp")
            shell: "echo t > {output}"
        rule folder:
            output: directory("folder")
            shell: "mkdir {output}; echo 1 > {output}/1.txt"
        rule kept:
            output: protected("kept.txt")
            shell: "echo kept > {output}"
        """,
}


@pytest.fixture
def done(make_project: MakeProject) -> Project:
    project = make_project(WORKFLOW)
    project.snakemake().ok()
    return project


def objects(project: Project) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.stat().st_mode, path.stat().st_mtime_ns)
        for path in project.archive.glob("objects/*/*")
    }


def test_looking_changes_nothing(done: Project) -> None:
    before = objects(done)
    assert "b.txt" in done.plain("--summary").ok().text
    done.plain("--report", "report.html").ok()
    assert "b.txt" in done.read("report.html")
    done.plain("--touch", "--cores", "1").ok()
    done.plain("--touch", "--cores", "1", "--forcerun", "a", "kept").ok()
    done.nothing_to_do()
    assert objects(done) == before
    assert "no damage" in done.gitbatch("archive", "verify").ok().text


def test_forced_jobs_run_again(done: Project) -> None:
    printed = done.snakemake("--forcerun", "a", "--until", "b").ok().text
    assert "rule a:" in printed and "rule b:" in printed and "rule kept:" not in printed
    printed = done.snakemake("t.tmp", "--force", "--notemp").ok().text
    assert "rule t:" in printed
    done.nothing_to_do()


def test_a_protected_output_is_not_overwritten(done: Project) -> None:
    done.snakemake("--force", "kept.txt").failed("rotected output", "kept.txt")
    assert done.read("kept.txt") == "kept\n"
    (done.path / "kept.txt").unlink()
    done.snakemake("kept.txt").ok()


def test_a_protected_file_of_plain_snakemake_is_not_overwritten(make_project: MakeProject) -> None:
    project = make_project(WORKFLOW)
    project.plain("--cores", "1", "kept.txt").ok()
    project.snakemake("--force", "kept.txt").failed("rotected output")
    assert project.read("kept.txt") == "kept\n"


def test_deleting_all_output_deletes_links_only(done: Project) -> None:
    before = objects(done)
    done.plain("--delete-all-output", "--cores", "1").ok()
    assert not os.path.lexists(done.path / "b.txt") and not (done.path / "folder").exists()
    assert objects(done) == before
    done.snakemake().ok()
    assert done.read("b.txt") == "a\nt\n"


def test_temporary_outputs_are_kept_on_request(make_project: MakeProject) -> None:
    project = make_project(WORKFLOW)
    project.snakemake("b.txt", "--notemp").ok()
    assert project.read("t.tmp") == "t\n"
    assert "objects/" in os.readlink(project.path / "t.tmp")


def test_a_changed_script_runs_what_depends_on_it(done: Project) -> None:
    done.commit({"Snakefile": done.read("Snakefile").replace("echo t >", "echo new >")})
    printed = done.snakemake().ok().text
    assert "rule t:" in printed and "rule b:" in printed and "rule a:" not in printed
    assert done.read("b.txt") == "a\nnew\n"


@pytest.mark.parametrize("cleaning", [["clean", "-ffdxq"], ["stash", "--all", "--quiet"]])
def test_cleaning_loses_nothing(done: Project, cleaning: list[str]) -> None:
    before = objects(done)
    done.git(*cleaning)
    assert not os.path.lexists(done.path / "b.txt")
    done.git("checkout", "--quiet", done.tags()[0])
    assert objects(done) == before
    done.gitbatch("init").ok()
    assert done.read("b.txt") == "a\nt\n" and done.read("folder/1.txt") == "1\n"


def test_a_protected_folder(make_project: MakeProject) -> None:
    text = WORKFLOW["Snakefile"]
    project = make_project(
        {"Snakefile": text.replace('directory("folder")', 'protected(directory("folder"))')}
    )
    project.snakemake("folder").ok()
    assert not os.access(project.path / "folder", os.W_OK)
    assert "no damage" in project.gitbatch("archive", "verify").ok().text
    project.snakemake("folder", "--force").failed("rotected output")
