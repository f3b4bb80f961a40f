"""What keeps a run from starting, gathered and told; found without changing anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import ArchiveError, GitError, RunError, UsageError
from gitbatch_core.git.repository import Repository, call
from gitbatch_core.run import permissions
from gitbatch_core.run.mirror import inputs, user_links
from gitbatch_core.run.mirror.inputs import FREEZE
from gitbatch_core.run.mirror.preview import Preview
from gitbatch_core.run.obstacles import Collection, Obstacle, ObstaclesError, refuse


def frozen(name: str) -> Obstacle:
    return Obstacle(kind="input", text=f"no {name}", hint=f"{FREEZE} {name}", names=(name,))


def test_one_obstacle_is_told_as_the_error_that_it_is() -> None:
    refuse([])
    with pytest.raises(ObstaclesError) as caught:
        refuse([Obstacle(kind="tag", text="There is one.", hint="Take another.")])
    assert (caught.value.message, caught.value.hint) == ("There is one.", "Take another.")


def test_several_are_told_together_with_what_to_do_once() -> None:
    found = Collection()
    with found.of("output", "x"):
        raise RunError("x lies outside.\nFar.", hint="Name it otherwise.")
    with found.of("folders"):
        raise PermissionError(13, "Permission denied", "/y")
    with found.of("input"):
        refuse([frozen("a"), frozen("b"), frozen("a")])
    with found.of("archive"):
        pass
    assert [each.kind for each in found.obstacles] == ["output", "folders", "input", "input"]
    assert found.obstacles[0].names == ("x",)
    assert str(ObstaclesError(found.obstacles)) == (
        "The run cannot start:\n"
        "- x lies outside.\n"
        "  Far.\n"
        "  Name it otherwise.\n"
        "- [Errno 13] Permission denied: '/y'\n"
        "- no a\n"
        "- no b\n"
        f"  {FREEZE} a b"
    )
    many = ObstaclesError(frozen(str(number)) for number in range(30))
    assert many.message.endswith("no 19\n… and 10 more") and (many.hint or "").endswith(" 28 29")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    top = tmp_path / "top"
    top.mkdir()
    call(top, "init", "--quiet")
    (top / "tracked").write_text("")
    call(top, "add", "tracked")
    return Repository.find(top)


def test_rights_are_looked_at_and_nothing_is_made(tmp_path: Path, repository: Repository) -> None:
    top, new, full, closed = (tmp_path / name for name in ("top", "new", "full", "closed"))
    full.mkdir()
    (full / "file").touch()
    closed.mkdir()
    archive = Archive.create(tmp_path / "archive")
    for folder in (closed, archive.root / "objects"):
        folder.chmod(0o555)
    before = sorted(tmp_path.rglob("*"))
    permissions.check_archive(new / "below" / "it")
    permissions.check_folders(repository, new)
    permissions.check_file(new / "report.csv", of="It", option="--it")
    for root, words in (
        (full, "not empty"),
        (full / "file", "is no folder"),
        (closed / "archive", "may not write"),
        (archive.root, "cannot be added to"),
    ):
        with pytest.raises(ArchiveError, match=words):
            permissions.check_archive(root)
    with pytest.raises(RunError, match="no worktrees"):
        permissions.check_folders(repository, closed / "trees")
    with pytest.raises(UsageError, match=r"It .*full cannot be written: it is a folder"):
        permissions.check_file(full, of="It", option="--it")
    (top / ".gitbatch").mkdir()
    (top / ".gitbatch/archive").touch()
    with pytest.raises(ArchiveError, match="something else is there"):
        permissions.check_folders(repository, None)
    (top / ".gitbatch/archive").unlink()
    (top / ".gitbatch").rmdir()
    repository.common_dir.chmod(0o555)
    try:
        with pytest.raises(GitError, match="may not write"):
            permissions.check_folders(repository, None)
    finally:
        repository.common_dir.chmod(0o755)
    assert sorted(tmp_path.rglob("*")) == before
    (archive.root / "objects").chmod(0o755)


def test_a_look_finds_what_a_run_would_and_changes_nothing(
    tmp_path: Path, repository: Repository
) -> None:
    top, outside = repository.top, tmp_path / "outside"
    outside.write_text("large")
    (tmp_path / "scratch").mkdir()
    (top / "folder/inner").mkdir(parents=True)
    (top / "folder/inner/file").write_text("made before")
    (top / "raw").write_text("nobody has it")
    (top / "elsewhere").symlink_to(outside)
    before = {path: path.lstat() for path in tmp_path.rglob("*")}

    def preview() -> Preview:
        return Preview.into(
            repository,
            top,
            archive=tmp_path / "none",
            scratch=tmp_path / "scratch",
            changed=[],
            warn=lambda text: None,
        )

    look = preview()
    user_links.bring(look)
    look.bring_output("folder")
    for path in ("tracked", "folder/inner/file", "folder", "elsewhere", str(outside)):
        inputs.bring(look, path, "rule")
    with pytest.raises(RunError, match="neither in the commit nor in the archive"):
        inputs.bring(look, "raw", "rule")
    outside.chmod(0)
    if os.getuid():
        with pytest.raises(RunError, match="cannot be read"):
            inputs.bring(preview(), str(outside), "rule")
    outside.chmod(before[outside].st_mode)
    look.clear_missing("missing")
    after = {p: p.lstat() for p in tmp_path.rglob("*") if p.parts[len(tmp_path.parts)] != "scratch"}
    same = ("st_mode", "st_ino", "st_mtime_ns", "st_size")
    for path, state in before.items():
        if path.parts[len(tmp_path.parts)] != "scratch":
            assert all(getattr(after[path], name) == getattr(state, name) for name in same), path
    assert after.keys() == {path for path in before if "scratch" not in path.parts}
