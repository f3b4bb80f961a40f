"""What a start would refuse is said beforehand, all of it at once, and leaves no trace."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from projects import Project
from snakemake.api import DAGApi

MakeProject = Callable[..., Project]

FULL = {
    "Snakefile": """
        rule all:
            input: "out/a.txt", "out/b.txt", "../outside.txt", "out/d.txt", "out/fine.txt"
        rule a:
            input: "raw/1.txt"
            output: "out/a.txt"
            shell: "cp {input} {output}"
        rule b:
            input: "raw/2.txt"
            output: "out/b.txt"
            shell: "cp {input} {output}"
        rule c:
            output: "../outside.txt"
            shell: "touch {output}"
        rule d:
            input: "out/fine.txt"
            output: "out/d.txt"
            threads: 640
            resources: job_wrapper="missing.sh"
            shell: "cp {input} {output}"
        rule fine:
            output: "out/fine.txt"
            script: "scripts/fine.py"
        rule large:
            output: "out/large.txt"
            threads: 640
            shell: "touch {output}"
        """,
    "scripts/fine.py": "open(snakemake.output[0], 'w').write('fine')\n",
    ".gitignore": ".snakemake/\nraw/\n",
}


def everything(folder: Path) -> dict[str, tuple[int, int, str]]:
    """All that lies in a folder, git's own included: mode, time, content. Of folders that git or
    Snakemake write to for a moment, not the time."""
    found = {}
    for top, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(top, name)
            state = path.lstat()
            text = os.readlink(path) if path.is_symlink() else ""
            if not text and path.is_file():
                text = hashlib.sha256(path.read_bytes()).hexdigest()
            time = 0 if path.is_dir() and not path.is_symlink() else state.st_mtime_ns
            found[str(path.relative_to(folder))] = (state.st_mode, time, text)
    return found


def check(project: Project, *args: str, code: int) -> dict[str, Any]:
    """`gitbatch check --json`, which leaves no trace."""
    before = everything(project.path)
    ended = project.gitbatch("check", "--json", *args, "--gitbatch-pool", project.pool)
    assert ended.returncode == code, ended.text
    assert everything(project.path) == before
    text = ended.text  # notes may follow, on standard error
    found: dict[str, Any] = json.loads(text[text.index("{\n") : text.rindex("\n}") + 2])
    return found


def test_all_that_is_in_the_way_is_said_at_once(make_project: MakeProject, pool: str) -> None:
    project = make_project(FULL, pool=pool)
    project.write({"raw/1.txt": "1\n", "raw/2.txt": "2\n"})
    project.git("tag", "v1")
    project.write({"scripts/fine.py": project.read("scripts/fine.py") + "\n"})
    options = ("--gitbatch-tag", "v1", "--gitbatch-notify", "a@", "--gitbatch-code", "lib")
    found = check(project, *options, code=1)["obstacles"]
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for each in found:
        by_kind.setdefault(each["kind"], []).append(each)
    assert by_kind.keys() == {"settings", "tag", "commit", "output", "input", "resources"}
    assert [each["names"] for each in by_kind["input"]] == [["raw/1.txt"], ["raw/2.txt"]]
    assert by_kind["output"][0]["names"] == ["../outside.txt"]
    assert by_kind["commit"][0]["names"] == ["scripts/fine.py"]
    assert by_kind["resources"][0]["names"] == ["d"]
    assert len(by_kind["settings"]) == 2 and all(each["hint"] or each["text"] for each in found)

    words = (
        "modified:    scripts/fine.py", "There is already a tag v1", "'a@' is no mail address",
        "'lib' matches no file", "output ../outside.txt of rule c lies outside",
        "gitbatch freeze raw/1.txt raw/2.txt", "job_wrapper='missing.sh' is no program",
    )  # fmt: skip
    # A start says the same, and so does Snakemake's own dry run where it takes the executor along.
    project.snakemake(*options).failed("The run cannot start:", *words)
    assert project.runs() == [] and project.leftovers() == []
    if "pseudo_executor" in inspect.signature(DAGApi.execute_workflow).parameters:
        dry = project.snakemake("-n", *options).ok()
        assert all(word in dry.text for word in ("A start would be refused:", *words)), dry.text
        assert "This was a dry-run" in dry.text

    snapshot = ("out/fine.txt", "--gitbatch-dirty", "snapshot")
    assert check(project, *snapshot, code=0)["jobs"] == 1  # no commit is made for it
    locks = project.path / ".snakemake/locks"
    locks.mkdir(parents=True, exist_ok=True)
    (locks / "0.output.lock").write_text("out/fine.txt\n")
    [held] = check(project, *snapshot, code=1)["obstacles"]
    assert held["kind"] == "folder" and "snakemake --unlock" in held["hint"]
    (locks / "0.output.lock").unlink()
    project.git("checkout", "--quiet", "scripts/fine.py")
    project.gitbatch("freeze", "raw/1.txt", "raw/2.txt").ok()
    targets = ("out/a.txt", "out/b.txt", "out/fine.txt")
    assert check(project, *targets, code=0)["jobs"] == 3
    shutil.rmtree(project.path / ".gitbatch")  # as in a linked worktree; a start makes it again
    assert check(project, *targets, code=0)["obstacles"] == []
    project.snakemake(*targets).ok()
    assert check(project, "out/fine.txt", "-R", "fine", code=0)["jobs"] == 1
    assert "There is nothing to do" in project.gitbatch("check", *targets).ok().text


def test_what_no_machine_has(make_project: MakeProject, htcondor_pool: Path) -> None:
    project = make_project(FULL, pool="htcondor")
    [large] = check(project, "out/large.txt", "out/fine.txt", code=1)["obstacles"]
    assert large["names"] == ["large"] and "--gitbatch-unmatched wait" in large["hint"]
    assert large["text"] == "large asks for 640 CPUs; the largest slot has 8"
    assert check(project, "out/large.txt", "--gitbatch-unmatched", "wait", code=0)["notes"] == []
    project.environment["_CONDOR_FILESYSTEM_DOMAIN"] = "elsewhere"  # it may see the archive or not
    [note] = check(project, "out/fine.txt", code=0)["notes"]
    assert "no slot shares this machine's file systems" in note and "doctor --job" in note
    del project.environment["_CONDOR_FILESYSTEM_DOMAIN"]
    # Nothing starts; unless what can run is to run.
    project.snakemake("out/large.txt", "out/fine.txt").failed("large asks for 640 CPUs")
    assert project.runs() == [] and not (project.path / "out").exists()
    ended = project.snakemake("out/large.txt", "out/fine.txt", "--keep-going").failed("640 CPUs")
    assert "Jobs will be refused" in ended.text and project.read("out/fine.txt") == "fine"


def test_what_snakemake_itself_refuses_comes_with_the_rest(make_project: MakeProject) -> None:
    project = make_project(FULL)
    project.write({"scripts/fine.py": "changed\n"})
    first, second, third = check(project, "out/a.txt", "--gitbatch-tag", "a..b", code=1)[
        "obstacles"
    ]
    assert first["kind"] == "workflow" and "raw/1.txt" in first["text"]
    assert "SNAKEMAKE" not in first["text"] and "Traceback" not in first["text"]
    assert (second["kind"], third["kind"]) == ("tag", "commit")
    ended = project.gitbatch("check", "--no-such-option")
    assert ended.returncode == 2 and "no-such-option" in ended.text
    ended = project.gitbatch("check", "--unlock")
    assert ended.returncode == 2 and "starts no run" in ended.text


@pytest.mark.parametrize("given", [{}, {"GITBATCH_ARCHIVE": "/proc/archive"}])
def test_folders_that_cannot_be(make_project: MakeProject, given: dict[str, str]) -> None:
    project = make_project(FULL)
    project.environment |= given
    found = check(project, "out/fine.txt", "--gitbatch-worktrees", "/proc/trees", code=1)
    if not given:
        check(project, "--directory", "new/folder", "out/fine.txt", code=0)
        project.commit({"other.smk": "workdir: 'there'\ninclude: 'Snakefile'\n", "there/x": ""})
        check(project, "-s", "other.smk", "out/fine.txt", code=0)
    kinds = [each["kind"] for each in found["obstacles"]]
    assert kinds == (["archive"] if given else []) + ["folders"]


def test_what_reading_the_workflow_writes_is_not_in_the_way(make_project: MakeProject) -> None:
    project = make_project(
        {
            "Snakefile": """
                import subprocess
                from pathlib import Path

                Path("made.smk").write_text("MADE = 1\\n")
                include: "made.smk"
                if not Path("listed.txt").exists():
                    subprocess.run("echo a > listed.txt", shell=True, check=True)

                rule a:
                    input: "made.smk", "listed.txt", "before.txt"
                    output: "a.txt"
                    shell: "cat {input} > {output}"
            """
        }
    )
    project.write({"before.txt": "nobody has it\n"})
    ended = project.gitbatch("check", "a.txt", "--gitbatch-pool", "local")
    assert ended.returncode == 1 and ended.text.count("\n- ") == 1, ended.text
    assert "gitbatch freeze before.txt" in ended.text
