"""All versions of an output: what runs, here and in other clones, made of one path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gitbatch_core.archive.store import Archive
from gitbatch_core.archive.walk import folders_above
from gitbatch_core.git import commits
from gitbatch_core.git.repository import Repository
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.provenance.job_index import JobIndex
from gitbatch_core.provenance.resolve import member_at, member_of
from gitbatch_core.run import run_commit


@dataclass(frozen=True, kw_only=True)
class Version:
    """What a run made of the path, or took over from an earlier one after another had come."""

    path: str
    address: str
    size: int | None
    """Bytes; None where nobody knows."""
    kept: bool
    """Whether the archive was to have its bytes: not those of a temporary output."""
    run: str
    made_by: str
    """The run whose job made it; another one where it was reused; empty where nobody knows."""
    rule: str
    wildcards: Mapping[str, str]
    time: str
    """When the job, or else the run, ended: ISO 8601, UTC."""
    commit: str
    """The source commit."""
    subject: str | None
    """First line of the commit's message; None where this repository does not have it."""
    message: str
    """What the run was for."""
    outcome: str
    """Of the run; empty where nobody knows."""
    tainted: bool
    host: str

    def as_json(self) -> dict[str, Any]:
        return dict(vars(self))


def versions(archive: Archive, repository: Repository | None, path: str) -> list[Version]:
    """All versions, the latest first; one for each time that a job made it or that a run had
    another than the run before it. Raises GitError."""
    above = [folder for folder, _ in folders_above(path)]
    jobs = JobIndex.read(archive, [path, *above])
    ended: dict[str, RunDocument] = {}
    facts: list[dict[str, Any]] = []
    if repository is not None:
        earlier = run_commit.earlier(repository, mentioning=[path, *above])
        for each in earlier:
            ended[each.run] = each
            facts += _of_document(archive, each, path)
    here = {(version["run"], version["address"]) for version in facts if version["made_by"]}
    facts += [v for v in _of_jobs(archive, jobs, path) if (v["run"], v["address"]) not in here]
    subjects = commits.subjects(repository, {v["commit"] for v in facts}) if repository else {}
    complete = []
    for version in facts:
        run = ended.get(version["run"]) or jobs.ended(version["run"])
        complete.append(
            Version(
                **version,
                subject=subjects.get(version["commit"]),
                message=(run and run.message) or "",
                outcome=(run and run.outcome) or "",
                tainted=run is not None and bool(run.tainted),
            )
        )
    complete.sort(key=lambda version: (version.time, version.run))
    return list(_changes(complete))[::-1]


def _changes(ordered: Iterable[Version]) -> Iterator[Version]:
    last = None
    for version in ordered:
        if version.run == version.made_by or last != version.address:
            yield version
        last = version.address


def _of_document(archive: Archive, document: RunDocument, path: str) -> Iterator[dict[str, Any]]:
    """What a run's document says of the path."""
    for output in document.outputs:
        address, size = output.address, output.size
        if output.path != path:
            inner = path.removeprefix(f"{output.path}/")
            if not output.is_tree or inner == path:
                continue
            if (member := member_of(archive, address, inner)) is None:
                continue
            address, size = member
        job = document.job_of(output)
        made_here = job is not None and job.run == document.run
        yield {
            "path": path,
            "address": address,
            "size": size,
            "kept": True,
            "run": document.run,
            "made_by": job.run if job else "",
            "rule": output.rule or "",
            "wildcards": output.wildcards,
            "time": (job.ended if job and made_here else document.ended) or "",
            "commit": document.source_commit,
            "host": (job.host.name if job else None) or "",
        }


def _of_jobs(archive: Archive, jobs: JobIndex, path: str) -> Iterator[dict[str, Any]]:
    """What job records say: those of failed jobs' runs, of other clones, of logs, too."""
    for job in jobs.jobs:
        for output in job.outputs:
            if (member := member_at(archive, output, path)) is not None:
                maker = job.maker(output.path)
                yield {
                    "path": path,
                    "address": member[0],
                    "size": member[1],
                    "kept": not output.temporary,
                    "run": job.run,
                    "made_by": job.run,
                    "rule": maker.rule if maker else job.rule,
                    "wildcards": maker.wildcards if maker else {},
                    "time": job.ended,
                    "commit": job.commit,
                    "host": job.host,
                }
