"""What is kept of attempts, and which rules have not always made the same."""

from __future__ import annotations

from pathlib import Path

from repositories import new_repository

from gitbatch_core.archive import records
from gitbatch_core.archive.store import Archive
from gitbatch_core.history.recorded_outputs import RecordedOutput
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.reproduction import Reproduction
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.reproduce import evidence
from gitbatch_core.reproduce.verdicts import compare

A, B = f"xxh3:{'a' * 32}", f"xxh3:{'b' * 32}"


def output(path: str, address: str, rule: str, *inputs: tuple[str, str]) -> RecordedOutput:
    member = {
        "rule": rule,
        "wildcards": {},
        "outputs": [path],
        "inputs": [{"path": name, "address": of} for name, of in inputs],
    }
    job = {"run": "R", "number": 1, "commit": "c", "members": [member], "folder": ""}
    record = JobRecord.from_dict(job)
    return RecordedOutput(
        path=path, kind="file", address=address, job=record, member=record.members[0]
    )


def attempt(commit: str, again: str, **addresses: str) -> Reproduction:
    """`second` reads what `first` makes; both made the address A."""

    def of(first: str, second: str) -> dict[str, RecordedOutput]:
        outputs = (
            output("one", first, "first", ("raw", A)),
            output("two", second, "second", ("one", first)),
        )
        return {each.path: each for each in outputs}

    verdicts = compare(
        of(A, A),
        of(addresses.get("first", A), addresses.get("second", A)),
        before=RunDocument(run="R", outcome="succeeded"),
        again=RunDocument(run=again, outcome="succeeded"),
        asked=None,
    )
    before = RunDocument(run="R", source_commit=commit)
    return evidence.compose(before, RunDocument(run=again, host="h"), verdicts, [])


def test_rules_that_differ_by_themselves(archive: Archive, tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "work")
    here = repository.commit_of("HEAD")
    documents = (
        attempt(here, "same"),
        attempt(here, "one", first=B, second=B),
        attempt(here, "two", second=B),
        attempt("0" * 40, "elsewhere", first=B),
    )
    for document in documents:
        records.write_reproduction(archive.root, document)
    assert len(list(records.reproductions(archive.root))) == 4
    # What differs because its input does says nothing of its rule; nor do others' commits.
    assert evidence.unsteady(archive, repository) == {"first": ["one"], "second": ["two"]}


def test_what_the_document_has(archive: Archive) -> None:
    document = attempt("c", "again", first=B)
    assert (document.run, document.again, document.host) == ("R", "again", "h")
    one, two = document.outputs
    assert (one.verdict, one.expected, one.found) == ("differs", A, B)
    assert two.verdict == "identical" and "after" not in two
