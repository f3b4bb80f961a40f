"""What a run and its jobs have printed: from the archive, or from where it goes on."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitbatch_core import snakemake_files
from gitbatch_core.archive import layout, records
from gitbatch_core.archive.layout import Address
from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import GitbatchError, RunError, UsageError
from gitbatch_core.history.run_names import ListedRun, Runs
from gitbatch_core.log import suppressed
from gitbatch_core.model.job_record import JobRecord, StoredFile
from gitbatch_core.model.run_document import RunLog
from gitbatch_core.run import run_commit


@dataclass(frozen=True, kw_only=True)
class Printed:
    """One text."""

    title: str
    data: bytes


def keep(archive: Archive, files: Iterable[str], clean: Callable[[bytes], bytes]) -> RunLog | None:
    """Put what a run has printed so far, Snakemake's own log among `files`, into the archive: what
    run.json says of it. `clean` takes secrets out. None where that cannot be done: no run is to
    fail for it."""
    with suppressed(GitbatchError, OSError):
        own = [Path(file) for file in files if file.endswith(snakemake_files.LOG_ENDING)]
        data = clean(b"".join(file.read_bytes() for file in own))
        if data:
            stored = archive.put_bytes(data, name="snakemake.log")
            return RunLog(address=str(stored.address), name=stored.name.path, size=stored.size)
    return None


def of_run(runs: Runs, run: ListedRun, archive: Archive | None) -> Printed:
    """What the run itself printed: Snakemake's log. Raises RunError, NotInArchiveError."""
    if run.owner is not None:
        path = Path(run.owner.about.get("log") or "/nonexistent")
        try:
            return Printed(title=str(path), data=path.read_bytes())
        except OSError as error:
            raise RunError(f"The log of run {run.run} cannot be read: {error}") from error
    log = run_commit.read(runs.repository, run.ended()).log
    if log is None:
        raise RunError(
            f"Run {run.run} has kept no log of its own.",
            hint="Runs of earlier versions have none; logs of their rules may exist: "
            f"gitbatch runs out {run.run} RULE",
        )
    return Printed(title=f"run {run.run}", data=_bytes(archive, log.address))


def of_jobs(runs: Runs, run: ListedRun, archive: Archive | None, what: str) -> list[Printed]:
    """What the jobs of a rule, or the one that made an output (relative to the top, or to the
    current folder), have printed: their logs, and all output of those that failed.

    Raises UsageError where the run has no such rule or output; GitError, ArchiveError.
    """
    document = run_commit.read(runs.repository, run.ended())
    wanted = {what, runs.repository.relative(Path(what)) or what}
    jobs = [job for job in document.jobs.values() if _is_meant(job, wanted)]
    if not jobs and archive is not None:  # temporary outputs stand in the records alone
        jobs = [job for job in _records(archive, run.run) if _is_meant(job, wanted)]
    texts = list(_of_failed(runs.repository.top / document.folder, run.run, what))
    if not jobs and not texts:
        rules = sorted({job.rule for job in document.jobs.values()})
        raise UsageError(
            f"Run {run.run} has neither a rule nor an output {what!r}.",
            hint=f"Its rules: {', '.join(rules)}" if rules else None,
        )
    for job in jobs:
        for log in logs_of(archive, job):
            title = f"{log.path} (rule {job.rule}, job {job.number} of {job.run})"
            texts.append(Printed(title=title, data=_bytes(archive, log.address)))
    return texts


def logs_of(archive: Archive | None, job: JobRecord) -> Sequence[StoredFile]:
    """The logs and benchmarks of a job of run.json, or of a job record. None where the archive has
    no record of it."""
    if "logs" in job:
        return job.logs
    if archive is None:
        return ()
    with suppressed(FileNotFoundError, GitbatchError):
        path = layout.record_path(job.key, job.run, job.number)
        return JobRecord.read(archive.root / path).logs
    return ()


def _is_meant(job: JobRecord, wanted: Container[str]) -> bool:
    return any(
        member.rule in wanted or any(job.at(output) in wanted for output in member.outputs)
        for member in job.members
    )


def _records(archive: Archive, run: str) -> Iterator[JobRecord]:
    for path in records.paths(archive.root):
        if path.name.startswith(f"{run}-"):
            with suppressed(GitbatchError, OSError):
                yield JobRecord.read(path)


def _of_failed(folder: Path, run: str, rule: str) -> Iterator[Printed]:
    """All that failed jobs of a rule printed, in the folder that the run was started in."""
    for path in sorted((folder / snakemake_files.OUR_LOGS / run).glob("*.log")):
        number, _, name = path.stem.partition("-")
        if name == log_stem(rule):
            yield Printed(title=f"all output of failed job {number}", data=path.read_bytes())


def log_stem(rule: str) -> str:
    """The rule's name as part of a file's name."""
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in rule)[:100]


def _bytes(archive: Archive | None, address: str) -> bytes:
    if archive is None:
        raise RunError("This repository has no archive, and logs are kept there.")
    with archive.open_object(Address.parse(address)) as file:
        return file.read()
