"""What a run made, from its document and the job records: also temporary outputs, by address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gitbatch_core.archive import layout
from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import FormatError
from gitbatch_core.log import suppressed
from gitbatch_core.model.job_record import JobRecord, SingleJob
from gitbatch_core.model.run_document import RunDocument, RunOutput


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
    job: JobRecord | None = None
    """The record of the job that made it; None where nobody knows."""
    member: SingleJob | None = None
    """Of the job's record: the single job, of a group maybe."""
    other_code: tuple[str, ...] | None = ()
    """In which files the code that made it differs from that of the run's commit; None where nobody
    could say."""
    stale_inputs: tuple[str, ...] = ()
    """What it was made from and other code has made."""

    @property
    def rule(self) -> str | None:
        return self.member.rule if self.member else None

    @property
    def wildcards(self) -> Mapping[str, str]:
        return dict(self.member.wildcards) if self.member else {}

    @property
    def host(self) -> str | None:
        return self.job.host.name if self.job else None

    @property
    def inputs(self) -> dict[str, str | None]:
        """What its single job read: path relative to the top (absolute outside) -> address."""
        return self.job.inputs(self.member) if self.job and self.member else {}


def jobs_of(archive: Archive, run: RunDocument) -> dict[str, JobRecord]:
    """The records of the jobs behind a run, by name: those that it ran, and, as its document has
    them, those of earlier runs whose results it took."""
    jobs = dict(run.jobs)
    own = f"{run.run}-"
    for path in archive.record_paths():
        if path.name.startswith(own):
            with suppressed(OSError, FormatError):
                _, of_run, number = layout.parse_record_path(str(path.relative_to(archive.root)))
                jobs[f"{of_run}-{number}"] = JobRecord.read(path)
    return jobs


def outputs_of(run: RunDocument, jobs: Mapping[str, JobRecord]) -> dict[str, RecordedOutput]:
    """All outputs of a run by path; see `jobs_of`."""
    outputs: dict[str, RecordedOutput] = {}
    own = [job for job in jobs.values() if job.run == run.run]
    for job in sorted(own, key=lambda job: job.number):
        outputs |= {path: each for path, each in of_record(job).items() if each.temporary}
    for output in run.outputs:
        maker = jobs.get(output.job) if output.job else None
        outputs[output.path] = RecordedOutput(
            path=output.path,
            kind=output.kind,
            address=output.address,
            job=maker,
            member=maker.maker(output.path) if maker else None,
            other_code=_other_code(run, output),
            stale_inputs=tuple(output.stale_inputs),
        )
    return outputs


def of_record(job: JobRecord) -> dict[str, RecordedOutput]:
    """What the record of a job says that it made, by path."""
    makers = job.makers()
    first = next(iter(job.members), None)
    return {
        output.path: RecordedOutput(
            path=output.path,
            kind=output.kind,
            address=output.address,
            temporary=output.temporary,
            job=job,
            member=makers.get(output.path, first),
        )
        for output in job.outputs
    }


def _other_code(run: RunDocument, output: RunOutput) -> tuple[str, ...] | None:
    if output.other_code is None:
        return ()
    files = (run.other_code or {}).get(output.other_code)
    return None if files is None else tuple(files)
