"""What a run and its jobs have printed: from the archive, or from where it goes on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gitbatch_core import snakemake_files
from gitbatch_core.archive import layout, records
from gitbatch_core.archive.layout import Address
from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import GitbatchError, RunError, UsageError
from gitbatch_core.history.run_names import Known, Runs
from gitbatch_core.log import suppressed
from gitbatch_core.model import documents
from gitbatch_core.model.documents import Document
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.run import run_commit


@dataclass(frozen=True, kw_only=True)
class Printed:
    """One text."""

    title: str
    data: bytes


def keep(
    archive: Archive, files: Iterable[str], clean: Callable[[bytes], bytes]
) -> dict[str, Document]:
    """Put what a run has printed so far, Snakemake's own log among `files`, into the archive: what
    run.json says of it. `clean` takes secrets out. Nothing where that cannot be done: no run is to
    fail for it."""
    with suppressed(GitbatchError, OSError):
        own = [Path(file) for file in files if file.endswith(snakemake_files.LOG_ENDING)]
        data = clean(b"".join(file.read_bytes() for file in own))
        if data:
            stored = archive.put_bytes(data, name="snakemake.log")
            log = {"address": str(stored.address), "name": stored.name.path, "size": stored.size}
            return {"log": log}
    return {}


def of_run(runs: Runs, known: Known, archive: Archive | None) -> Printed:
    """What the run itself printed: Snakemake's log. Raises RunError, NotInArchiveError."""
    if known.owner is not None:
        path = Path(known.owner.about.get("log") or "/nonexistent")
        try:
            return Printed(title=str(path), data=path.read_bytes())
        except OSError as error:
            raise RunError(f"The log of run {known.run} cannot be read: {error}") from error
    log = run_commit.read(runs.repository, known.ended()).get("log")
    if not log:
        raise RunError(
            f"Run {known.run} has kept no log of its own.",
            hint="Runs of earlier versions have none; logs of their rules may exist: "
            f"gitbatch runs out {known.run} RULE",
        )
    return Printed(title=f"run {known.run}", data=_bytes(archive, log))


def of_jobs(runs: Runs, known: Known, archive: Archive | None, what: str) -> list[Printed]:
    """What the jobs of a rule, or the one that made an output (relative to the top, or to the
    current folder), have printed: their logs, and all output of those that failed.

    Raises UsageError where the run has no such rule or output; GitError, ArchiveError.
    """
    found = run_commit.read(runs.repository, known.ended())
    wanted = {what, runs.repository.relative(Path(what)) or what}
    jobs = [job for job in found.get("jobs", {}).values() if _is_meant(job, wanted)]
    if not jobs and archive is not None:  # temporary outputs stand in the records alone
        jobs = [job for job in _records(archive, known.run) if _is_meant(job, wanted)]
    texts = list(_kept(runs.repository.top / found.get("folder", ""), known.run, what))
    if not jobs and not texts:
        rules = sorted({job["rule"] for job in found.get("jobs", {}).values()})
        raise UsageError(
            f"Run {known.run} has neither a rule nor an output {what!r}.",
            hint=f"Its rules: {', '.join(rules)}" if rules else None,
        )
    for job in jobs:
        for log in logs_of(archive, job):
            texts.append(Printed(title=f"{log['path']} ({_job(job)})", data=_bytes(archive, log)))
    return texts


def logs_of(archive: Archive | None, job: Document) -> list[Document]:
    """The logs and benchmarks of a job, an entry of run.json's `jobs` or a job record: path and
    address of each. None where the archive has no record of it."""
    if "logs" in job:
        return list(job["logs"])
    if archive is None:
        return []
    with suppressed(FileNotFoundError, GitbatchError, KeyError):
        path = layout.record_path(job["key"], job["run"], job["number"])
        record = documents.read(
            archive.root / path, format=JobRecord.FORMAT, version=JobRecord.VERSION
        )
        return list(record.get("logs", ()))
    return []


def _is_meant(job: Document, wanted: Iterable[str]) -> bool:
    folder = job.get("folder", "")
    return any(
        member["rule"] in wanted
        or any(os.path.normpath(os.path.join(folder, o)) in wanted for o in member["outputs"])
        for member in job["members"]
    )


def _records(archive: Archive, run: str) -> Iterator[Document]:
    for path in records.paths(archive.root):
        if path.name.startswith(f"{run}-"):
            with suppressed(GitbatchError, OSError):
                yield documents.read(path, format=JobRecord.FORMAT, version=JobRecord.VERSION)


def _kept(folder: Path, run: str, rule: str) -> Iterator[Printed]:
    """All that failed jobs of a rule printed, in the folder that the run was started in."""
    for path in sorted((folder / snakemake_files.OUR_LOGS / run).glob("*.log")):
        number, _, name = path.stem.partition("-")
        if name == log_stem(rule):
            yield Printed(title=f"all output of failed job {number}", data=path.read_bytes())


def log_stem(rule: str) -> str:
    """The rule's name as part of a file's name."""
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in rule)[:100]


def _job(job: Document) -> str:
    of_run = f"job {job['number']} of {job['run']}"
    return f"rule {job['rule']}, {of_run}"


def _bytes(archive: Archive | None, log: Document) -> bytes:
    if archive is None:
        raise RunError("This repository has no archive, and logs are kept there.")
    with archive.open_object(Address.parse(log["address"])) as file:
        return file.read()
