"""Which records of earlier runs may stand for a job that is to run, and which runs are tainted."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from mirrors import bare_mirror

from gitbatch_core.archive import layout, records
from gitbatch_core.model.documents import Document
from gitbatch_core.model.ended_run import EndedRun
from gitbatch_core.model.job_order import DeclaredOutput
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.run import reusable_records
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.run.reusable_records import ReusableRecords
from gitbatch_core.run.tainted import TaintedRuns

KEY = "12" * 16
ONE, TWO = "20260101-000000-aaaa", "20260102-000000-aaaa"


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return bare_mirror(tmp_path)


def end(mirror: Mirror, run: str, *, tainted: bool | None = False, **facts: Any) -> None:
    ended = EndedRun(run=run, outcome="succeeded", tainted=tainted, **facts)
    records.write_run(mirror.archive.root, ended)


def output(mirror: Mirror, path: str, text: str) -> Document:
    name = mirror.archive.put_bytes(text.encode(), name=path).name
    facts = {"kind": "file", "address": str(name.address), "size": len(text), "name": name.path}
    return {"path": path, **facts}


def keep(mirror: Mirror, run: str, *outputs: Document, **facts: Any) -> None:
    """Have a record of the run's job 1."""
    document = JobRecord(run=run, number=1, key=KEY).to_dict()
    document |= {"outputs": list(outputs), "reusable": True, **facts}
    records.write(mirror.archive.root, layout.record_path(KEY, run, 1), document)


def find(mirror: Mirror, *paths: str, absent: Iterable[str] = ()) -> str | None:
    """The run whose record stands for a job with these outputs."""
    declared = [DeclaredOutput(path=path) for path in paths]
    record = ReusableRecords(mirror=mirror).find(KEY, declared, absent=frozenset(absent))
    return None if record is None else record.run


def test_the_latest_record_whose_objects_are_there(mirror: Mirror) -> None:
    for run, text in {ONE: "one", TWO: "two"}.items():
        keep(mirror, run, output(mirror, "a", text))
        end(mirror, run)
    assert find(mirror, "a") == TWO
    (mirror.archive.root / output(mirror, "a", "two")["name"]).unlink()
    assert find(mirror, "a") == ONE


@pytest.mark.parametrize("tainted", [True, None])
def test_what_a_run_made_that_changed_its_code_is_nobodys(
    mirror: Mirror, tainted: bool | None
) -> None:
    keep(mirror, ONE, output(mirror, "a", "x"))
    end(mirror, ONE, tainted=tainted)
    assert find(mirror, "a") is None


def test_what_a_run_made_that_goes_on_is_its_own(mirror: Mirror) -> None:
    keep(mirror, ONE, output(mirror, "a", "x"))
    assert find(mirror, "a") is None
    end(mirror, ONE)
    assert find(mirror, "a") == ONE


@pytest.mark.parametrize("damage", [b"", b"{", b'{"format": "gitbatch-ended-run", "version": 9}'])
def test_what_cannot_be_read_stands_for_nothing(mirror: Mirror, damage: bytes) -> None:
    for run in (ONE, TWO):
        keep(mirror, run, output(mirror, "a", "x"))
        end(mirror, run)
    for path in (
        mirror.archive.root / layout.run_path(TWO),
        mirror.archive.root / layout.record_path(KEY, ONE, 1),
    ):
        path.chmod(0o644)
        path.write_bytes(damage)
    assert find(mirror, "a") is None


def test_a_job_whose_key_does_not_say_everything_runs_again(mirror: Mirror) -> None:
    keep(mirror, ONE, output(mirror, "a", "x"), reusable="yes")
    end(mirror, ONE)
    assert find(mirror, "a") is None


def test_outputs_are_those_that_are_declared(mirror: Mirror) -> None:
    keep(mirror, ONE, output(mirror, "a", "x"), output(mirror, "b", "y"))
    end(mirror, ONE)
    assert find(mirror, "a", "b") == ONE
    assert find(mirror, "a") is None, "the rule has changed"
    assert find(mirror, "a", "b", "c") is None
    assert find(mirror) is None


def test_a_temporary_output_is_not_there_to_be_taken(mirror: Mirror) -> None:
    passing = output(mirror, "passing", "y") | {"temporary": True}
    keep(mirror, ONE, output(mirror, "a", "x"), passing)
    end(mirror, ONE)
    assert find(mirror, "a", "passing") is None
    assert find(mirror, "a", "passing", absent=["passing"]) == ONE
    assert find(mirror, "a", "passing", "within", absent=["passing", "within"]) == ONE
    assert find(mirror, "a", "passing", absent=["a"]) is None


def test_what_comes_along_is_what_the_job_has_left(mirror: Mirror) -> None:
    def entry(path: str, *jobs: int, kept: bool = True) -> Document:
        stored = output(mirror, path, path)
        return {**(stored if kept else {"path": path}), "run": ONE, "jobs": list(jobs)}

    keep(mirror, ONE, output(mirror, "a", "x"))
    undeclared = [entry("a.bai", 1), entry("both", 1, 2), entry("b.bai", 2), entry("big", 1)]
    undeclared[3:] = [entry("big", 1, kept=False)]
    end(mirror, ONE, undeclared=undeclared)
    reusable = ReusableRecords(mirror=mirror)
    record = reusable.find(KEY, [DeclaredOutput(path="a")])
    assert record is not None
    assert [file.path for file in reusable.undeclared(record)] == ["a.bai", "both"]
    assert reusable.undeclared(record.replace(number=3)) == []


def test_outputs_and_logs_are_put_in_place(mirror: Mirror) -> None:
    passing = output(mirror, "passing", "y") | {"temporary": True}
    logs = [output(mirror, "logs/a.log", "said"), output(mirror, "logs/gone.log", "gone")]
    (mirror.archive.root / logs[1]["name"]).unlink()
    (mirror.top / "a").write_text("an edit of the user's that Snakemake makes again")
    record = JobRecord.from_dict({"outputs": [output(mirror, "a", "x"), passing], "logs": logs})
    reusable_records.link_outputs(mirror, record, 5)
    for top in (mirror.top, mirror.worktree):
        assert (top / "a").is_symlink() and (top / "logs/a.log").read_text() == "said"
        assert not (top / "logs/a.log").is_symlink() and not (top / "logs/gone.log").exists()
        assert not (top / "passing").is_symlink()
    assert (mirror.top / "a").lstat().st_mtime_ns == 5
    (mirror.top / "logs/a.log").write_text("the user's own by now")
    assert (mirror.archive.root / logs[0]["name"]).read_text() == "said"


def test_what_a_run_says_of_itself_goes_before_the_archive(mirror: Mirror) -> None:
    root = mirror.archive.root
    end(mirror, ONE, tainted=True)
    end(mirror, TWO)
    one, two = (JobRecord(run=run, number=1) for run in (ONE, TWO))
    runs = TaintedRuns(root=root)
    assert runs.have_made(one) and not runs.have_made(two)
    assert not TaintedRuns(root=None).have_made(one)
    assert not runs.have_made(JobRecord(run="20260103-000000-aaaa", number=1)), "nobody knows"
    clean, tainted = (RunDocument(run=ONE, tainted=files) for files in ((), ("code.py",)))
    assert TaintedRuns(root=None).have_made(one, tainted)
    assert not runs.have_made(one, clean)
    assert runs.have_made(one, RunDocument(run=TWO, tainted=())), "the document of another run"
    assert runs.have_made(one, RunDocument(run=ONE)), "which does not say it"


def test_the_end_of_a_run_that_cannot_be_read_taints_nothing_and_stops_nothing(
    mirror: Mirror,
) -> None:
    end(mirror, ONE, tainted=True)
    path = mirror.archive.root / layout.run_path(ONE)
    path.chmod(0o644)
    path.write_bytes(b"{")
    assert not TaintedRuns(root=mirror.archive.root).have_made(JobRecord(run=ONE, number=1))


@pytest.mark.parametrize("outputs", [5, ["a"], [{"path": "a", "kind": "file", "address": "x"}]])
def test_a_damaged_record_hides_no_other(mirror: Mirror, outputs: Any) -> None:
    keep(mirror, ONE, output(mirror, "a", "one"))
    keep(mirror, TWO)
    damaged = JobRecord(run=TWO, number=2, key=KEY, reusable=True).to_dict() | {"outputs": outputs}
    records.write(mirror.archive.root, layout.record_path(KEY, TWO, 2), damaged)
    end(mirror, ONE)
    end(mirror, TWO)
    assert find(mirror, "a") == ONE


def test_a_run_whose_end_cannot_be_read_is_not_sound(mirror: Mirror) -> None:
    keep(mirror, ONE, output(mirror, "a", "one"))
    keep(mirror, TWO, output(mirror, "a", "two"))
    end(mirror, ONE)
    end(mirror, TWO, undeclared=5)
    assert find(mirror, "a") == ONE
