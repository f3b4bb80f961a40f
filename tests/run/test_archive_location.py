"""What is ours in a work tree is nothing to git, whatever the repository ignores and does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from repositories import git

from gitbatch_core.git.repository import Repository
from gitbatch_core.run import archive_location


@pytest.mark.parametrize("where", ["work tree", "linked work tree", "submodule"])
@pytest.mark.parametrize("by", ["the repository", "the user"])
def test_nothing_of_ours_is_untracked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, by: str
) -> None:
    top = tmp_path / "top"
    top.mkdir()
    git(top, "init", "--quiet")
    (top / "code").touch()
    if by == "the repository":
        (top / ".gitignore").write_text("*\n!code\n!.git*\n!.git*/**\n")
    else:
        excludes = tmp_path / "excludes"
        excludes.write_text("!.git*\n")
        settings = tmp_path / "gitconfig"
        settings.write_text(Path(os.environ["GIT_CONFIG_GLOBAL"]).read_text())
        git(tmp_path, "config", "--file", str(settings), "core.excludesFile", str(excludes))
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "--message", "code")
    used = top
    if where == "linked work tree":
        used = tmp_path / "linked"
        git(top, "worktree", "add", "--quiet", str(used))
    elif where == "submodule":
        other = tmp_path / "above"
        git(tmp_path, "clone", "--quiet", str(top), str(other))
        git(other, "submodule", "--quiet", "add", "--force", str(top), "inner")
        git(other, "commit", "--quiet", "--message", "inner")
        used = other / "inner"
    archive_location.open_archive(Repository.find(used))
    assert (used / ".gitbatch/archive/ARCHIVE").exists()
    for folder in {used, top, used.parent if where == "submodule" else used}:
        git(folder, "add", "--all")
        assert git(folder, "status", "--porcelain", "--untracked-files=all") == ""
    git(used, "clean", "--quiet", "-dfx")
    archive_location.open_archive(Repository.find(used))
    assert git(used, "status", "--porcelain") == ""
