"""What stands between git's blobs and files: a run's worktree has the bytes of the user's folder,
or it is known what has not; and what jobs change there is seen whatever git makes of it."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from repositories import git, new_repository

from gitbatch_core.errors import GitError
from gitbatch_core.git import content_pointers, work_tree_status, worktree_comparison
from gitbatch_core.git import worktree as worktrees
from gitbatch_core.git.repository import Repository
from gitbatch_core.git.worktree import Worktree


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return new_repository(tmp_path / "repository")


def commit(repository: Repository, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        path = repository.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    git(repository.top, "add", "--all")
    git(repository.top, "commit", "--quiet", "--message", "more")


def worktree_of(repository: Repository, tmp_path: Path) -> Worktree:
    head = repository.commit_of("HEAD")
    return worktrees.create(repository, tmp_path / "worktrees" / "one", head)


def overwrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def same_stat(path: Path, data: bytes) -> None:
    """Change a file so that size and time stay."""
    before = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


# ------------------------------------------------------------------ edits that git does not see


def test_edits_that_git_was_told_to_overlook(tmp_path: Path) -> None:
    repository, inner = new_repository(tmp_path / "outer"), new_repository(tmp_path / "inner")
    git(repository.top, "submodule", "--quiet", "add", str(inner.top), "sub")
    names = ("assumed", "skipped", "both", "deleted", "same", "sparse", "valid")
    commit(repository, dict.fromkeys(names, b"committed\n"))
    for option, flagged in (
        ("--assume-unchanged", ("assumed", "both", "deleted", "same")),
        ("--skip-worktree", ("skipped", "both", "sparse")),
        ("--fsmonitor-valid", ("valid",)),
    ):
        git(repository.top, "update-index", option, *flagged)
    git(repository.top / "sub", "update-index", "--assume-unchanged", "code.py")
    assert not work_tree_status.modified(repository)
    for name in ("assumed", "skipped", "both", "valid"):
        (repository.top / name).write_text("edited\n")
    (repository.top / "deleted").unlink()
    (repository.top / "sparse").unlink()  # as a sparse checkout leaves it out
    (repository.top / "sub/code.py").write_text("edited\n")
    index = (repository.git_dir / "index").read_bytes()
    changes = work_tree_status.changes(repository, [], lambda path: path == "both")
    assert changes.modified == ("assumed", "deleted", "skipped", "sub", "valid")
    assert changes.ignored == ("both",)
    assert changes.hidden == {
        "assumed": "--assume-unchanged",
        "both": "--assume-unchanged",
        "deleted": "--assume-unchanged",
        "skipped": "--skip-worktree",
        "sub": "code.py: --assume-unchanged",
    }
    with pytest.raises(GitError, match="submodule sub has uncommitted changes"):
        work_tree_status.snapshot(
            repository, head=repository.commit_of("HEAD"), changes=changes, name="never"
        )
    (repository.top / "sub/code.py").write_text("code\n")
    changes = work_tree_status.changes(repository, [], lambda path: False)
    made = work_tree_status.snapshot(
        repository, head=repository.commit_of("HEAD"), changes=changes, name="made"
    )
    assert git(repository.top, "show", f"{made}:skipped") == "edited\n"
    assert "deleted" not in git(repository.top, "ls-tree", "--name-only", made)
    assert "sparse" in git(repository.top, "ls-tree", "--name-only", made)
    assert (repository.git_dir / "index").read_bytes() == index
    assert not list(repository.git_dir.glob("gitbatch-index-*"))


@pytest.mark.parametrize(
    ("setting", "value"), [("core.trustctime", "false"), ("core.checkStat", "minimal")]
)
def test_edits_of_the_same_size_and_time(repository: Repository, setting: str, value: str) -> None:
    git(repository.top, "config", setting, value)
    commit(repository, {"data": b"before\n"})
    path = repository.top / "data"
    os.utime(path, ns=(10**18, 10**18))
    git(repository.top, "status")  # the index knows that time
    time.sleep(1.1)  # git heeds whole seconds
    same_stat(path, b"edited\n"[:7])
    assert git(repository.top, "status", "--porcelain") == ""
    assert work_tree_status.modified(repository) == ["data"]


# ------------------------------------------------------------------ the folder against the worktree


def test_what_a_fresh_checkout_has_otherwise(repository: Repository, tmp_path: Path) -> None:
    """git says of none of these files that it is modified."""
    top = repository.top
    for name, text in {
        "filter.lossy.clean": "sed s/token=.*/token=/",
        "filter.same.clean": "tr A-Z a-z",
        "filter.same.smudge": "tr a-z A-Z",
    }.items():
        git(top, "config", name, text)
    commit(
        repository,
        {
            ".gitattributes": b"*.txt text\n*.id ident\n*.utf working-tree-encoding=UTF-16\n"
            b"*.ini filter=lossy\n*.up filter=same\n*.gone filter=nobody\n",
            "dos.txt": b"one\r\ntwo\r\n",
            "unix.txt": b"one\ntwo\n",
            "old.id": b"$Id: 0123456789012345678901234567890123456789 $\n",
            "utf.utf": "text\n".encode("utf-16-be").join([b"\xfe\xff", b""]),
            "secret.ini": b"token=abc\n",
            "public.ini": b"token=\n",
            "upper.up": b"UPPER\n",
            "plain.gone": b"plain\n",
            "replaced": b"original\n",
        },
    )
    os.symlink("code.py", top / "link")
    commit(repository, {})
    git(top, "config", "core.symlinks", "false")
    blobs = [git(top, "rev-parse", "HEAD:replaced").strip()]
    other = subprocess.run(
        ["git", "hash-object", "-w", "--stdin"], cwd=top, input=b"replaced\n", capture_output=True
    ).stdout.decode()
    git(top, "replace", blobs[0], other.strip())
    (top / "replaced").unlink()
    git(top, "checkout", "--", "replaced")
    assert (top / "replaced").read_bytes() == b"replaced\n"
    later = time.time() + 10  # than the files, so that git does not read them again
    os.utime(repository.git_dir / "index", (later, later))
    assert work_tree_status.modified(repository) == []
    worktree = worktree_of(repository, tmp_path)
    found = worktree_comparison.compare(worktree)
    assert found.differing == {
        "dos.txt": "line endings",
        "old.id": "ident",
        "utf.utf": "working-tree-encoding=UTF-16",
        "secret.ini": "filter=lossy",
        "replaced": "git replace",
        "link": "core.symlinks",
    }
    # The same is known of files without a worktree.
    head = repository.commit_of("HEAD")
    known = worktree_comparison.unlike_fresh(
        repository, head, [*work_tree_status.tracked(top), "new", "new\nline"]
    )
    assert known == {path: by for path, by in found.differing.items() if path != "link"}
    assert worktrees.rewritten(worktree) == []
    assert (worktree.path / "upper.up").read_bytes() == b"UPPER\n"
    assert (worktree.path / "replaced").read_bytes() == b"original\n"
    converted = worktree.converted("xxh3")
    assert {"old.id", "utf.utf", "upper.up"} == set(converted), converted


def test_line_ends_by_the_users_settings(repository: Repository, tmp_path: Path) -> None:
    commit(repository, {"dos.csv": b"a\n", "binary.csv": b"a\n", ".gitattributes": b"b* -text\n"})
    git(repository.top, "config", "core.autocrlf", "true")
    (repository.top / "dos.csv").unlink()
    git(repository.top, "checkout", "--", "dos.csv")
    worktree = worktree_of(repository, tmp_path)
    assert (worktree.path / "dos.csv").read_bytes() == b"a\r\n"
    # Those that were there before the setting, as git still has them for unchanged.
    assert set(worktree_comparison.compare(worktree).differing) == {
        ".gitattributes",
        "code.py",
        "run.sh",
    }
    assert "dos.csv" in worktree.converted("xxh3") and worktrees.rewritten(worktree) == []
    assert "binary.csv" not in worktree.converted("xxh3")


def test_the_x_bit_where_git_does_not_heed_it(repository: Repository, tmp_path: Path) -> None:
    git(repository.top, "config", "core.fileMode", "false")
    commit(repository, {"tool.sh": b"#!/bin/sh\necho tool\n", "data": b"data\n"})
    for name in ("tool.sh", "data"):
        (repository.top / name).chmod(0o755)
    (repository.top / "run.sh").chmod(0o644)
    worktree = worktree_of(repository, tmp_path)
    found = worktree_comparison.compare(worktree)
    assert found.differing == {} and found.programs == ["tool.sh"]
    assert subprocess.check_output([worktree.path / "tool.sh"]) == b"tool\n"
    assert (worktree.path / "run.sh").stat().st_mode & 0o777 == 0o555
    assert worktrees.rewritten(worktree) == []


def test_many_files_are_not_read(repository: Repository, tmp_path: Path) -> None:
    commit(repository, {"data": b"data\n", "id.id": b"$Id$\n", ".gitattributes": b"*.id ident\n"})
    worktree = worktree_of(repository, tmp_path)
    for path in (repository.top / "data", worktree.path / "data"):
        path.chmod(0)  # whoever reads it fails
    assert set(worktree_comparison.compare(worktree).differing) == {"id.id"}


# ------------------------------------------------------------------ filters in a worktree


def test_filters_with_something_in_the_git_folder(repository: Repository, tmp_path: Path) -> None:
    """The worktree is in order for what else jobs do there with git, too."""
    (repository.git_dir / "own keys").mkdir()
    (repository.git_dir / "own keys" / "key").write_text("a-z A-Z")
    key = '"$(git rev-parse --git-dir)/own keys/key"'
    git(repository.top, "config", "filter.own.smudge", f"tr $(cat {key})")
    git(repository.top, "config", "filter.own.clean", "tr A-Z a-z")
    git(repository.top, "config", "filter.own.required", "true")
    commit(repository, {".gitattributes": b"*.up filter=own\n", "a.up": b"A\n"})
    worktree = worktree_of(repository, tmp_path)
    assert (worktree.path / "a.up").read_text() == "A\n"
    assert worktree_comparison.compare(worktree).differing == {}
    (worktree.path / "a.up").touch()
    assert git(worktree.path, "status", "--porcelain") == ""
    worktrees.remove(repository, worktree.path)
    assert (repository.git_dir / "own keys" / "key").exists()


def test_filters_that_fail(repository: Repository, tmp_path: Path) -> None:
    commit(repository, {".gitattributes": b"*.up filter=own\n", "a.up": b"a\n"})
    git(repository.top, "config", "filter.own.smudge", "/nowhere/program")
    worktrees.remove(repository, worktree_of(repository, tmp_path).path)
    git(repository.top, "config", "filter.own.required", "true")
    with pytest.raises(GitError, match=r"a\.up: smudge filter own failed") as error:
        worktree_of(repository, tmp_path)
    assert "git config --get-regexp" in str(error.value.hint)
    assert len(git(repository.top, "worktree", "list").splitlines()) == 1


def test_a_project_that_is_a_submodule(tmp_path: Path) -> None:
    """With the setting by which the path of its work tree holds for all of its worktrees."""
    source, outer = new_repository(tmp_path / "source"), new_repository(tmp_path / "outer")
    git(outer.top, "submodule", "--quiet", "add", str(source.top), "analysis")
    git(outer.top / "analysis", "config", "extensions.worktreeConfig", "true")
    repository = Repository.find(outer.top / "analysis")
    settings = (repository.common_dir / "config").read_bytes()
    worktree = worktree_of(repository, tmp_path)
    assert git(worktree.path, "rev-parse", "--show-toplevel").strip() == str(worktree.path)
    assert worktrees.rewritten(worktree) == [] and worktrees.added(worktree) == []
    overwrite(worktree.path / "code.py", b"rewritten\n")
    assert worktrees.rewritten(worktree) == ["code.py"]
    assert git(repository.top, "status", "--porcelain") == ""
    worktrees.remove(repository, worktree.path)
    assert (repository.common_dir / "config").read_bytes() == settings
    assert git(repository.top, "rev-parse", "--show-toplevel").strip() == str(repository.top)


def test_a_partial_clone_fetches_nothing(tmp_path: Path) -> None:
    origin = new_repository(tmp_path / "origin")
    git(origin.top, "config", "uploadpack.allowFilter", "true")
    git(origin.top, "config", "uploadpack.allowAnySHA1InWant", "true")
    commit(origin, {"in/data": b"data\n", "out/data": b"other\n"})
    git(
        tmp_path,
        *("clone", "--quiet", "--filter=blob:none", "--sparse", f"file://{origin.top}", "clone"),
    )
    git(tmp_path / "clone", "sparse-checkout", "set", "in")
    clone = Repository.find(tmp_path / "clone")
    origin.top.rename(tmp_path / "away")
    worktree = worktree_of(clone, tmp_path)
    assert (worktree.path / "in/data").exists() and not (worktree.path / "out").exists()
    assert (
        worktree_comparison.compare(worktree).differing == {}
        and worktrees.rewritten(worktree) == []
    )
    worktrees.remove(clone, worktree.path)
    # Nobody can say what a checkout has that is not here.
    (tmp_path / "away").rename(origin.top)
    git(tmp_path, "clone", "--quiet", "--filter=blob:none", "-n", f"file://{origin.top}", "bare")
    bare = Repository.find(tmp_path / "bare")
    with pytest.raises(GitError, match="is a partial clone") as error:
        worktree_of(bare, tmp_path)
    assert f"git -C {bare.top} archive" in str(error.value.hint)
    subprocess.run(str(error.value.hint).partition(": ")[2], shell=True, check=True)
    assert (worktree_of(bare, tmp_path).path / "out/data").exists()


# ------------------------------------------------------------------ pointers


def lfs(content: bytes) -> tuple[str, bytes]:
    """A pointer of Git LFS by its key."""
    import hashlib

    key = hashlib.sha256(content).hexdigest()
    head = "version https://git-lfs.github.com/spec/v1"
    return key, f"{head}\noid sha256:{key}\nsize {len(content)}\n".encode()


def store(repository: Repository, content: bytes) -> None:
    key, _ = lfs(content)
    path = repository.common_dir / "lfs" / "objects" / key[:2] / key[2:4] / key
    path.parent.mkdir(parents=True)
    path.write_bytes(content)


def test_content_comes_in_the_place_of_pointers(repository: Repository, tmp_path: Path) -> None:
    """From the repository, else from the folder; git, and the filter, are not asked again."""
    names = ("stored.bin", "only-here.bin", "pointer.bin", "tool.bin")
    files = {name: lfs(name.encode())[1] for name in names}
    (repository.top / "tool.bin").touch(mode=0o755)
    commit(repository, {".gitattributes": b"*.bin filter=lfs\n", **files})
    for name in ("stored.bin", "tool.bin", "pointer.bin"):
        store(repository, name.encode())
    git(repository.top, "config", "filter.lfs.clean", "git cat-file blob :%f")
    git(repository.top, "config", "filter.lfs.smudge", "exit 1")
    git(repository.top, "config", "filter.lfs.required", "true")
    for name in ("stored.bin", "tool.bin", "only-here.bin"):
        (repository.top / name).write_bytes(name.encode())
    git(repository.top, "add", "--all")
    assert work_tree_status.modified(repository) == []
    worktree = worktree_of(repository, tmp_path)
    for name in ("stored.bin", "tool.bin", "only-here.bin"):
        assert (worktree.path / name).read_text() == name
    assert (worktree.path / "tool.bin").stat().st_mode & 0o777 == 0o555
    assert (worktree.path / "stored.bin").stat().st_mode & 0o777 == 0o444
    # The folder decides: there it is the pointer.
    assert set(worktrees.withheld(worktree)) == {"pointer.bin"}
    assert worktree_comparison.compare(worktree).differing == {}
    assert set(worktree.converted("xxh3")) == {"stored.bin", "tool.bin", "only-here.bin"}
    assert set(worktrees.not_fetched(repository)) == {"pointer.bin"}
    # As a job may leave them.
    git(repository.top, "config", "filter.lfs.clean", "exit 1")
    assert git(worktree.path, "status", "--porcelain") == ""
    assert worktrees.rewritten(worktree) == []
    (worktree.path / "stored.bin").touch()
    assert worktrees.rewritten(worktree) == []
    overwrite(worktree.path / "stored.bin", b"changed   ")
    overwrite(worktree.path / "tool.bin", files["tool.bin"])
    (worktree.path / "pointer.bin").unlink()
    assert worktrees.rewritten(worktree) == ["pointer.bin", "stored.bin", "tool.bin"]
    assert worktrees.rewritten(worktree, lambda path: path != "tool.bin") == ["tool.bin"]


def test_a_worktree_as_the_folder_of_a_run(repository: Repository, tmp_path: Path) -> None:
    """As it is made to make a run again: what git has of it is as clean as before."""
    files = {name: lfs(name.encode())[1] for name in ("stored.bin", "pointer.bin")}
    commit(repository, {".gitattributes": b"*.bin filter=lfs\n", **files})
    store(repository, b"stored.bin")
    head = repository.commit_of("HEAD")
    folder = worktrees.create(repository, tmp_path / "folder", head, read_only=False)
    assert (folder.path / "stored.bin").stat().st_mode & 0o200
    own = Repository.find(folder.path)
    assert work_tree_status.modified(own) == []
    worktree = worktree_of(own, tmp_path)
    assert (worktree.path / "stored.bin").read_text() == "stored.bin"
    assert set(worktrees.withheld(worktree)) == {"pointer.bin"}
    assert worktree_comparison.compare(worktree).differing == {}
    (folder.path / "stored.bin").write_bytes(b"STORED.BIN")
    assert work_tree_status.modified(own) == ["stored.bin"]


@pytest.mark.parametrize(
    ("key", "folders", "size"),
    [  # As `git annex examinekey` says.
        ("SHA256E-s11--abc.tar.gz", ("M8/xp", "a83/e37", "M8", "a83"), 11),
        ("URL--http&c%%x.org%a", ("Vk/1w", "ee1/685", "Vk", "ee1"), None),
    ],
)
def test_keys_of_git_annex(
    repository: Repository, key: str, folders: tuple[str, ...], size: int | None
) -> None:
    pointer = content_pointers.parse(f"/annex/objects/{key}\n".encode())
    assert pointer is not None and pointer.key == key and pointer.size == size
    contents = content_pointers.Contents.of(repository)
    assert contents.find(pointer) is None
    for folder in reversed(folders):
        path = contents.annex / folder / key / key
        path.parent.mkdir(parents=True)
        path.write_bytes(b"eleven byte" if size else b"any")
        assert contents.find(pointer) == path


# ------------------------------------------------------------------ what jobs change


@pytest.mark.parametrize("then", ["", "status", "add --all", "commit --quiet --all -m job"])
def test_what_jobs_changed(repository: Repository, tmp_path: Path, then: str) -> None:
    """Also what git takes for the same, whatever they did with git; and nothing that a checkout
    leaves dirty itself."""
    git(repository.top, "config", "filter.own.clean", "tr A-Z a-z")
    commit(repository, {"phantom.txt": b"a\r\n", "low.up": b"low\n", "id.id": b"$Id$\n"})
    # As where text was not named as such at first.
    (repository.top / ".gitattributes").write_text("*.txt text\n*.up filter=own\n*.id ident\n")
    git(repository.top, "add", ".gitattributes")
    git(repository.top, "commit", "--quiet", "--message", "attributes")
    worktree = worktree_of(repository, tmp_path)
    assert worktrees.rewritten(worktree) == []
    (worktree.path / "id.id").touch()
    (worktree.path / "phantom.txt").touch()
    assert worktrees.rewritten(worktree) == []
    overwrite(worktree.path / "low.up", b"LOW\n")
    overwrite(worktree.path / "run.sh", b"#!/bin/sh\n# more\n")
    (worktree.path / "code.py").unlink()
    if then:
        git(worktree.path, *then.split())
    assert worktrees.rewritten(worktree) == ["code.py", "low.up", "run.sh"]
