"""GitPython serves where it may, and its traps are closed; SHA-256 is read without it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from repositories import git, new_repository

from gitbatch_core.errors import GitError
from gitbatch_core.git import commits, index, objects, refs, trees, work_tree_status
from gitbatch_core.git import worktree as worktrees
from gitbatch_core.git.commits import Additions
from gitbatch_core.git.repository import Repository, call

SOURCES = Path(__file__).parent.parent.parent


@pytest.fixture(params=["sha1", "sha256"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Repository:
    return new_repository(tmp_path / "repository", object_format=request.param)


def children() -> set[str]:
    """What processes this one has."""
    folder = Path(f"/proc/self/task/{os.getpid()}/children")
    return set(folder.read_text().split())


def test_a_commit_is_read(repository: Repository) -> None:
    git(repository.top, "commit", "--quiet", "--allow-empty", "-m", "two\nlines\n\nbody: é\n")
    head = repository.commit_of("HEAD")
    commit = commits.read(repository, head)
    assert commit == commits.read_all(repository, [head, "0" * len(head), "HEAD"])[head]
    assert commit.subject == "two lines" and "body: é" in commit.message
    assert commit.parents == (repository.commit_of("HEAD^"),)
    assert commit.tree == git(repository.top, "rev-parse", "HEAD^{tree}").strip()
    assert commits.exists(repository, head) and not commits.exists(repository, commit.tree)
    with pytest.raises(GitError, match="has no commit"):
        commits.read(repository, "1" * len(head))


def test_a_message_in_another_encoding(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "repository")
    text = "é\n".encode("latin-1")
    options = ("-c", "i18n.commitEncoding=latin-1")
    subprocess.run(
        ["git", *options, "commit", "--quiet", "--allow-empty", "--file=-"],
        cwd=repository.top,
        input=text,
        check=True,
    )
    assert commits.read(repository, repository.commit_of("HEAD")).subject == "é"


def test_all_that_a_run_does_with_git(repository: Repository, tmp_path: Path) -> None:
    head = repository.commit_of("HEAD")
    worktree = worktrees.create(repository, tmp_path / "worktree", head)
    assert worktrees.rewritten(worktree) == []
    name = os.fsdecode(b"out/\xff 1")
    commit = commits.write(
        repository,
        ref="refs/gitbatch/runs/x",
        parent=head,
        overlay=Additions(links={name: "there"}, files={"run.json": b"{}"}),
        message="run\n\nGitbatch-Run: x",
    )
    commits.tag(repository, "run/x", commit)
    assert trees.links(repository, commit) == {name: "there"}
    assert {each.path for each in trees.changes(repository, head, commit)} == {name, "run.json"}
    assert objects.blob(repository, f"{commit}:run.json") == b"{}"
    assert refs.commits(repository, "refs/tags/") == {"refs/tags/run/x": commit}
    [ref] = refs.listed(repository, "refs/gitbatch/runs/")
    assert (ref.commit, ref.message.split()[-1]) == (commit, "x")
    refs.write_note(repository, "refs/notes/gitbatch", commit, "noted")
    assert refs.notes(repository, "refs/notes/gitbatch")[commit].strip() == "noted"
    (repository.top / "code.py").write_text("edited\n")
    changes = work_tree_status.changes(repository, [], lambda path: False)
    snapshot = work_tree_status.snapshot(repository, head=head, changes=changes, name="y")
    assert objects.blob(repository, f"{snapshot}:code.py") == b"edited\n"
    assert [each.path for each in index.entries(repository.top)] == ["code.py", "run.sh"]
    worktrees.remove(repository, worktree.path)


def test_the_environment_of_a_hook(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GitPython heeds it, and what gitbatch starts later would, too."""
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    repository = Repository.find(repository.top)
    assert not {"GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"} & os.environ.keys()
    assert commits.read(repository, repository.commit_of("HEAD")).subject == "first"
    assert not work_tree_status.modified(repository)


def test_the_users_index_is_not_even_refreshed(repository: Repository) -> None:
    os.utime(repository.top / "code.py", ns=(1, 1))
    before = (repository.git_dir / "index").stat()
    work_tree_status.modified(repository)
    after = (repository.git_dir / "index").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_no_process_of_git_is_left(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "repository")
    before = children()
    with repository.opened() as repo:
        assert repo.commit("HEAD").message
        assert children() - before
    assert children() <= before


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    """GitPython would put the value of a variable there."""
    repository = new_repository(tmp_path / "$HOME ~ é")
    assert commits.read(repository, repository.commit_of("HEAD")).subject == "first"
    with repository.opened() as repo:
        assert repo.working_tree_dir == str(repository.top)


def test_git_is_not_started_elsewhere(tmp_path: Path) -> None:
    """GitPython goes to the present folder where it cannot enter the one that it shall."""
    (tmp_path / "closed").mkdir(mode=0o600)
    with pytest.raises(GitError, match="Permission denied"):
        call(tmp_path / "closed", "--version")
    with pytest.raises(GitError, match="no folder"):
        call(tmp_path / "nowhere", "--version")


def test_without_git(tmp_path: Path) -> None:
    code = "from gitbatch_core.git.repository import {0}, Path; {0}(Path('.'), '--version')"
    for function in ("call", "read"):
        done = subprocess.run(
            [sys.executable, "-c", code.format(function)],
            env=os.environ | {"PATH": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert "GitError: git is not installed or not on PATH." in done.stderr


def test_a_listing_goes_without_gitpython(repository: Repository) -> None:
    """Its import takes longer than the rest of it."""
    code = (
        "import sys; from gitbatch_core.cli.main import main; main({}); "
        "sys.exit('git' in sys.modules)"
    )
    for words in (["runs", "ls"], ["runs"], ["--help"], ["runs", "--help"]):
        subprocess.run([sys.executable, "-c", code.format(words)], cwd=repository.top, check=True)


def test_git_is_called_in_its_package_alone() -> None:
    calls = re.compile(r"""repository\.(git|read)\(|\bcall\([a-z.]*(top|path)\b|\["git",""")
    others = [
        path
        for package in ("gitbatch_core", "snakemake_*_plugin_gitbatch")
        for path in SOURCES.glob(f"{package}/**/*.py")
        if path.parent.name != "git" and calls.search(path.read_text())
    ]
    assert others == []
