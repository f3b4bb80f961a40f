"""Runs that are forgotten, and what nothing names any more then."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from folders import Folder

from gitbatch_core.archive import names
from gitbatch_core.archive.layout import Address
from gitbatch_core.errors import UsageError
from gitbatch_core.history import marks, removal
from gitbatch_core.history.removal import Freed
from gitbatch_core.history.run_names import ListedRun, Runs

ONE, TWO = "20260101-000001-abcd", "20260101-000002-abcd"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Two runs, of which the second has made `shared` again, and other bytes of `out`."""
    folder = Folder(tmp_path / "work")
    folder.commit({"Snakefile": "", ".gitignore": "*\n"})
    folder.run({"out": "first", "shared": "the same", "tree": {"x": "of a tree", "y": "first"}})
    folder.run({"out": "the second", "shared": "the same"})
    return folder


def freed(folder: Folder, *runs: str) -> Freed:
    listed = Runs.of(folder.repository)
    return removal.freed(listed, listed.some(runs), folder.archive)


def test_what_another_run_or_the_folder_names_is_not_freed(folder: Folder) -> None:
    # `tree` is still linked in the folder; `out` of the first run is not.
    assert freed(folder, ONE) == Freed(objects=0, bytes=0), "`out` has the same bytes as `tree/y`"
    (folder.top / "tree" / "y").unlink()
    assert freed(folder, ONE) == Freed(objects=1, bytes=len("first"))
    (folder.top / "tree" / "x").unlink()
    assert freed(folder, ONE).bytes == len("first") + len("of a tree")
    assert freed(folder, TWO) == Freed(objects=0, bytes=0), "the folder has its links"
    os.unlink(folder.top / "out")
    assert freed(folder, TWO).bytes == len("the second")
    assert freed(folder, ONE, TWO).bytes == len("first") + len("of a tree") + len("the second"), (
        "the folder has `shared`"
    )


def test_results_in_a_folder_that_was_moved_and_linked_are_not_freed(folder: Folder) -> None:
    (folder.top / "tree").rename(folder.top.parent / "large disk")
    (folder.top / "tree").symlink_to(folder.top.parent / "large disk")
    assert freed(folder, ONE).bytes == 0
    (folder.top / "tree").unlink()
    assert freed(folder, ONE).bytes == len("first") + len("of a tree")


def test_what_a_branch_or_a_name_of_the_storage_leads_to_is_not_freed(folder: Folder) -> None:
    for path in ("tree/x", "tree/y"):
        (folder.top / path).unlink()
    listed = Runs.of(folder.repository)
    folder.git("branch", "mine", listed.one(ONE).ended())
    assert freed(folder, ONE).bytes == 0
    folder.git("branch", "-D", "mine")
    assert freed(folder, ONE).bytes == len("first") + len("of a tree")
    document = listed.documents([listed.one(ONE)])[ONE]
    [tree] = [each.address for each in document.outputs if each.path == "tree"]
    names.write(folder.archive, "mine/tree", Address.parse(tree), object=None, size=14)
    assert freed(folder, ONE).bytes == 0


def test_a_run_is_forgotten_with_its_tags_and_its_note(folder: Folder) -> None:
    runs = Runs.of(folder.repository)
    marks.tag(runs, runs.one(ONE), "paper")
    for run in (ONE, TWO):
        marks.write_note(runs, runs.one(run), "a note")
    head, objects = folder.git("rev-parse", "HEAD"), folder.archive.root / "objects"
    files = sorted(path for path in objects.rglob("*") if path.is_file())
    runs = Runs.of(folder.repository)
    removal.forget(runs, runs.some([ONE]))
    runs = Runs.of(folder.repository)
    assert list(runs.by_id) == [TWO] and marks.note(runs, runs.one(TWO)).strip() == "a note"
    assert folder.git("tag", "--list") == f"run/{TWO}"
    assert len(folder.git("notes", "--ref", "gitbatch", "list").splitlines()) == 1
    assert folder.git("rev-parse", "HEAD") == head
    assert sorted(path for path in objects.rglob("*") if path.is_file()) == files


def test_runs_that_are_kept_are_not_forgotten(folder: Folder) -> None:
    runs = Runs.of(folder.repository)
    removal.refuse(runs.some([ONE, TWO]))
    marks.keep(runs, runs.one(ONE))
    runs = Runs.of(folder.repository)
    with pytest.raises(UsageError, match=f"Run {ONE} is kept") as refused:
        removal.refuse(runs.some([TWO, ONE]))
    assert refused.value.hint == f"gitbatch runs keep --off {ONE}"
    marks.let_go(runs, runs.one(ONE))
    runs = Runs.of(folder.repository)
    removal.refuse(runs.some([ONE]))
    marks.let_go(runs, runs.one(ONE))
    with pytest.raises(UsageError, match="No ref of this repository leads to run x"):
        removal.refuse([ListedRun(run="x", commit="c")])
