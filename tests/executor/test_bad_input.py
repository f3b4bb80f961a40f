"""What cannot be run is refused before anything is started, with one clear error."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from projects import Project

MakeProject = Callable[..., Project]

SIMPLE = {
    "Snakefile": """
        configfile: "config.yaml"
        rule a:
            input: "data.txt"
            output: "out/a.txt"
            script: "scripts/a.py"
        rule raw:
            input: "raw/my data.txt"
            output: "out/raw.txt"
            shell: "cp {input:q} {output}"
        """,
    "scripts/a.py": "open(snakemake.output[0], 'w').write(snakemake.config['word'])\n",
    "config.yaml": "word: first\n",
    "data.txt": "data\n",
    ".gitignore": ".snakemake/\nraw/\n",
}


@pytest.mark.parametrize("name", ["Snakefile", "scripts/a.py", "config.yaml", "data.txt"])
def test_a_modified_file_is_refused(make_project: MakeProject, name: str) -> None:
    project = make_project(SIMPLE)
    project.write({name: project.read(name) + "\n"})
    project.snakemake("out/a.txt").failed(f"modified:    {name}", "--gitbatch-dirty snapshot")
    assert project.runs() == [] and project.leftovers() == []


def test_a_staged_change_and_an_untracked_script_are_refused(make_project: MakeProject) -> None:
    project = make_project(SIMPLE)
    project.write(
        {
            "Snakefile": project.read("Snakefile").replace("scripts/a.py", "scripts/new.py"),
            "scripts/new.py": project.read("scripts/a.py"),
        }
    )
    project.git("add", "Snakefile")
    project.snakemake("out/a.txt").failed("modified:    Snakefile", "not tracked: scripts/new.py")


def test_an_untracked_file_that_no_job_names_does_not_matter(make_project: MakeProject) -> None:
    project = make_project(SIMPLE)
    project.write({"notes.txt": "", "scripts/.a.py.swp": ""})
    project.snakemake("out/a.txt").ok()


def test_a_snapshot_runs_the_present_state_and_leaves_git_alone(make_project: MakeProject) -> None:
    project = make_project(SIMPLE)
    head = project.git("rev-parse", "HEAD").strip()
    project.write({"config.yaml": "word: second\n", "data.txt": "edited\n"})
    project.git("add", "data.txt")
    status = project.git("status", "--porcelain")
    project.snakemake("out/a.txt", "--gitbatch-dirty", "snapshot").ok()
    assert project.read("out/a.txt") == "second"
    assert project.git("rev-parse", "HEAD").strip() == head
    assert project.git("status", "--porcelain") == status + "?? out/\n"
    source = project.run_document(project.tags()[0])["source_commit"]
    [snapshot] = project.git(
        "for-each-ref", "--format=%(objectname)", "refs/gitbatch/snapshots"
    ).split()
    assert source == snapshot
    assert project.git("rev-parse", f"{source}^").strip() == head
    assert project.git("show", f"{source}:config.yaml") == "word: second\n"


def test_an_input_that_nobody_has_names_the_freeze_that_mends_it(
    make_project: MakeProject, pool: str
) -> None:
    project = make_project(SIMPLE, pool=pool)
    project.write({"raw/my data.txt": "raw\n"})
    project.snakemake("out/raw.txt").failed(
        "The input raw/my data.txt of rule raw is neither in the commit nor in the archive",
        "gitbatch freeze 'raw/my data.txt'",
    )
    project.gitbatch("freeze", "raw/my data.txt").ok()
    project.snakemake("out/raw.txt").ok()  # also before the link is committed
    assert project.read("out/raw.txt") == "raw\n"


def test_freezing_a_used_input_makes_nothing_run_again(make_project: MakeProject) -> None:
    project = make_project(SIMPLE)
    project.write({"raw/my data.txt": "raw\n"})
    project.plain("--cores", "1", "out/raw.txt").ok()
    project.gitbatch("freeze", "raw/my data.txt").ok()
    project.nothing_to_do("out/raw.txt")


def test_a_tracked_output_is_no_dirt(make_project: MakeProject) -> None:
    project = make_project({**SIMPLE, "out/a.txt": "old\n"})
    project.write({"out/a.txt": "by hand\n"})
    project.snakemake("out/a.txt", "--force").ok()
    assert project.read("out/a.txt") == "first"
    project.nothing_to_do("out/a.txt")


def test_outside_of_a_repository(make_project: MakeProject) -> None:
    project = make_project(SIMPLE, commit=False)
    project.snakemake("out/a.txt").failed("has no commits yet")
    (project.path / ".git").rename(project.path / "no-git")
    project.snakemake("out/a.txt").failed("is not in a git repository", "git init")


def test_settings_that_cannot_be_used(make_project: MakeProject) -> None:
    project = make_project(SIMPLE)
    project.write({"not-an-archive/file": ""})
    ended = project.snakemake("out/a.txt", "--gitbatch-dirty", "perhaps")
    assert ended.returncode == 2 and "perhaps" in ended.text
    project.snakemake("out/a.txt", "--gitbatch-archive", "not-an-archive").failed(
        "not-an-archive", "not empty"
    )
    project.snakemake("out/a.txt", "--gitbatch-archive", "/proc/archive").failed("/proc/archive")
    project.snakemake("out/a.txt", "--gitbatch-worktrees", "/proc/trees").failed("/proc/trees")
    assert project.leftovers() == []


def test_htcondor_that_is_not_there(make_project: MakeProject) -> None:
    project = make_project(SIMPLE)
    project.pool = "htcondor"
    nowhere = {"CONDOR_CONFIG": "/nonexistent", "PATH": "/usr/bin:/bin"}
    project.snakemake("out/a.txt", **nowhere).failed("HTCondor")
    assert project.runs() == [] and project.leftovers() == []


def test_an_archive_that_cannot_be_written(make_project: MakeProject) -> None:
    project = make_project(SIMPLE)
    project.gitbatch("init").ok()
    for folder in ("objects", "staging"):
        (project.archive / folder).chmod(0o555)
    try:
        ended = project.snakemake("out/a.txt")
    finally:
        for folder in ("objects", "staging"):
            (project.archive / folder).chmod(0o755)
    ended.failed("ermission")
    project.snakemake("out/a.txt").ok()
