"""The end of a run: it says what Snakemake says, and can be broken off at any moment."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import Ended, Project

MakeProject = Callable[..., Project]

KILLS = """
import os, re, signal, sys

def hook(event, arguments, wanted=os.environ.get("KILLED_AT")):
    if wanted and event.startswith(("os.", "subprocess.")):
        if re.search(wanted, f"{event} {arguments[:2]}"):  # without environments
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
"""
"""A sitecustomize: the process dies right before a change to the file system, or a call of git."""

COMMIT = "Popen.*fast-import"
WORD = r"os.link .*/runs/[-0-9a-f]+\.json"

SNAKEFILE = """
    rule all:
        input: "a.txt", "b.txt"
    rule a:
        input: "in.txt"
        output: "a.txt"
        shell: "echo a >> {config[ran]}; cp {input} {output}"
    rule b:
        input: "in.txt"
        output: "b.txt"
        shell: "echo b >> {config[ran]}; test ! -e {config[ran]}.bad; cp {input} {output}"
    """


@pytest.fixture
def killed(tmp_path: Path) -> dict[str, str]:
    """Environment of a Snakemake that dies where KILLED_AT says."""
    folder = tmp_path / "killing"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(KILLS)
    return {"PYTHONPATH": str(folder)}


def word(project: Project, run: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((project.archive / f"runs/{run}.json").read_bytes())
    return found


def ids(project: Project) -> list[str]:
    return [ref.rpartition("/")[2] for ref in project.runs()]


def test_a_kill_while_a_run_ends(
    make_project: MakeProject, killed: dict[str, str], tmp_path: Path
) -> None:
    """The same command again ends it; nothing runs twice; others can reuse it."""
    project = make_project({"Snakefile": SNAKEFILE, ".gitignore": ".snakemake/\n?.txt\n"})
    ran = tmp_path / "ran"
    command = ("--nolock", "--keep-going", "--config", f"ran={ran}")
    for number, moment in enumerate((COMMIT, WORD)):
        ran.unlink(missing_ok=True)
        project.commit({"in.txt": f"{number}\n"})
        ended = project.snakemake(*command, **killed, KILLED_AT=moment)
        assert ended.returncode == -9 and sorted(ran.read_text()) == sorted("a\nb\n")
        text = project.snakemake(*command).ok().text
        assert "Nothing to be done" in text or "localrule all" in text
        assert sorted(ran.read_text()) == sorted("a\nb\n")
        assert len(ids(project)) == number + 1 and project.leftovers() == []
        run = max(ids(project))
        assert f"run/{run}" in project.tags()
        document = project.run_document(f"run/{run}")
        assert (document["outcome"], document["jobs_finished"]) == ("succeeded", 2)
        assert (word(project, run)["outcome"], word(project, run)["tainted"]) == (
            "succeeded", False
        )  # fmt: skip
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", project.path, clone], check=True)
    again = Project(path=clone)
    text = again.snakemake(*command, "--gitbatch-archive", str(project.archive)).ok().text
    assert f"2 reused (2 of run {run})" in text
    # A run that has failed has ended too: what is left to do is another run.
    ran.unlink()
    bad = Path(f"{ran}.bad")
    bad.touch()
    project.commit({"in.txt": "bad\n"})
    assert project.snakemake(*command, **killed, KILLED_AT=WORD).returncode == -9
    bad.unlink()
    text = project.snakemake(*command).ok().text
    assert sorted(ran.read_text()) == sorted("a\nb\nb\n") and project.leftovers() == []
    failed, last = sorted(ids(project))[-2:]
    assert [word(project, run)["outcome"] for run in (failed, last)] == ["failed", "succeeded"]
    assert f"run/{last}" in project.tags() and f"run/{failed}" not in project.tags()
    assert {o["path"] for o in project.run_document(f"run/{last}")["outputs"]} == {
        "a.txt", "b.txt",
    }  # fmt: skip


def test_a_run_says_what_snakemake_says(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project(
        {
            "Snakefile": """
                onsuccess: shell("exit {config[fail]}")
                rule all:
                    input: "a.txt"
                rule a:
                    output: "a.txt"
                    shell:
                        "while [ ! -s {config[pid]} ]; do sleep 0.1; done;"
                        "kill -TERM $(cat {config[pid]}); echo a > {output}"
                rule retried:
                    output: "retried.txt"
                    retries: 1
                    shell: "test -e {config[pid]}.again || touch {config[pid]}.again NONE/x;"
                        "echo > {output}"
                checkpoint point:
                    output: "point.txt"
                    shell: "echo > {output}"
                def after(wildcards):
                    checkpoints.point.get()
                    raise ValueError("after the last job")
                rule broken:
                    input: after
                    output: "broken.txt"
                    shell: "touch {output}"
                """,
        }
    )

    def outcome(ended: Ended) -> tuple[int, str, bool]:
        run = max(ids(project))
        return ended.returncode, str(word(project, run)["outcome"]), f"run/{run}" in project.tags()

    pid = tmp_path / "pid"
    config = ("--config", f"pid={pid}")
    running = project.start(*config, "fail=0")
    pid.write_text(str(running.pid))
    # The last job is done, but the target rule is not: SIGTERM came before.
    assert outcome(project.end(running)) == (1, "interrupted", False)
    assert project.read("a.txt") == "a\n"
    assert outcome(project.snakemake("retried.txt", *config, "fail=0")) == (0, "succeeded", True)
    broken = project.snakemake("broken.txt", *config, "fail=0")
    assert outcome(broken) == (1, "failed", False) and "after the last job" in broken.text
    # Snakemake calls its hook where the workflow has succeeded, whatever becomes of that.
    hook = project.snakemake("retried.txt", "--force", *config, "fail=1")
    assert outcome(hook) == (1, "succeeded", True)
    assert project.leftovers() == []


def test_tags_that_cannot_be(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project(
        {
            "Snakefile": """
                rule a:
                    output: "a.txt"
                    shell: "echo a >> {config[ran]}; git tag {config[tag]}; echo a > {output}"
                """
        }
    )
    ran = tmp_path / "ran"
    config = ("--config", f"ran={ran}")
    project.git("tag", "v1/final")
    refused = project.snakemake("--gitbatch-tag", "v1", *config, "tag=other")
    refused.failed("git cannot have a tag v1 beside refs/tags/v1/final")
    assert not ran.exists()
    # Somebody makes it while jobs run.
    text = project.snakemake("--gitbatch-tag", "v2/final", *config, "tag=v2").ok().text
    assert "gets no tag v2/final: refs/tags/v2 is in its way" in text
    [first] = ids(project)
    assert word(project, first)["outcome"] == "succeeded"
    assert project.run_document(project.runs()[0])["tag"] is None
    # Without a name that somebody has asked for, a run does without.
    project.git("tag", "run")
    text = project.snakemake("--force", *config, "tag=v3").ok().text
    assert "refs/tags/run is in its way" in text.partition("rule a:")[0]
    last = max(ids(project))
    assert word(project, last)["outcome"] == "succeeded" and project.leftovers() == []
    project.gitbatch("runs", "tag", last, "named").ok()
    project.gitbatch("runs", "tag", last, "run/named").text.index("beside refs/tags/run")
