"""What git is to fetch, commit or convert before a worktree can be made."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import Project

from gitbatch_core.errors import GitError, UsageError
from gitbatch_core.git import refs, work_tree_status
from gitbatch_core.git import worktree as worktrees
from gitbatch_core.git.repository import Repository

from .terminals import Terminal, types

MakeProject = Callable[..., Project]
FILE = ("-c", "protocol.file.allow=always")


def cannot_check_out(project: Project, folder: Path) -> str:
    """The message where no worktree can be made."""
    repository = Repository.find(project.path)
    with pytest.raises(GitError) as caught:
        worktrees.create(repository, folder, repository.commit_of("HEAD"))
    return str(caught.value)


def check_out(project: Project, folder: Path) -> None:
    repository = Repository.find(project.path)
    worktrees.create(repository, folder, repository.commit_of("HEAD"))
    worktrees.remove(repository, folder)


@types("git/checkout: git -C {} fetch", "git/work_tree_status: git -C {} commit -a")
def test_submodules(terminal: Terminal, make_project: MakeProject, tmp_path: Path) -> None:
    inner = make_project({"a.txt": "a\n"}, name="inner")
    project = terminal.project
    project.git(*FILE, "submodule", "--quiet", "add", str(inner.path), "a sub")
    pinned = inner.commit({"a.txt": "later\n"})
    project.git("update-index", "--cacheinfo", f"160000,{pinned},a sub")
    project.git("commit", "--quiet", "--message", "pinned")
    terminal.type(cannot_check_out(project, tmp_path / "tree"), "git -C")
    check_out(project, tmp_path / "tree")

    sub = Project(path=project.path / "a sub")
    sub.write({"a.txt": "edited\n"})
    repository = Repository.find(project.path)
    changes = work_tree_status.changes(repository, [], lambda path: False)
    head = repository.commit_of("HEAD")
    with pytest.raises(GitError) as caught:
        work_tree_status.snapshot(repository, head=head, changes=changes, name="x")
    terminal.type(str(caught.value), "git -C")
    made = work_tree_status.snapshot(repository, head=head, changes=changes, name="x")
    assert sub.git("rev-parse", "HEAD").strip() in project.git("ls-tree", made, "a sub")


@types(
    "git/checkout: git -C {} archive --output",
    "git/repository: git fetch --unshallow",
    "git/checkout: git config --get-regexp",
    "git/refs: git show",
)
def test_clones_that_lack_something(terminal: Terminal, tmp_path: Path) -> None:
    origin = terminal.project
    first = origin.commit({"a.txt": "a\n"})
    origin.commit({"a.txt": "later\n"})
    origin.git("config", "uploadpack.allowFilter", "true")
    partial = Project(path=tmp_path / "a clone")
    url = f"file://{origin.path}"
    origin.git("clone", "--quiet", "--filter=blob:none", "--no-checkout", url, str(partial.path))
    terminal.project = partial
    terminal.type(cannot_check_out(partial, tmp_path / "tree"), "git -C")
    check_out(partial, tmp_path / "tree")

    shallow = Project(path=tmp_path / "shallow")
    origin.git("clone", "--quiet", "--depth=1", url, str(shallow.path))
    terminal.project = shallow
    repository = Repository.find(shallow.path)
    terminal.type(repository.how_to_fetch(), "git fetch --unshallow")
    assert repository.commit_of(first) == first
    assert "--unshallow" not in repository.how_to_fetch()

    shallow.commit({".gitattributes": "*.txt filter=odd\n"})
    for name in ("smudge", "clean"):
        shallow.git("config", f"filter.odd.{name}", "false")
    shallow.git("config", "filter.odd.required", "true")
    told = cannot_check_out(shallow, tmp_path / "tree")
    assert "filter.odd.smudge false" in terminal.type(told, "git config").text
    shallow.git("config", "filter.odd.smudge", "cat")
    check_out(shallow, tmp_path / "tree")

    shallow.git("tag", "it's&1", first)
    with pytest.raises(UsageError) as caught:
        refs.check_new_tag(repository, "it's&1")
    assert first in terminal.type(str(caught.value), "git show").text


@pytest.mark.usefixtures("git_filters")
@types(
    "git/content_pointers: annex get",
    "git/content_pointers: lfs pull --include",
    "git/worktree: annex get --key",
    "git/worktree: lfs fetch",
)
def test_contents_that_were_not_fetched(terminal: Terminal, tmp_path: Path) -> None:
    origin = terminal.project
    attributes = "*.bin filter=lfs diff=lfs merge=lfs -text\n"
    origin.git("lfs", "install", "--local")
    origin.git("annex", "init", "--quiet", "here")
    with (origin.path / ".git/info/attributes").open("a") as file:
        file.write(attributes)  # git-annex writes there, too, of all files
    origin.commit({".gitattributes": attributes})
    origin.write({"big files/[1].bin": "big\n", "raw/un locked.txt": "unlocked\n"})
    origin.git("annex", "add", "--quiet", "raw")
    origin.git("annex", "unlock", "--quiet", "raw")
    commit = origin.commit()
    clone = Project(path=tmp_path / "a clone")
    subprocess.run(
        [*("git", "-c", "filter.lfs.smudge=", "-c", "filter.lfs.required=false", "clone"),
         *("--quiet", f"file://{origin.path}", str(clone.path))],
        check=True,
    )  # fmt: skip
    clone.git("lfs", "install", "--local", "--skip-smudge")
    clone.git("annex", "init", "--quiet", "clone")
    with (clone.path / ".git/info/attributes").open("a") as file:
        file.write(attributes)
    terminal.project = clone
    found = worktrees.not_fetched(Repository.find(clone.path))
    assert sorted(found) == ["big files/[1].bin", "raw/un locked.txt"]
    for each in found.values():
        terminal.type(each.fetch_at(commit), "git -C")
        terminal.type(each.command, "git -C")
    assert not worktrees.not_fetched(Repository.find(clone.path))
    assert clone.read("big files/[1].bin") == "big\n"
    assert clone.read("raw/un locked.txt") == "unlocked\n"
