"""What a run made, from its document and the job records: also temporary outputs, by address."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gitbatch_core.archive import layout
from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import FormatError
from gitbatch_core.log import suppressed
from gitbatch_core.model import documents
from gitbatch_core.model.documents import Document
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.run.run_commit import OTHER_CODE, STALE_INPUTS, makers


@dataclass(frozen=True, kw_only=True)
class RecordedOutput:
    """One output of a run."""

    path: str
    """Relative to the top of the work tree."""
    kind: str
    """`file` or `tree`."""
    address: str
    temporary: bool = False
    """Nobody has kept its bytes."""
    job: Document = field(default_factory=dict)
    """The record of the job that made it; empty where nobody knows."""
    member: Document = field(default_factory=dict)
    """Of the job's record: the single job, of a group maybe."""
    other_code: tuple[str, ...] | None = ()
    """In which files the code that made it differs from that of the run's commit; None where nobody
    could say."""
    stale_inputs: tuple[str, ...] = ()
    """What it was made from and other code has made."""

    @property
    def rule(self) -> str | None:
        return self.member.get("rule")

    @property
    def wildcards(self) -> Mapping[str, str]:
        return dict(self.member.get("wildcards", {}))

    @property
    def host(self) -> str | None:
        name = self.job.get("host", {}).get("name")
        return None if name is None else str(name)


def job_inputs(job: Document, member: Document) -> dict[str, str | None]:
    """What a single job reads: path relative to the top (absolute outside) -> address."""
    return {_path(job, each["path"]): each.get("address") for each in member.get("inputs", ())}


def member_of(job: Document, path: str) -> Document:
    """The single job, of a group maybe, that makes the output; empty where nobody knows."""
    members = job.get("members", ())
    return (makers(job).get(path) if len(members) > 1 else None) or next(iter(members), {})


def jobs_of(archive: Archive, document: Document) -> dict[str, Document]:
    """The records of the jobs behind a run, by name: those that it ran, and, as its document has
    them, those of earlier runs whose results it took."""
    found = dict(document.get("jobs", {}))
    own = f"{document['run']}-"
    for path in archive.record_paths():
        if path.name.startswith(own):
            with suppressed(OSError, FormatError):
                _, run, number = layout.parse_record_path(str(path.relative_to(archive.root)))
                record = documents.read(path, format=JobRecord.FORMAT, version=JobRecord.VERSION)
                found[f"{run}-{number}"] = record
    return found


def outputs_of(document: Document, jobs: Mapping[str, Document]) -> dict[str, RecordedOutput]:
    """All outputs of a run by path; see `jobs_of`."""
    found: dict[str, RecordedOutput] = {}
    own = [job for job in jobs.values() if job.get("run") == document["run"]]
    for job in sorted(own, key=lambda job: int(job["number"])):
        found |= {path: made for path, made in of_record(job).items() if made.temporary}
    for output in document.get("outputs", ()):
        job = jobs.get(output.get("job", ""), {})
        found[output["path"]] = replace(
            _made(output, job, makers(job)),
            other_code=_other_code(document, output),
            stale_inputs=tuple(output.get(STALE_INPUTS, ())),
        )
    return found


def of_record(job: Document) -> dict[str, RecordedOutput]:
    """What the record of a job says that it made, by path."""
    members = makers(job)
    return {o["path"]: _made(o, job, members) for o in job.get("outputs", ())}


def _made(output: Document, job: Document, members: Mapping[str, Document]) -> RecordedOutput:
    path = output["path"]
    return RecordedOutput(
        path=path,
        kind=output["kind"],
        address=output["address"],
        temporary=output.get("temporary", False),
        job=job,
        member=members.get(path) or next(iter(job.get("members", ())), {}),
    )


def _other_code(document: Document, output: Document) -> tuple[str, ...] | None:
    if (commit := output.get(OTHER_CODE)) is None:
        return ()
    files = (document.get(OTHER_CODE) or {}).get(commit)
    return None if files is None else tuple(files)


def _path(job: Document, path: str) -> str:
    return os.path.normpath(os.path.join(job.get("folder", ""), path))
