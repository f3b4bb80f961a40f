"""Records found by the key without the code, and the extract of runs' documents for the next
start."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from gitbatch_core.archive import layout, records
from gitbatch_core.archive.store import Archive
from gitbatch_core.git.repository import Repository
from gitbatch_core.history.origins import Origins
from gitbatch_core.model.ended_run import EndedRun
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.run import origin_index
from gitbatch_core.run.superseded_records import DoneBefore, listed


def job(run: str, number: int, commit: str = "c", **more: Any) -> dict[str, Any]:
    key, rest = f"{number:032x}", f"{number + 100:032x}"
    found = {"format": "gitbatch-record", "version": 1, "run": run, "number": number, "key": key}
    return found | {"commit": commit, "key_without_code": rest, "reusable": True} | more


def end(archive: Archive, run: str, *jobs: dict[str, Any], tainted: bool = False) -> None:
    for each in jobs:
        records.write(
            archive.root, layout.record_path(each["key"], each["run"], each["number"]), each
        )
    ended = EndedRun(run=run, tainted=tainted)
    done = listed(map(JobRecord.from_dict, jobs))
    records.write_run(archive.root, ended.replace(jobs_without_code=done))


def test_the_latest_sound_run_that_has_done_it(tmp_path: Path) -> None:
    archive = Archive.create(tmp_path / "archive")
    old = job("20260101-000000-aaaa", 1, "old")
    end(archive, "20260101-000000-aaaa", old, job("20260101-000000-aaaa", 2))
    end(archive, "20260102-000000-aaaa", job("20260102-000000-aaaa", 1, "new"))
    end(archive, "20260103-000000-aaaa", job("20260103-000000-aaaa", 1, "bad"), tainted=True)
    end(archive, "20260104-000000-aaaa", job("20260104-000000-aaaa", 1, "odd", reusable=False))
    older = EndedRun(run="20260105-000000-aaaa", tainted=False)  # which lists no jobs
    records.write_run(archive.root, older)
    done = DoneBefore(root=archive.root)
    found = done.find(old["key_without_code"])
    assert found is not None
    assert found.commit == "new"
    assert done.find("f" * 32) is None
    # One whose record is gone.
    second = job("20260101-000000-aaaa", 2)
    (archive.root / layout.record_path(second["key"], second["run"], 2)).unlink()
    assert done.find(second["key_without_code"]) is None


def test_an_extract_tells_as_much_as_the_document(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "work")], check=True)
    repository = Repository.find(tmp_path / "work")
    chosen = {"patterns": [["lib"]], "always": ["x.py"]}
    for number in range(12):
        run = f"20260101-0000{number:02}-aaaa"
        jobs = {
            "one": {"commit": "c1", "members": ["much"]},
            "two": {"commit": "c2", "members": ["much"], "code": chosen},
            "three": {"commit": "c1", "members": ["more"]},
        }
        outputs: list[dict[str, Any]] = [
            {"path": "a", "address": f"a{number}", "kind": "file", "job": "one", "rule": "r"},
            {"path": "b", "address": "b", "kind": "file", "job": "two", "other_code": "c2"},
            {"path": "d", "address": "d", "kind": "tree", "job": "three", "size": 3},
            {"path": "u", "address": "u", "kind": "file", "provenance": "unknown"},
        ]
        document = {"run": run, "source_commit": "c1", "jobs": jobs, "outputs": outputs}
        origin_index.write(repository, RunDocument.from_dict(document))
    extracts = list(origin_index.entries(repository))
    assert [each.run[-7:-5] for each in extracts] == [f"{n:02}" for n in range(11, 1, -1)]
    assert len(extracts[0].jobs) == 2, "only what differs"
    origins = Origins(documents=iter(extracts))
    first = origins.find("a", "a11")
    assert first is not None
    assert (first.commit, first.output.rule, len(origins.read)) == ("c1", "r", 1)
    second = origins.find("b", "b")
    assert second is not None
    assert second.job is not None and second.job.code is not None
    assert (second.job.code.to_dict(), second.output.other_code) == (chosen, "c2")
    assert (tree := origins.tree("d")) is not None
    assert tree.commit == "c1"
    assert (unknown := origins.find("u", "u")) is not None
    assert (unknown.commit, len(origins.read)) == ("", 1)
    older = origins.find("a", "a9")
    assert older is not None
    assert older.run is not None
    assert (older.run.run, len(origins.read)) == ("20260101-000009-aaaa", 3)
    assert origins.find("a", "a0") is None, "no longer kept"


def test_an_extract_is_of_one_work_tree(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "work")], check=True)
    repository = Repository.find(tmp_path / "work")
    repository.git("commit", "--quiet", "--allow-empty", "--message", "first")
    repository.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
    linked = Repository.find(tmp_path / "linked")
    document = RunDocument(run="20260101-000000-aaaa", source_commit="c", jobs={}, outputs=())
    origin_index.write(linked, document)
    assert [len(list(origin_index.entries(each))) for each in (repository, linked)] == [0, 1]
