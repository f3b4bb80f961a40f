"""What users say of runs: notes and tags, in git."""

from __future__ import annotations

from pathlib import Path

import pytest
from folders import Folder

from gitbatch_core.errors import UsageError
from gitbatch_core.history import marks
from gitbatch_core.history.run_names import ListedRun, Runs

ONE, TWO = "20260101-000001-abcd", "20260101-000002-abcd"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path / "work")
    folder.commit({"Snakefile": ""})
    for text in ("first", "second"):
        folder.run({"out": text})
    return folder


@pytest.fixture
def runs(folder: Folder) -> Runs:
    return Runs.of(folder.repository)


def test_a_note_is_replaced_and_removed(runs: Runs) -> None:
    one, two = runs.one(ONE), runs.one(TWO)
    assert marks.note(runs, one) == ""
    text = "-m: figure 2, \u00e9\n\n# no comment of git's\n'quoted' $(x)"
    marks.write_note(runs, one, f"{text}\n\n")
    assert (marks.note(runs, one).rstrip("\n"), marks.note(runs, two)) == (text, "")
    marks.write_note(runs, one, "another")
    assert marks.note(runs, one).strip() == "another"
    with pytest.raises(UsageError, match=r"The note is empty\.") as refused:
        marks.write_note(runs, one, " \n")
    assert refused.value.hint and f"gitbatch runs note --remove {ONE}" in refused.value.hint
    assert marks.note(runs, one).strip() == "another"
    for _ in range(2):
        marks.remove_note(runs, one)
        assert marks.note(runs, one) == ""


def test_a_tag_never_moves(runs: Runs, folder: Folder) -> None:
    one, two = runs.one(ONE), runs.one(TWO)
    for _ in range(2):
        marks.tag(runs, one, "paper")
    with pytest.raises(UsageError, match=f"paper exists already.*run {TWO} is"):
        marks.tag(runs, two, "paper")
    assert folder.git("rev-parse", "paper^{commit}") == one.ended()
    assert Runs.of(folder.repository).one("paper").run == ONE
    for name in ("", "a b", "-x", "a..b", "x.lock"):
        with pytest.raises(UsageError):
            marks.tag(runs, one, name)


def test_only_tags_of_runs_are_deleted(runs: Runs, folder: Folder) -> None:
    folder.git("tag", "v1")
    marks.tag(runs, runs.one(ONE), "paper")
    for name in ("v1", "missing"):
        with pytest.raises(UsageError, match=r"no tag .* that leads to a run"):
            marks.delete_tag(runs, name)
    runs = Runs.of(folder.repository)
    assert marks.delete_tag(runs, "paper") == ONE
    assert folder.git("tag", "--list").split() == [f"run/{ONE}", f"run/{TWO}", "v1"]


def test_a_run_that_goes_on_has_nothing_to_mark(runs: Runs) -> None:
    going = ListedRun(run="20260103-000000-abcd")
    with pytest.raises(UsageError, match="has not ended: it has no results yet"):
        marks.keep(runs, going)
    with pytest.raises(UsageError, match="has not ended"):
        marks.tag(runs, going, "paper")
