"""What `gitbatch doctor` says of a machine: of git, the repository, folders and environments."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest
from repositories import git, new_repository

from gitbatch_core.doctor import machine
from gitbatch_core.git.repository import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return new_repository(tmp_path / "work")


def _program(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(text)
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("version", "is_new_enough"),
    [("2.30.9", False), ("2.31.0", True), ("2.9.1", False), ("3.0", True), ("1.99", False)],
)
def test_versions_of_git_are_compared_as_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, is_new_enough: bool
) -> None:
    _program(tmp_path / "bin", "git", f"#!/bin/sh\necho git version {version}\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    check = machine.git(tmp_path)
    assert check.ok == is_new_enough and version in check.text
    assert is_new_enough or check.hint == "gitbatch needs git 2.31 or newer."


def test_a_repository_is_told_with_what_differs_from_its_commit(repository: Repository) -> None:
    _, [clean] = machine.repository(repository.top)
    assert clean.ok and clean.text.endswith(repository.commit_of("HEAD")[:10])
    (repository.top / "code.py").write_text("2\n")
    _, [changed] = machine.repository(repository.top)
    assert changed.ok and "; 1 tracked files differ from it" in changed.text


def test_what_is_no_repository_and_what_has_no_commit(tmp_path: Path) -> None:
    assert machine.repository(tmp_path)[0] is None
    git(tmp_path, "init", "--quiet")
    repository, [check] = machine.repository(tmp_path)
    assert repository is None and not check.ok


def test_pointers_whose_content_was_not_fetched(repository: Repository) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 5\n"
    (repository.top / "data.bin").write_text(pointer)
    (repository.top / ".gitattributes").write_text("*.bin filter=lfs\n")
    git(repository.top, "add", "--all")
    git(repository.top, "commit", "--quiet", "--message", "pointer")
    _, checks = machine.repository(repository.top)
    [check] = [each for each in checks if each.check == "pointers"]
    assert not check.ok and "data.bin" in check.text and check.hint


def test_whose_snakemake_is_the_first_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def checks(first_line: str) -> list[str]:
        folder = tmp_path / "bin"
        _program(folder, "snakemake", f"#!{first_line}\n")
        monkeypatch.setenv("PATH", str(folder))
        return [each.text for each in machine.software() if not each.ok]

    assert checks(f"{sys.prefix}/bin/python") == checks("/usr/bin/env python3") == []
    [other] = checks("/opt/other/bin/python")
    assert "another environment's" in other and str(tmp_path / "bin") in other


def test_a_temporary_folder_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(folder: Path) -> tuple[bool, str]:
        monkeypatch.setenv("TMPDIR", str(folder))
        monkeypatch.setattr(tempfile, "tempdir", None)  # it is looked for once in a process
        told = machine.temporary()
        return told.ok, told.text

    is_fine, text = check(tmp_path)
    assert is_fine and str(tmp_path) in text
    is_fine, text = check(tmp_path / "gone")
    assert not is_fine and "cannot be used" in text


def test_where_event_logs_lie(repository: Repository) -> None:
    check = machine.event_log(repository)
    assert check.ok and check.text.endswith(str(repository.common_dir))
    (repository.common_dir / "gitbatch").mkdir()
    assert machine.event_log(repository).text.endswith("gitbatch")
    assert not list(repository.common_dir.rglob("doctor-*"))
