"""`gitbatch doctor` where all is well, on real pools, and where it is not."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What it printed, by check; of several with one name the wrong one."""

    code: int
    findings: dict[str, dict[str, Any]]

    def wrong(self, check: str, *words: str) -> None:
        found = self.findings[check]
        assert self.code == 1 and not found["ok"], self
        for word in words:
            assert word in f"{found['text']}\n{found['hint']}", found

    def fine(self, check: str, *words: str) -> None:
        found = self.findings[check]
        assert found["ok"], found
        for word in words:
            assert word in found["text"], found

    def all_fine(self) -> None:
        assert self.code == 0 and all(found["ok"] for found in self.findings.values()), self


@dataclass(frozen=True, kw_only=True)
class Here:
    """A repository, and the command in it."""

    path: Path

    def git(self, *words: str) -> None:
        subprocess.run(["git", *words], cwd=self.path, check=True, capture_output=True)

    def run(self, *words: str, limit: Any = None, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "gitbatch_core.cli.main", "doctor", *words],
            cwd=self.path,
            env={**os.environ, **more},
            preexec_fn=limit,
            capture_output=True,
            text=True,
            timeout=90,
        )

    def doctor(self, *words: str, **more: Any) -> Seen:
        done = self.run("--json", *words, **more)
        assert done.returncode in (0, 1), done.stderr
        findings: dict[str, dict[str, Any]] = {}
        for found in json.loads(done.stdout):
            if findings.get(found["check"], {"ok": True})["ok"]:
                findings[found["check"]] = found
        return Seen(code=done.returncode, findings=findings)

    @property
    def archive(self) -> Path:
        return self.path / ".git" / "gitbatch" / "archive"

    def make_archive(self) -> Path:
        init = [sys.executable, "-m", "gitbatch_core.cli.main", "init"]
        subprocess.run(init, cwd=self.path, check=True, capture_output=True)
        return self.archive

    def leftovers(self) -> list[Path]:
        return [path for path in self.path.rglob("*") if path.name.startswith("doctor-")]


@pytest.fixture
def here(tmp_path: Path) -> Here:
    found = Here(path=tmp_path / "repository")
    found.path.mkdir()
    found.git("init", "--quiet")
    found.git("commit", "--quiet", "--allow-empty", "--message", "first")
    return found


@pytest.fixture
def nowhere(tmp_path: Path) -> str:
    """A configuration of HTCondor without any daemon."""
    config = tmp_path / "condor_config"
    config.write_text(f"LOCAL_DIR = {tmp_path}\nCONDOR_HOST = 127.0.0.1\nLOG = {tmp_path}\n")
    return str(config)


@pytest.mark.usefixtures("htcondor_pool")
def test_all_is_well(here: Here) -> None:
    seen = here.doctor("--pool", "htcondor")
    seen.all_fine()
    assert not here.archive.exists()  # looked, and made nothing
    assert {"git", "repository", "snakemake", "archive", "room", "event log"} <= set(seen.findings)
    seen.fine("credentials", "@gitbatch.pool")
    seen.fine("slots", "CPUs")
    here.make_archive()
    done = here.run("--pool", "htcondor", "--job")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"ok     job: ran on {os.uname().nodename}")
    assert not here.leftovers() and not list((here.archive / "records").iterdir())


def test_this_machine(here: Here, nowhere: str) -> None:
    seen = here.doctor("--job", CONDOR_CONFIG=nowhere)
    seen.all_fine()
    seen.fine("pool", "local", "no HTCondor")
    seen.fine("job", "ran on")
    here.doctor("--pool", "htcondor", CONDOR_CONFIG=nowhere).wrong("pool", nowhere, "CONDOR_CONFIG")
    assert here.run("--pool", "moon").returncode == 2
    assert here.run("--wait", "0").returncode == 2


@pytest.mark.usefixtures("htcondor_pool")
def test_pool_that_does_not_fit(here: Here) -> None:
    seen = here.doctor(_CONDOR_FILESYSTEM_DOMAIN="elsewhere")
    seen.wrong("matching", "elsewhere", "gitbatch.pool", "FILESYSTEM_DOMAIN")
    here.doctor(_CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS="PASSWORD").wrong("credentials", "token")


@pytest.mark.usefixtures("htcondor_pool")
def test_folder_that_the_pool_does_not_see(here: Here) -> None:
    # A path that leads elsewhere in every other process, as one that is not shared does.
    seen = here.doctor("--pool", "htcondor", "--job", "--worktrees", "/proc/self/cwd")
    seen.wrong("job", "initial working directory", "/proc/self/cwd")
    assert not here.leftovers()


def test_repository(here: Here, tmp_path: Path) -> None:
    folder = Here(path=tmp_path / "plain")
    folder.path.mkdir()
    folder.doctor("--pool", "local", "--job").wrong("repository", "not in a git repository")
    folder.git("init", "--quiet")
    folder.doctor("--pool", "local").wrong("repository", "no commits yet")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (here.path / "reads.bam").write_text(pointer)
    (here.path / ".gitattributes").write_text("*.bam filter=lfs\n")
    here.git("-c", "filter.lfs.clean=cat", "-c", "filter.lfs.required=false", "add", "--all")
    here.doctor("--pool", "local").wrong("pointers", "reads.bam", "lfs pull")


def test_archive_that_cannot_be_used(here: Here, tmp_path: Path) -> None:
    local = ("--pool", "local")
    here.doctor(*local, "--archive", str(tmp_path / "no")).wrong("archive", "no archive", "init")
    archive = here.make_archive()
    here.doctor(*local, GITBATCH_ARCHIVE=str(archive)).all_fine()
    link = here.path / ".gitbatch" / "archive"
    link.unlink()
    link.write_text("in the way")
    here.doctor(*local).wrong("link", "no symbolic link", "move away")
    link.unlink()
    folders = [path for path in archive.iterdir() if path.is_dir()]
    for folder in folders:
        folder.chmod(0o555)
    seen = here.doctor(*local)
    seen.wrong("archive", "cannot be written", "owner")
    seen.wrong("file system", "Permission denied")
    for folder in folders:
        folder.chmod(0o755)
    (archive / "ARCHIVE").chmod(0o644)
    marker = json.loads((archive / "ARCHIVE").read_text())
    (archive / "ARCHIVE").write_text(json.dumps(marker | {"version": 99}))
    here.doctor(*local).wrong("archive", "version 99", "newer gitbatch")


def test_no_room(here: Here) -> None:
    here.make_archive()

    def nothing_fits() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    seen = here.doctor("--pool", "local", limit=nothing_fits)
    seen.wrong("file system", "File too large")
    seen.wrong("temporary", "No usable temporary directory", "TMPDIR")
    seen.wrong("event log", "File too large")
    assert not here.leftovers()


@pytest.mark.usefixtures("own_home")
def test_worktrees_and_temporary_files_elsewhere(here: Here) -> None:
    # Memory is another file system everywhere.
    seen = here.doctor("--pool", "local", "--worktrees", "/dev/shm", TMPDIR="/nowhere")
    seen.wrong("worktrees", "/dev/shm", "copied")
    seen.wrong("temporary", "/nowhere", "Unset TMPDIR")
