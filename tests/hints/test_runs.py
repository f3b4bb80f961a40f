"""What `gitbatch run` and `gitbatch runs` say to do."""

from __future__ import annotations

import argparse
import json
import os
import signal
from pathlib import Path

import pytest
from projects import Ended, Project, processes_with, wait_until

from gitbatch_core.cli.runs import ls
from gitbatch_core.errors import GitError
from gitbatch_core.git.repository import Repository
from gitbatch_core.history.run_outputs import RunOutputs

from .terminals import GATED, TOKEN, Terminal, rewrite, types


def refused(ended: Ended, code: int = 2) -> Ended:
    assert ended.returncode == code and "Traceback" not in ended.text, ended.text
    return ended


def lost(project: Project, name: str) -> str:
    """A run whose controller was killed in the job that makes `name`; its id."""
    started = project.gitbatch(
        *("run", "--detach", "--", "-j", "2", "--gitbatch-pool", project.pool),
        *("--config", f"gates={project.path.parent}/gates", f"token={TOKEN}", "--", name),
    ).ok()
    run = started.text.splitlines()[0]
    owner = project.path / f".git/gitbatch/runs/{run}/owner.json"
    wait_until(lambda: any(project.archive.glob("staging/*/jobs/*/order.json")), "its job")
    os.kill(json.loads(owner.read_bytes())["pid"], signal.SIGKILL)
    if project.pool == "local":
        sign = str(project.archive / "staging" / run)
        wait_until(lambda: not processes_with(sign), "the end of its job")
    return run


@types(
    "cli/run: gitbatch runs attach",
    "cli/run: gitbatch runs",
    "history/run_names: gitbatch runs attach",
    "history/removal: gitbatch runs cancel",
    "history/removal: gitbatch runs keep --off",
    "history/logs: gitbatch runs out",
    "history/marks: gitbatch runs note --remove",
    "history/marks: git tag --list",
    "cli/runs/tag: gitbatch runs tag",
    "history/run_names: gitbatch runs",
    "history/run_names: gitbatch runs ls --all",
    "history/run_names: git fetch --tags",
    "history/run_names: git fetch",
    "history/run_outputs: git tag --list",
    "history/run_outputs: git tag --list",
    "history/run_outputs: git fetch --tags",
    "cli/runs/ls: gitbatch runs ls --all",
    "cli/runs/ls: gitbatch run --resume",
    "cli/runs/ls: gitbatch runs cancel",
    "cli/runs/attach: gitbatch run --resume",
    "cli/runs/cancel: gitbatch runs cancel",
    "run/controller: gitbatch run --resume",
)
def test_runs(
    terminal: Terminal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    project = terminal.project
    gates = tmp_path / "gates"
    gates.mkdir()
    project.commit(GATED)
    project.environment["TOKEN"] = TOKEN
    refused_runs = lambda *words: refused(project.gitbatch("runs", *words))  # noqa: E731

    # One that goes on.
    options = ("-j", "2", "--gitbatch-pool", "local", "--config", f"gates={gates}", "--")
    told = project.gitbatch("run", "--detach", "--", *options, "a").ok()
    first = told.text.splitlines()[0]
    assert first in terminal.type(told.text.partition(" # ")[2], "gitbatch runs").text
    told_not_ended = refused_runs("checkout", first)
    (gates / "a").touch()
    terminal.type(told, "gitbatch runs attach")
    told = project.gitbatch("run", "--detach", "--", *options, "b").ok()
    second = told.text.splitlines()[0]
    told_not_ended = refused_runs("checkout", second)
    terminal.type(refused_runs("rm", "-y", second), "gitbatch runs cancel")
    # Of a run that has ended since, it says just that.
    terminal.type(told_not_ended, "gitbatch runs attach", status=2)
    project.gitbatch("runs", "rm", "-y", second).ok()

    # Marks, names, what was printed.
    project.gitbatch("runs", "keep", first).ok()
    terminal.type(refused_runs("rm", "-y", first), "gitbatch runs keep --off")
    project.gitbatch("runs", "note", first, "some words").ok()
    terminal.type(refused_runs("note", first, " "), "gitbatch runs note --remove")
    assert project.gitbatch("runs", "note", first).text == ""
    assert (
        f"run/{first}"
        in terminal.type(refused_runs("tag", "--delete", "v1"), "git tag --list").text
    )
    terminal.type(refused_runs("tag", first), "gitbatch runs tag", RUN=first, NAME="v1")
    assert project.git("tag", "--list", "v1")
    rewrite(project, first, lambda document: document.pop("log"))
    terminal.type(refused_runs("out", first), "gitbatch runs out", RULE="gated")
    clone = Project(path=tmp_path / "clone")
    project.git("clone", "--quiet", "--no-tags", str(project.path), str(clone.path))
    terminal.project = clone
    told = refused(clone.gitbatch("runs", "show", first))
    terminal.type(told, "gitbatch runs ls --all")
    terminal.type(told, "git fetch --tags", "git fetch REMOTE", REMOTE="origin")
    clone.gitbatch("runs", "show", first).ok()
    terminal.type(refused(clone.gitbatch("runs", "cancel")), "gitbatch runs")
    lookup = RunOutputs(repository=Repository.find(clone.path))
    clone.git("tag", "no-run")
    for look in (
        lambda: lookup.split("no/such"),
        lambda: RunOutputs(repository=lookup.repository).outputs("no-run"),
    ):
        with pytest.raises(GitError) as caught:
            look()
        assert first in terminal.type(str(caught.value), "git tag --list").text
    with pytest.raises(GitError) as caught:
        lookup.split("no/such")
    terminal.type(str(caught.value), "git fetch --tags")
    terminal.project = project

    # Those that have lost their controller.
    third = lost(project, "c")
    told = project.gitbatch("runs").ok()
    told_secret = terminal.shell(f"gitbatch run --resume {third}", status=2)
    (gates / "c").touch()
    given = f"-j 2 --gitbatch-pool local --config gates={gates} token=$TOKEN -- c"
    attached = refused(project.gitbatch("runs", "attach", third), 1)
    commands = {"ARGUMENTS OF SNAKEMAKE": given}
    terminal.type(told_secret, "gitbatch run --resume", **commands)
    assert project.read("c") == "c\n"
    for text in (told, attached):  # it is no longer lost
        terminal.type(text, "gitbatch run --resume", status=2)
    fourth = lost(project, "d")
    told = project.gitbatch("runs").ok()
    owner = project.path / f".git/gitbatch/runs/{fourth}/owner.json"
    text = owner.read_text()
    there = json.loads(text) | {"host": "elsewhere"}
    owner.write_text(json.dumps(there))
    told_there = refused_runs("cancel", fourth)
    owner.write_text(text)
    terminal.type(told_there, "gitbatch runs cancel")
    assert "cancelled" in project.gitbatch("runs").text
    terminal.type(told, "gitbatch runs cancel")
    monkeypatch.chdir(project.path)
    ls.ls(argparse.Namespace(range=None, json=False, all=False, shown=1))
    assert first in terminal.type(capsys.readouterr().err, "gitbatch runs ls --all").text
