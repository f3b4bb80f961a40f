"""Typed documents: what is read is written again, and versions are checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitbatch_core.errors import FormatError
from gitbatch_core.model.documents import StoredDocument, dumps
from gitbatch_core.model.ended_run import EndedRun
from gitbatch_core.model.job_order import JobOrder
from gitbatch_core.model.job_record import JobRecord, SingleJob, StoredFile
from gitbatch_core.model.job_result import JobResult
from gitbatch_core.model.reproduction import Reproduction
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.model.storage_name import StorageName

GOLDEN = Path(__file__).parent.parent / "archive" / "golden" / "v1"
ALL: list[type[StoredDocument]] = [
    EndedRun,
    JobOrder,
    JobRecord,
    JobResult,
    Reproduction,
    RunDocument,
    StorageName,
]


def _document(kind: type[StoredDocument], **fields: object) -> bytes:
    return dumps({"format": kind.FORMAT, "version": kind.VERSION, **fields})


@pytest.mark.parametrize("kind", ALL)
def test_what_is_not_known_is_written_again(kind: type[StoredDocument]) -> None:
    data = _document(kind, of_a_later_version={"b": [1, None], "a": 1.5})
    assert kind.from_bytes(data, source="x").to_bytes() == data


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("version", [2, "1", None])
def test_a_later_version_is_refused(kind: type[StoredDocument], version: object) -> None:
    data = json.dumps({"format": kind.FORMAT, "version": version}).encode()
    with pytest.raises(FormatError, match=f"reads up to {kind.VERSION}"):
        kind.from_bytes(data, source="x")


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"format": "other", "version": 1}'])
def test_another_document_is_refused(kind: type[StoredDocument], data: bytes) -> None:
    with pytest.raises(FormatError):
        kind.from_bytes(data, source="x")


def test_the_golden_record() -> None:
    [path] = GOLDEN.glob("records/*/*/*.json")
    record = JobRecord.read(path)
    assert json.loads(record.to_bytes()) == json.loads(path.read_bytes())
    assert (record.name, record.rule) == ("20250101-120000-ab12-1", "make")
    assert [(output.path, output.is_tree) for output in record.outputs] == [
        ("out", True),
        ("single.txt", False),
    ]
    assert record.members == () and record.host.name is None


def test_nested_data_keeps_what_is_not_known() -> None:
    data = _document(
        JobRecord,
        number=1,
        members=[{"rule": "r", "new": 1, "inputs": [{"path": "a", "newer": 2}]}],
        tools={"sh": {"path": "/bin/sh", "newest": 3}},
    )
    record = JobRecord.from_bytes(data, source="x")
    again = JobRecord.from_dict(record.to_dict()).replace(
        members=record.members, tools=record.tools
    )
    assert again.to_bytes() == data
    assert again.members[0].inputs[0].path == "a" and again.tools["sh"].path == "/bin/sh"


def test_only_what_is_passed_is_written() -> None:
    stored = StoredFile(path="a", address="xxh3:0", size=None)
    assert stored.to_dict() == {"path": "a", "address": "xxh3:0", "size": None}
    assert "kind" not in stored and stored.kind == "file" and not stored.temporary


def test_results_are_written_whole(tmp_path: Path) -> None:
    JobResult(succeeded=True).write(tmp_path / "answer.json")
    written = json.loads((tmp_path / "answer.json").read_bytes())
    assert written == {
        "format": "gitbatch-answer",
        "version": 1,
        "succeeded": True,
        "exit_code": None,
        "signal": None,
        "reason": None,
        "record": {},
    }


def test_fields_are_checked() -> None:
    with pytest.raises(TypeError, match="no fields"):
        StoredFile(path="a", address="b", other=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="lacks"):
        StoredFile(path="a")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="no fields"):
        StoredFile(path="a", address="b").replace(other=1)
    with pytest.raises(AttributeError, match="frozen"):
        StoredFile(path="a", address="b").path = "c"  # type: ignore[misc]
    with pytest.raises(FormatError, match="lacks its field 'path'"):
        _ = StoredFile.from_dict({}).path
    with pytest.raises(FormatError):
        _ = JobRecord.from_dict({"outputs": "none"}).outputs
    with pytest.raises(FormatError):
        _ = JobRecord.from_dict({"members": [1]}).members


def test_replacing_changes_a_copy() -> None:
    record = JobRecord(number=1, rule="a")
    assert record.replace(rule="b").rule == "b" and record.rule == "a"
    assert record.replace(rule="a") == record


def test_a_part_of_a_document() -> None:
    record = JobRecord(number=1, rule="a")
    assert record.only(("rule", "attempt"), key="k").to_dict() == {"rule": "a", "key": "k"}
    with pytest.raises(TypeError, match=r"no fields \['rul'\]"):
        record.only(("rul",))
    with pytest.raises(TypeError, match=r"no fields \['ke'\]"):
        record.only(("rule",), ke="k")


def test_paths_of_a_job_in_a_folder() -> None:
    first = SingleJob(rule="a", outputs=("x",), wildcards={"s": "1", "t": "2"})
    second = SingleJob(rule="b", outputs=("../y",))
    record = JobRecord(number=1, folder="sub", members=(first, second))
    assert record.makers() == {"sub/x": first, "y": second}
    assert record.maker("y") == second and record.maker("z") == first
    assert JobRecord(number=1).maker("z") is None
    assert (first.title, second.title) == ("a[s=1,t=2]", "b")


def test_undeclared_files_as_earlier_versions_wrote_them() -> None:
    ended = EndedRun.from_dict({"run": "r", "undeclared": {"a.log": ["x"], "b.log": ["x", "y"]}})
    assert [(each.path, each.rule) for each in ended.undeclared] == [
        ("a.log", "x"),
        ("b.log", None),
    ]
    assert ended.undeclared_by_job() == {}


def test_which_run_a_run_was_to_make_again() -> None:
    run = "20260101-120000-ab12"
    assert RunDocument(run="r").reproduced_run is None
    assert RunDocument(run="r", reproduces=run).reproduced_run == run
    assert RunDocument(run="r", message=f"reproduction of {run}").reproduced_run == run
