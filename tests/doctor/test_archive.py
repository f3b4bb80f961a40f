"""What `gitbatch doctor` says of an archive, of its folders and of its file system."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from repositories import new_repository

from gitbatch_core.archive.store import Archive
from gitbatch_core.doctor import archive as doctor
from gitbatch_core.git.repository import Repository
from gitbatch_core.model.check import Check
from gitbatch_core.run import archive_location


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return new_repository(tmp_path / "work")


@pytest.fixture(autouse=True)
def removable(tmp_path: Path) -> Iterator[None]:
    """Folders that a test made read-only can be removed."""
    yield
    for folder, _, _ in os.walk(tmp_path):
        Path(folder).chmod(0o755)


def look(
    repository: Repository | None, chosen: Path | None = None, worktrees: Path | None = None
) -> dict[str, list[Check]]:
    """The checks, by name. Nothing may be left behind."""
    by_name: dict[str, list[Check]] = {}
    for check in doctor.checks(repository, chosen, worktrees):
        by_name.setdefault(check.check, []).append(check)
    return by_name


def test_an_archive_in_which_runs_can_work(archive: Archive) -> None:
    before = sorted(archive.root.rglob("*"))
    checks = look(None, archive.root)
    assert list(checks) == ["archive", "file system", "room", "mount", "worktrees"]
    assert [each.ok for [each] in checks.values()] == [True] * 5
    assert checks["archive"][0].text == f"{archive.root}, xxh3, id {archive.id}"
    assert sorted(archive.root.rglob("*")) == before


def test_none_yet_is_fine_in_a_repository_only(repository: Repository, tmp_path: Path) -> None:
    embedded = archive_location.embedded(repository)
    checks = look(repository)
    assert checks["archive"][0].ok and str(embedded) in checks["archive"][0].text
    assert not embedded.exists() and all(each.ok for [each] in checks.values())
    assert look(None) == {}
    for where in (None, repository):
        [check] = look(where, tmp_path / "no archive")["archive"]
        assert not check.ok and str(tmp_path / "no archive") in check.text


def test_the_archive_that_the_environment_names(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITBATCH_ARCHIVE", str(archive.root))
    assert str(archive.root) in look(None)["archive"][0].text


def test_folders_that_are_missing_or_cannot_be_written(archive: Archive) -> None:
    shutil.rmtree(archive.root / "records")
    (archive.root / "objects").chmod(0o555)
    fine, *wrong = look(None, archive.root)["archive"]
    assert fine.ok and not any(each.ok for each in wrong)
    texts = {each.text: each.hint for each in wrong}
    assert texts[f"{archive.root / 'records'}: No such file or directory"] == (
        "`gitbatch init` makes it again."
    )
    assert "Ask the owner" in str(texts[f"{archive.root / 'objects'} cannot be written by you"])
    assert len(texts) == 2


def test_where_nothing_can_be_published(archive: Archive) -> None:
    (archive.root / "staging").chmod(0o555)
    [check] = look(None, archive.root)["file system"]
    assert not check.ok and check.text == f"{archive.root / 'staging'}: Permission denied"


def test_a_link_to_the_archive_that_leads_elsewhere_or_is_none(
    repository: Repository, archive: Archive
) -> None:
    archive_location.open_archive(repository)
    assert "link" not in look(repository)
    [check] = look(repository, archive.root)["link"]
    assert check.ok and "leads elsewhere" in check.text
    link = repository.top / ".gitbatch" / "archive"
    link.unlink()
    assert "link" not in look(repository)
    link.mkdir()
    [check] = look(repository)["link"]
    assert not check.ok and check.text == f"{link} is no symbolic link"


def test_worktrees_lie_on_the_archives_file_system(archive: Archive, tmp_path: Path) -> None:
    [check] = look(None, archive.root, tmp_path / "not" / "there yet")["worktrees"]
    assert check.ok, "what will hold it is on it"
    [check] = look(None, archive.root, Path("/dev/shm/not there yet"))["worktrees"]
    assert not check.ok and "is not on the archive's file system" in check.text
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o555)
    [check] = look(None, archive.root, shut / "worktrees")["worktrees"]
    assert not check.ok and check.text == f"{shut} cannot be written"
