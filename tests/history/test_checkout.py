"""A run's results in a work tree: checked out here or in another one, and again."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from folders import Folder

from gitbatch_core import fs
from gitbatch_core.archive.layout import Address
from gitbatch_core.errors import GitError, UsageError
from gitbatch_core.history.checkout import CheckedOut, check_out
from gitbatch_core.history.run_names import Runs
from gitbatch_core.run.run_commit import Result

ONE, TWO = "20260101-000001-abcd", "20260101-000002-abcd"
ODD = "with space/-o $(x) 'ü'\nb"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Two runs of one commit: the second has made `out` anew, and has no `tree`."""
    folder = Folder(tmp_path / "work")
    folder.commit({"Snakefile": "", ".gitignore": "*\n"})
    folder.run({"out": "first", ODD: "odd", "tree": {"x": "x", "deep/y": "y"}})
    folder.run({"out": "second"})
    return folder


def bring(folder: Folder, run: str, into: Path | None = None) -> CheckedOut:
    runs = Runs.of(folder.repository)
    return check_out(runs, runs.one(run), into=into)


def test_results_are_links_in_a_work_tree_of_their_own(folder: Folder, tmp_path: Path) -> None:
    head = folder.git("rev-parse", "HEAD")
    there = tmp_path / "new tree"
    done = bring(folder, ONE, there)
    assert (done.folder, done.missing, done.strange) == (there, [], [])
    assert not done.is_other_archive and done.archive.root == folder.archive.root
    for path, text in {"out": "first", ODD: "odd", "tree/x": "x", "tree/deep/y": "y"}.items():
        assert (there / path).is_symlink() and (there / path).read_text() == text
    assert folder.git("rev-parse", "HEAD") == head
    assert (folder.top / "out").read_text() == "second", "the user's folder is as it was"


def test_a_folder_that_has_something_is_refused_and_stays(folder: Folder, tmp_path: Path) -> None:
    there = tmp_path / "taken"
    there.mkdir()
    assert bring(folder, ONE, there).missing == [], "an empty one is as good as none"
    for other in (tmp_path / "full", tmp_path / "file"):
        if other.name == "full":
            other.mkdir()
            (other / "mine").write_text("mine")
        else:
            other.write_text("mine")
        with pytest.raises(UsageError, match="exists already") as refused:
            bring(folder, ONE, other)
        assert refused.value.hint == "Name a new folder."
    assert (tmp_path / "full" / "mine").read_text() == (tmp_path / "file").read_text() == "mine"
    assert len(folder.git("worktree", "list").splitlines()) == 2


def test_links_to_another_runs_results_make_way_here(folder: Folder) -> None:
    done = bring(folder, ONE)
    assert done.missing == [] and done.folder == folder.top
    assert (folder.top / "out").read_text() == "first"
    assert folder.git("rev-parse", "HEAD") == folder.git("rev-parse", f"run/{ONE}")
    assert folder.git("status", "--porcelain") == ""
    assert f"run/{ONE}" in folder.git("reflog", "-1", "--format=%gs"), "git says where one is"
    bring(folder, TWO)
    assert (folder.top / "out").read_text() == "second"
    assert not (folder.top / "tree" / "x").exists()


@pytest.mark.parametrize("kind", ["a file", "a link to what no run has made"])
def test_what_only_the_user_has_is_not_lost(folder: Folder, kind: str) -> None:
    out = folder.top / "out"
    out.unlink()
    if kind == "a file":
        out.write_text("hours of work")
    else:
        folder.make("out", "hours of work")
    before = {path: os.readlink(folder.top / path) for path in (ODD, "tree/x", "tree/deep/y")}
    document = folder.git("show", f"run/{ONE}:.gitbatch/run.json")
    (folder.top / ".gitbatch" / "run.json").write_text(document + "\n")
    with pytest.raises(GitError, match="out"):
        bring(folder, ONE)
    assert out.read_text() == "hours of work"
    assert before == {path: os.readlink(folder.top / path) for path in before}
    assert (folder.top / ".gitbatch" / "run.json").read_text() == document + "\n"
    assert not [path for path in folder.top.rglob("*") if fs.is_temporary(path.name)]


def test_again_where_results_were_deleted(folder: Folder) -> None:
    bring(folder, ONE)
    (folder.top / "out").unlink()
    shutil.rmtree(folder.top / "tree")
    done = bring(folder, ONE)
    assert done.missing == []
    assert (folder.top / "out").read_text() == "first"
    assert (folder.top / "tree" / "deep" / "y").read_text() == "y"


def test_again_after_a_checkout_that_git_could_not_finish(folder: Folder) -> None:
    """Files of the run commit are there, and the index does not know them."""
    commit = folder.git("rev-parse", f"run/{ONE}")
    document = folder.git("show", f"{commit}:.gitbatch/run.json") + "\n"
    (folder.top / ".gitbatch" / "run.json").write_text(document)
    blob = folder.git("hash-object", str(folder.top / ".gitbatch" / "run.json"))
    assert blob == folder.git("rev-parse", f"{commit}:.gitbatch/run.json"), "just as in the commit"
    assert bring(folder, ONE).missing == []
    assert folder.git("rev-parse", "HEAD") == commit


def test_what_the_archive_no_longer_has_is_said(folder: Folder, tmp_path: Path) -> None:
    runs = Runs.of(folder.repository)
    outputs = runs.documents([runs.one(ONE)])[ONE].outputs
    results = {each.path: each for each in outputs}
    [name] = folder.archive.variants(Address.parse(results["out"].address))
    folder.archive.path(name).unlink()
    entries = folder.archive.manifest(Address.parse(results["tree"].address))
    [y] = [each for each in entries if each.path == "deep/y"]
    [name] = folder.archive.variants(Address.of_digest(y.digest))
    folder.archive.path(name).unlink()
    assert bring(folder, ONE, tmp_path / "new").missing == ["out", "tree"]


def test_what_lies_in_an_output_folder_and_is_none_of_the_runs_is_named(folder: Folder) -> None:
    (folder.top / "tree" / "mine").write_text("mine")
    (folder.top / "beside").write_text("beside")
    done = bring(folder, ONE)
    assert done.strange == ["tree/mine"] and done.missing == []
    assert (folder.top / "tree" / "mine").read_text() == "mine"


@pytest.mark.parametrize("name", ["tree", "tree/deep"])
def test_results_behind_a_link_to_a_folder_need_a_work_tree_of_their_own(
    folder: Folder, tmp_path: Path, name: str
) -> None:
    (folder.top / name).rename(tmp_path / "large disk")
    (folder.top / name).symlink_to(tmp_path / "large disk")
    if name == "tree/deep":
        folder.run({"tree/deep/out": "behind the link"})
    run = ONE if name == "tree" else "20260101-000003-abcd"
    with pytest.raises(UsageError, match=f"^{name} is a link to a folder, {tmp_path}") as refused:
        bring(folder, run)
    assert f"gitbatch runs checkout {run} --into DIR" in str(refused.value.hint)
    assert (folder.top / name).is_symlink() and (folder.top / "out").read_text() == "second"
    assert bring(folder, run, tmp_path / "new").missing == []


@pytest.mark.parametrize("elsewhere", [True, False])
def test_all_results_have_one_time_that_is_later_than_any_source(
    folder: Folder, tmp_path: Path, elsewhere: bool
) -> None:
    there = tmp_path / "new" if elsewhere else folder.top
    tomorrow = time.time_ns() + 24 * 3600 * 10**9
    if not elsewhere:
        os.utime(there / "Snakefile", ns=(tomorrow, tomorrow))
    bring(folder, ONE, there if elsewhere else None)
    times = {(there / name).lstat().st_mtime_ns for name in ("out", ODD, "tree", "tree/deep/y")}
    [of_results] = times
    of_sources = [(there / name).lstat().st_mtime_ns for name in ("Snakefile", ".gitignore")]
    assert of_results > max(of_sources) and (elsewhere or of_results > tomorrow)


def test_empty_folders_of_a_result_come_from_the_manifest(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "result" / "nothing here").mkdir(parents=True)
    address = str(folder.archive.put_tree(tmp_path / "result").address)
    tree = Result(path="tree", kind="tree", address=address, size=0, links={})
    folder.run({}, kept=(tree,))
    assert bring(folder, "20260101-000003-abcd", tmp_path / "new").missing == []
    assert list((tmp_path / "new" / "tree").iterdir()) == [tmp_path / "new/tree/nothing here"]
