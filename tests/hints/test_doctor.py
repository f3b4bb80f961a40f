"""What `gitbatch doctor` says to do, and a start that finds no pool."""

from __future__ import annotations

from pathlib import Path

import pytest
from projects import Ended

from gitbatch_core.doctor import archive
from gitbatch_core.pools.htcondor import checks
from gitbatch_core.pools.htcondor.pool_report import Survey

from .terminals import Terminal, types


def wrong(ended: Ended) -> Ended:
    assert ended.returncode == 1 and "Traceback" not in ended.text, ended.text
    return ended


@types(
    "doctor/archive: gitbatch init",
    "doctor/archive: gitbatch init",
    "doctor/archive: gitbatch init --archive",
    "doctor/machine: git config --global --add",
    "pools/htcondor/checks: gitbatch doctor --job",
    "pools/htcondor/kind: --gitbatch-pool",
)
def test_a_machine(terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = terminal.project
    project.commit({"Snakefile": "rule a:\n output: 'a'\n shell: 'echo > {output}'\n"})
    project.environment |= {
        "CONDOR_CONFIG": "/nonexistent",
        "GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"),
        "GIT_TEST_ASSUME_DIFFERENT_OWNER": "1",
    }
    (tmp_path / "gitconfig").write_text("[user]\n\tname = Test\n\temail = test@example.org\n")
    terminal.type(wrong(project.gitbatch("doctor")), "git config --global --add")
    told = project.gitbatch("doctor").ok()
    del project.environment["GIT_TEST_ASSUME_DIFFERENT_OWNER"]  # worktrees are our own
    assert not project.archive.exists()
    terminal.type(told, "gitbatch init")
    (project.archive / "manifests").rmdir()
    terminal.type(wrong(project.gitbatch("doctor")), "gitbatch init")
    project.gitbatch("doctor").ok()
    nowhere = Survey(domain="here", slots=[{"FileSystemDomain": "there"}])
    terminal.type(str(checks._matching(nowhere).hint), "gitbatch doctor --job")

    project.pool = "htcondor"
    for told in (
        wrong(project.gitbatch("doctor", "--pool", "htcondor")),
        project.snakemake("a").failed("No HTCondor to run on"),
    ):
        project.pool = terminal.option(told, "--gitbatch-pool", "local")[1]
    project.snakemake("a").ok()

    monkeypatch.setattr(archive, "_LEAST_FREE", 1 << 80)
    told = str(archive._room(project.archive).hint)
    terminal.type(told, "gitbatch init --archive", DIR=str(tmp_path / "elsewhere"))
    assert str(tmp_path / "elsewhere") in project.gitbatch("doctor").ok().text
