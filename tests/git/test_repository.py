"""git is called so that neither hooks nor a hook's environment nor the user's state matter."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from repositories import git, new_repository

from gitbatch_core.errors import GitError, UsageError
from gitbatch_core.git import commits, refs, work_tree_status
from gitbatch_core.git import worktree as worktrees
from gitbatch_core.git.commits import Additions
from gitbatch_core.git.repository import Repository
from gitbatch_core.run import run_commit


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return new_repository(tmp_path_factory.mktemp("git") / "shared")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return new_repository(tmp_path / "repository")


def test_a_hooks_environment_is_ignored(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    found = Repository.find(repository.top)
    assert found == repository and found.commit_of("HEAD")
    assert not work_tree_status.modified(found)


def test_hooks_do_not_run(repository: Repository, tmp_path: Path) -> None:
    sign = tmp_path / "hook-ran"
    for name in ("post-checkout", "reference-transaction", "post-commit", "pre-commit"):
        hook = repository.git_dir / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch '{sign}'\n")
        hook.chmod(0o755)
    head = repository.commit_of("HEAD")
    worktree = worktrees.create(repository, tmp_path / "worktree", head)
    commits.write(
        repository, ref="refs/gitbatch/runs/x", parent=head, overlay=Additions(), message="m"
    )
    worktrees.remove(repository, worktree.path)
    assert not sign.exists()


def test_paths_are_relative_to_the_top(repository: Repository, tmp_path: Path) -> None:
    top = repository.top
    (tmp_path / "link").symlink_to(top)
    (top / "inner").symlink_to(tmp_path)
    assert repository.relative(top / "a/../b") == "b"
    assert repository.relative(tmp_path / "link" / "code.py") == "code.py"
    assert repository.relative(top / "inner" / "x") == "inner/x"
    assert repository.relative(tmp_path / "x") is None


def test_not_a_repository(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="is not in a git repository"):
        Repository.find(tmp_path)
    with pytest.raises(GitError, match="no folder"):
        Repository.find(tmp_path / "nowhere")


def test_a_line_break_in_the_path_of_a_repository(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="contains a line break"):
        new_repository(tmp_path / "new\nline")
    assert new_repository(tmp_path / "return\r").top.name == "return\r"


def test_a_worktree_is_clean_and_read_only(repository: Repository, tmp_path: Path) -> None:
    (repository.top / "code.py").write_text("edited\n")
    path = tmp_path / "with space" / "worktree"
    worktree = worktrees.create(repository, path, repository.commit_of("HEAD"))
    assert (path / "code.py").read_text() == "code\n"
    assert (path / "code.py").stat().st_mode & 0o777 == 0o444
    assert (path / "run.sh").stat().st_mode & 0o777 == 0o555
    assert worktrees.rewritten(worktree) == []
    (path / "code.py").chmod(0o644)
    (path / "code.py").write_text("rewritten\n")
    (path / "new").write_text("")
    (path / "sub").mkdir(mode=0o555)
    assert worktrees.rewritten(worktree) == ["code.py"]
    assert worktrees.added(worktree) == ["new"]
    worktrees.remove(repository, path)
    assert not path.exists() and len(git(repository.top, "worktree", "list").splitlines()) == 1
    worktrees.remove(repository, path)


def test_removing_keeps_other_worktrees_that_are_out_of_reach(
    repository: Repository, tmp_path: Path
) -> None:
    git(repository.top, "worktree", "add", "--quiet", "--detach", str(tmp_path / "theirs"))
    (tmp_path / "theirs").rename(tmp_path / "unmounted")
    worktrees.create(repository, tmp_path / "ours", repository.commit_of("HEAD"))
    worktrees.remove(repository, tmp_path / "ours")
    assert "theirs" in git(repository.top, "worktree", "list")


def test_submodules_come_from_their_own_repositories(tmp_path: Path) -> None:
    inner = new_repository(tmp_path / "inner")
    outer = new_repository(tmp_path / "outer")
    git(outer.top, "submodule", "--quiet", "add", str(inner.top), "libs/inner")
    git(outer.top, "commit", "--quiet", "--message", "with a submodule")
    (outer.top / "libs/inner/code.py").write_text("edited\n")
    assert work_tree_status.modified(outer) == ["libs/inner"]
    assert "libs/inner/code.py" in work_tree_status.tracked(outer.top)
    changes = work_tree_status.changes(outer, [], lambda path: False)
    with pytest.raises(GitError, match="libs/inner"):
        work_tree_status.snapshot(outer, head=outer.commit_of("HEAD"), changes=changes, name="x")
    path = tmp_path / "worktree"
    worktrees.create(outer, path, outer.commit_of("HEAD"))
    assert (path / "libs/inner/code.py").read_text() == "code\n"
    worktrees.remove(outer, path)
    assert not path.exists()
    listed = git(outer.top / "libs/inner", "worktree", "list")
    assert len(listed.splitlines()) == 1


def test_nobody_reads_an_lfs_pointer(repository: Repository, tmp_path: Path) -> None:
    (repository.top / ".gitattributes").write_text("*.bin filter=lfs\n")
    (repository.top / "big.bin").write_text("version https://git-lfs.github.com/spec/v1\noid x\n")
    git(repository.top, "add", "--all")
    git(repository.top, "commit", "--quiet", "--message", "lfs")
    worktree = worktrees.create(repository, tmp_path / "worktree", repository.commit_of("HEAD"))
    with pytest.raises(PermissionError):
        (worktree.path / "big.bin").read_bytes()
    [(name, unfetched)] = worktrees.withheld(worktree).items()
    assert name == "big.bin" and unfetched.name == "a Git LFS pointer"
    assert unfetched.command == f"git -C {repository.top} lfs pull --include big.bin"
    assert worktrees.rewritten(worktree) == []


_component = st.text(
    st.characters(blacklist_categories=("Cs",), blacklist_characters="/\0"), min_size=1, max_size=20
).filter(lambda name: name not in (".", "..") and not name.casefold().startswith((".git", "git~")))


_count = itertools.count()


@settings(max_examples=40)
@given(
    links=st.dictionaries(
        _component,
        st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1),
        max_size=5,
    )
)
def test_commits_hold_links_of_any_name(shared: Repository, links: dict[str, str]) -> None:
    head = shared.commit_of("HEAD")
    links = {f"out/{name}": text for name, text in links.items()}
    commit = commits.write(
        shared,
        ref=f"refs/gitbatch/runs/{next(_count)}",
        parent=head,
        overlay=Additions(remove=["code.py", "nowhere"], links=links, files={"run.json": b"{}"}),
        message="run",
    )
    listing = shared.git("ls-tree", "-r", "-z", commit).split(b"\0")[:-1]
    found = {}
    for entry in listing:
        head_of_entry, name = entry.split(b"\t", 1)
        mode, _, blob = head_of_entry.split()
        if mode == b"120000":
            found[os.fsdecode(name)] = os.fsdecode(shared.git("cat-file", "blob", blob.decode()))
    assert found == links
    names = {os.fsdecode(entry.split(b"\t", 1)[1]) for entry in listing}
    assert names == {"run.sh", "run.json", *links}
    assert git(shared.top, "status", "--porcelain") == ""


def test_a_commit_without_a_name_of_the_user(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    git(repository.top, "config", "user.useConfigOnly", "true")
    commit = commits.write(
        repository,
        ref="refs/gitbatch/runs/x",
        parent=repository.commit_of("HEAD"),
        overlay=Additions(),
        message="run",
    )
    assert "@" in git(repository.top, "show", "--no-patch", "--format=%an %ae", commit)


def test_a_run_commits_source(repository: Repository) -> None:
    head = repository.commit_of("HEAD")
    result = run_commit.Result(
        path="out.txt",
        kind="file",
        address="xxh3:" + 32 * "0",
        size=1,
        links={"out.txt": ".gitbatch/archive/objects/00/" + 30 * "0" + ".txt"},
    )
    composed = run_commit.compose(
        {"run": "20260101-000000-abcd", "source_commit": head}, [result], run_commit.Provenance()
    )
    commit = run_commit.write(
        repository,
        document=composed,
        results=[result],
        inputs={},
        message="run",
    )
    commits.tag(repository, f"run/{composed.run}", commit)
    assert run_commit.source_of(repository, head) == head
    assert run_commit.source_of(repository, commit) == head
    assert run_commit.read(repository, "run/20260101-000000-abcd") == composed
    # With anything more than outputs, it is a commit like any other.
    git(repository.top, "checkout", "--quiet", "--detach", commit)
    (repository.top / "code.py").write_text("more\n")
    git(repository.top, "commit", "--quiet", "--all", "--amend", "--no-edit")
    amended = repository.commit_of("HEAD")
    assert run_commit.source_of(repository, amended) == amended


def test_a_tag_has_a_name_of_its_own(repository: Repository) -> None:
    """What git would take for something else is no name for a tag."""
    git(repository.top, "branch", "topic")
    for ref in ("refs/remotes/origin/main", "refs/remotes/origin/HEAD", "refs/kept/one"):
        git(repository.top, "update-ref", ref, "HEAD")
    for name, what in {
        "HEAD": "HEAD, which is git's own",
        "ORIG_HEAD": "ORIG_HEAD, which is git's own",
        "a" * 40: "an object a",
        "topic": "a branch topic",
        "heads/topic": "a ref heads/topic",
        "origin": "a remote origin",
        "origin/main": "a branch origin/main",
        "kept/one": "a ref kept/one",
    }.items():
        with pytest.raises(UsageError, match=f"There is {what}"):
            refs.check_new_tag(repository, name)
    for name in ("topic/two", "origin/other", "kept", "HEAD2", "cafe", "heads"):
        refs.check_new_tag(repository, name)
