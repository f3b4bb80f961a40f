"""What results in a work tree are: real repositories and archives, documents, no Snakemake."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from folders import Folder

from gitbatch_core.archive import records
from gitbatch_core.git.repository import Repository
from gitbatch_core.history import stale_outputs
from gitbatch_core.model.ended_run import EndedRun
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.provenance.folder_status import status
from gitbatch_core.provenance.result_status import FolderStatus, ResultStatus
from gitbatch_core.run import archive_location
from gitbatch_core.run.code_difference import Choice, CodeDifferences


class StatusFolder(Folder):
    """Asked for the status of its results."""

    def status(self) -> FolderStatus:
        return status(self.repository, self.archive)

    def states(self) -> dict[str, str]:
        return {each.path: each.state for each in self.status().results}

    def at(self, path: str) -> ResultStatus:
        [found] = [each for each in self.status().results if each.path == path]
        return found


@pytest.fixture
def folder(tmp_path: Path) -> StatusFolder:
    made = StatusFolder(tmp_path / "work")
    made.commit({"Snakefile": "", "lib/a.py": "1", "data.txt": "data", ".gitignore": "out\n"})
    return made


def test_no_runs_no_results(folder: StatusFolder) -> None:
    found = folder.status()
    assert (found.results, found.run, found.is_current) == ((), "", True)


def test_other_code_and_prose(folder: StatusFolder) -> None:
    one = folder.git("rev-parse", "HEAD")
    folder.run({"out/a": "a", "out/tree": {"x": "1", "y/z": "2"}})
    assert folder.states() == {"out/a": "current", "out/tree": "current"}
    folder.commit({"README.md": "prose", "docs/README": "prose"})
    assert folder.status().is_current
    folder.commit({"lib/a.py": "2", "Snakefile": "x"})
    for found in folder.status().results:
        assert (found.state, found.commit) == ("other code", one)
        assert found.files == ("Snakefile", "lib/a.py")
        assert found.rule == "make"
    # Back again: it is the code that counts, not the commit.
    folder.commit({"lib/a.py": "1", "Snakefile": ""})
    assert folder.status().is_current


def test_what_a_job_has_chosen_is_its_code(folder: StatusFolder) -> None:
    some = Choice(patterns=(("lib", ":!lib/b.py"),), always=("tools/x.sh",))
    folder.run({"out/a": "a"}, code=some)
    folder.commit({"Snakefile": "x", "lib/b.py": "b", "tools/y.sh": "y"})
    assert folder.states() == {"out/a": "current"}
    folder.commit({"tools/x.sh": "x", "lib/a.py": "2"})
    assert folder.at("out/a").files == ("lib/a.py", "tools/x.sh")


def test_chosen_code_starts_where_its_run_has_worked(folder: StatusFolder) -> None:
    """Two workflows in one repository, with patterns that read the same."""
    folder.commit({"one/lib/a.py": "1", "two/lib/a.py": "1"})
    some = Choice(patterns=(("lib", "../lib"),))
    folder.run({"one/out": "1"}, code=some, folder="one", snakefile="one/Snakefile")
    folder.run({"two/out": "2"}, code=some, folder="two", snakefile="two/Snakefile")
    assert set(folder.states().values()) == {"current"}
    changed = folder.commit({"one/lib/a.py": "2"})
    assert folder.states() == {"one/out": "other code", "two/out": "current"}
    assert folder.at("one/out").files == ("one/lib/a.py",)
    folder.git("reset", "-q", "--hard", f"{changed}^")
    folder.run({"out": "3"}, folder="", snakefile="Snakefile")
    folder.commit({"lib/a.py": "2"})
    assert set(folder.states().values()) == {"other code"}


def test_what_a_tainted_run_has_made(folder: StatusFolder) -> None:
    made = folder.run({"out/a": "a"}, tainted=["lib/a.py"])
    assert folder.states() == {"out/a": "tainted"}
    folder.run({"out/b": "b"}, kept=(made["out/a"],))
    records.write_run(folder.archive.root, EndedRun(run="20260101-000001-abcd", tainted=True))
    assert folder.states() == {"out/a": "tainted", "out/b": "current"}
    folder.run({"out/a": "a"}, kept=())
    assert folder.states() == {"out/a": "current", "out/b": "current"}


def test_inputs_and_what_was_made_from_them(folder: StatusFolder) -> None:
    some = Choice(patterns=(("lib",),))
    folder.run({"out/a": "a"}, inputs={"data.txt": "data"}, code=some)
    folder.run({"out/b": "b"}, inputs={"out/a": "a"}, code=some, kept=(folder.make("out/a", "a"),))
    kept = folder.make("out/a", "a"), folder.make("out/b", "b")
    folder.run({"out/c": "c"}, inputs={"out/b": "b", "gone": "x"}, code=some, kept=kept)
    assert set(folder.states().values()) == {"current"}
    # An edit, committed or not.
    (folder.top / "data.txt").write_text("new")
    expected = [("out/a", ("data.txt",)), ("out/b", ("out/a",)), ("out/c", ("out/b",))]
    assert [(each.path, each.inputs) for each in folder.status().results] == expected
    assert folder.status().edited == ("data.txt",)
    folder.commit({"data.txt": "new"})
    assert [(each.path, each.inputs) for each in folder.status().results] == expected
    assert set(folder.states().values()) == {"other inputs"}
    folder.commit({"data.txt": "data"})
    assert folder.status().is_current
    # In between, another version of a result is put in place: one that a run knows.
    folder.run({"out/a": "other"}, inputs={"data.txt": "data"}, code=some, kept=kept[1:])
    assert folder.states() == {"out/a": "current", "out/b": "other inputs", "out/c": "other inputs"}


def test_changed_by_hand_dangling_missing_unknown(folder: StatusFolder) -> None:
    names = ["file", "link", "elsewhere", "dangling", "missing", "as folder"]
    names += ["odd \n\x1b name", "\udcff"]
    made = folder.run({f"out/{name}": f"of {name}" for name in names})
    trees = {f"out/{name}": {"x": name, "y": "y"} for name in ("t1", "t2", "t3", "t4")}
    kept = tuple(made.values())
    folder.run(trees, kept=kept)
    (folder.top / "out/file").unlink()
    (folder.top / "out/file").write_text("of file")
    folder.make("out/link", "something that no run has made there")
    (folder.top / "out/elsewhere").unlink()
    (folder.top / "out/elsewhere").symlink_to("../Snakefile")
    gone = folder.archive.put_bytes(b"of dangling").name
    folder.archive.path(gone).unlink()
    (folder.top / "out/missing").unlink()
    (folder.top / "out/as folder").unlink()
    (folder.top / "out/as folder").mkdir()
    (folder.top / "out/t1/x").unlink()
    (folder.top / "out/t2/more").write_text("")
    folder.archive.path(folder.archive.put_bytes(b"t3").name).unlink()
    shutil.rmtree(folder.top / "out/t4")
    folder.make("out/strange", "x")
    states = folder.states()
    assert states == {
        "out/file": "changed by hand",
        "out/link": "changed by hand",
        "out/elsewhere": "changed by hand",
        "out/dangling": "dangling",
        "out/missing": "missing",
        "out/as folder": "changed by hand",
        "out/odd \n\x1b name": "current",
        "out/\udcff": "current",
        "out/t1": "changed by hand",
        "out/t2": "changed by hand",
        "out/t3": "dangling",
        "out/t4": "missing",
        "out/strange": "unknown origin",
    }
    # Without the archive nobody can say what links lead to; what they are called says the rest.
    away = {each.path: each.state for each in status(folder.repository, None).results}
    assert away["out/dangling"] == "current"
    assert away["out/link"] == "changed by hand"
    folder.run({}, kept=(folder.make("out/unknown", "u"),))
    assert folder.states()["out/unknown"] == "unknown origin"


def test_frozen_inputs_are_no_results(folder: StatusFolder) -> None:
    folder.make("tracked.csv", "1")
    folder.git("add", "tracked.csv")
    folder.commit({})
    folder.make("new.csv", "2")
    folder.run({"out/a": "a"}, inputs={"tracked.csv": "1", "new.csv": "2"}, input_links=["new.csv"])
    assert folder.states() == {"out/a": "current"}
    folder.make("new.csv", "3")
    assert folder.at("out/a").inputs == ("new.csv",)


def test_the_run_that_counts(folder: StatusFolder) -> None:
    """A failed run has not all; an attempt to reproduce is none of this folder's; HEAD may be a run
    commit, or hold results itself."""
    folder.run({"out/a": "a", "out/b": "b"})
    (folder.top / "out/b").unlink()
    kept = (folder.make("out/a", "a"),)
    folder.run({"out/c": "c"}, kept=kept, outcome="failed")
    assert folder.states() == {"out/a": "current", "out/b": "missing", "out/c": "current"}
    # What an earlier run has made is still known, though the latest had other targets.
    folder.run({"out/d": "d"})
    assert folder.states() == {"out/a": "current", "out/c": "current", "out/d": "current"}
    source = folder.git("rev-parse", "HEAD")
    folder.git("checkout", "-q", "--detach", "run/20260101-000003-abcd")
    found = folder.status()
    assert (found.head != source, found.source) == (True, source)
    assert found.is_current
    # A branch that holds results: they are no code, and HEAD is its own source.
    folder.git("checkout", "-q", "--detach", source)
    folder.make("out/d", "d")
    folder.git("add", "-f", "out/d")
    folder.commit({})
    found = folder.status()
    assert (found.source == source, found.is_current) == (False, True)
    assert [each.path for each in found.results] == ["out/a", "out/c", "out/d"]
    folder.make("out/d", "another one")
    assert (folder.at("out/d").state, folder.status().edited) == ("changed by hand", ())


def test_runs_of_other_work_trees(folder: StatusFolder, tmp_path: Path) -> None:
    folder.run({"out/a": "a"}, repository=str(folder.top))
    folder.git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    linked = StatusFolder.__new__(StatusFolder)
    linked.repository = Repository.find(tmp_path / "linked")
    linked.top, linked.archive, linked.runs = linked.repository.top, folder.archive, 1
    archive_location.link(linked.top, folder.archive.root)
    assert linked.states() == {"out/a": "missing"}, "nothing else is known"
    linked.run({"out/b": "b"}, repository=str(linked.top))
    assert linked.states() == {"out/b": "current"}
    assert folder.states() == {"out/a": "current"}
    # What was put in place from there is known all the same.
    folder.make("out/b", "b")
    assert folder.states() == {"out/a": "current", "out/b": "current"}
    # Other code has made the same there: here it is still what this folder's run has made.
    linked.commit({"lib/a.py": "2"})
    linked.run({"out/a": "a"}, repository=str(linked.top))
    assert folder.states() == {"out/a": "current", "out/b": "current"}
    assert linked.states() == {"out/a": "current", "out/b": "other code"}


def test_code_of_submodules(folder: StatusFolder, tmp_path: Path) -> None:
    inner = StatusFolder(tmp_path / "inner")
    old = inner.commit({"lib.py": "1", "README.md": ""})
    folder.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner.top), "sub")
    one = folder.commit({})
    new = inner.commit({"lib.py": "2", "README.md": "x"})
    for words in (["fetch", "-q"], ["checkout", "-q", new]):
        subprocess.run(["git", "-C", str(folder.top / "sub"), *words], check=True)
    folder.git("add", "sub")
    two = folder.commit({})
    differences = CodeDifferences(repository=folder.repository, is_output=lambda path: False)
    assert differences.files(one, two) == ("sub/lib.py",)
    assert differences.files(one, two, Choice(patterns=(("*.md",),))) == ("sub/README.md",)
    shutil.rmtree(folder.top / "sub")
    assert CodeDifferences(repository=folder.repository, is_output=lambda path: False).files(
        one, two
    ) == ("sub",)
    assert differences.files(one, "0" * 40) is None
    assert old != new


def test_what_a_run_says_of_other_code() -> None:
    """Also where a temporary output lies in between, or a folder of which one file was read."""

    def job(number: int, commit: str, made: str, *read: str) -> dict[str, Any]:
        inputs = [{"path": path, "address": f"of {path}"} for path in read]
        member = {"rule": "r", "outputs": [made], "inputs": inputs}
        stored = [{"path": made, "address": f"of {made}"}]
        return {"number": number, "commit": commit, "members": [member], "outputs": stored}

    jobs = {
        "1": job(1, "old", "a"),
        "2": job(2, "new", "b", "temp"),
        "3": job(3, "new", "c", "b"),
        "4": job(4, "new", "d"),
        "5": job(5, "old", "folder"),
        "6": job(6, "new", "e", "folder/in/it"),
        "7": job(7, "new", "f", "folder2/it"),
    }
    outputs = [
        {"path": path, "address": f"of {path}", "job": number}
        for path, number in zip([*"abcd", "folder", *"ef"], "1234567", strict=True)
    ]
    files = {"old": ("x.py",), "new": ()}
    temporary = JobRecord.from_dict(job(8, "new", "temp", "a"))
    run = RunDocument.from_dict({"run": "run", "jobs": jobs, "outputs": outputs})
    run = stale_outputs.note(run, lambda o, j: files[j.commit], [temporary], lambda job: False)
    assert run.to_dict()["other_code"] == {"old": ["x.py"]}
    noted = run.to_dict()["outputs"]
    assert [each["path"] for each in noted if "other_code" in each] == ["a", "folder"]
    assert {each["path"]: each["stale_inputs"] for each in noted if "stale_inputs" in each} == {
        "b": ["temp"],
        "c": ["b"],
        "e": ["folder"],
    }
    assert stale_outputs.summary(run).text() == (
        "2 outputs are not of this commit's code: commit old differs in x.py, and 3 more were made "
        "from these"
    )
    again = RunDocument.from_dict({"run": "again", "jobs": jobs, "outputs": [outputs[3]]})
    again = stale_outputs.note(again, lambda o, j: (), [], lambda job: False)
    assert (again.other_code, stale_outputs.summary(again).to_dict()) == ({}, {})
    first = {"4": jobs["4"] | {"run": "first"}}
    later = RunDocument.from_dict({"run": "later", "jobs": first, "outputs": [outputs[3]]})
    later = stale_outputs.note(later, lambda o, j: (), [], lambda job: job.run == "first")
    assert later.outputs[0].to_dict()["tainted"] is True
    assert stale_outputs.summary(later).text() == "1 output was made by a tainted run"
