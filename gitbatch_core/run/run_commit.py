"""The run commit: composes run.json, writes the commit with a link for every result, and reads both
back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from gitbatch_core.archive.walk import inside
from gitbatch_core.errors import GitbatchError
from gitbatch_core.git import commits, objects, refs, trees
from gitbatch_core.git import worktree as worktrees
from gitbatch_core.git.repository import Repository
from gitbatch_core.log import suppressed
from gitbatch_core.model import documents
from gitbatch_core.model.documents import Document
from gitbatch_core.model.job_record import JobRecord, SingleJob
from gitbatch_core.model.run_document import UNKNOWN, RunDocument, RunOutput, reproduced_run

PATH = ".gitbatch/run.json"
"""In the tree of a run commit."""
REFS = "refs/gitbatch/runs/"
TAGS = "run/"
TRAILER = "Gitbatch-Run"
_REPRODUCES = "Gitbatch-Reproduces"
_OF_REPRODUCTION = re.compile(rf"^{_REPRODUCES}: (\S+)$", re.MULTILINE)
OF_RUN = re.compile(rf"^{TRAILER}: (\S+)$", re.MULTILINE)
"""Finds, in the message of a run commit, the run."""
_MOST_PASSED_OVER = 20
"""Documents of runs in other work trees."""
_TOGETHER = 20
"""Documents that are read by one call of git; each may have megabytes."""

_OF_RECORD = (
    "run", "number", "key", "commit", "folder", "rule", "members", "environment", "tools", "host",
    "pool", "started", "ended", "usage", "pool_usage", "request", "waited_s", "updated", "code",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Result:
    """One output that exists at the end of a run."""

    path: str
    """Relative to the top of the work tree."""
    kind: str
    """`file` or `tree`."""
    address: str
    size: int | None
    """Bytes; None where the archive could not be asked."""
    links: Mapping[str, str]
    """Path relative to the top -> text of the link. Several for a folder; none for a file that is
    as the source commit has it."""
    storage: str = ""
    """Of what lies in another storage: the query that names it there."""
    gone: tuple[str, ...] = ()
    """Files that the source commit has in a folder, and the result has not."""


@dataclass(kw_only=True)
class Provenance:
    """Who made which output, by path and address: this run's records, then earlier runs'."""

    jobs: dict[tuple[str, str], JobRecord] = field(default_factory=dict)
    told: dict[tuple[str, str], tuple[RunOutput, RunDocument]] = field(default_factory=dict)
    """What the document of an earlier run says of it, and that document."""

    def add_record(self, record: JobRecord) -> None:
        job = record.only(_OF_RECORD)
        for output in record.outputs:
            self.jobs[output.path, output.address] = job

    def add_run(self, document: RunDocument) -> None:
        for output in document.outputs:
            if (job := document.job_of(output)) is not None:
                name = output.path, output.address
                if self.jobs.setdefault(name, job) is job:
                    self.told[name] = output, document

    def of(self, result: Result) -> JobRecord | None:
        return self.jobs.get((result.path, result.address))


def compose(facts: Document, results: Iterable[Result], provenance: Provenance) -> RunDocument:
    """The document: `facts` of the run, its outputs, and the jobs that made them."""
    jobs: dict[str, JobRecord] = {}
    makers: dict[str, dict[str, SingleJob]] = {}
    outputs = []
    for result in sorted(results, key=lambda result: result.path):
        origin: dict[str, Any] = {"storage": result.storage} if result.storage else {}
        if (job := provenance.of(result)) is None:
            origin["provenance"] = UNKNOWN
        else:
            name = job.name
            if name not in jobs:
                jobs[name], makers[name] = job, job.makers()
            maker = makers[name].get(result.path) or job.members[0]
            origin |= {"job": name, "rule": maker.rule, "wildcards": maker.wildcards}
        outputs.append(
            RunOutput(
                path=result.path,
                kind=result.kind,
                address=result.address,
                size=result.size,
                **origin,
            )
        )
    return RunDocument(**facts, jobs=jobs, outputs=outputs)


def products(runs: Iterable[RunDocument]) -> set[str]:
    """Outputs, logs and benchmarks of all jobs in these, and what they have left beside these,
    relative to the top."""
    paths: set[str] = set()
    for run in runs:
        paths.update(file.path for file in run.kept_undeclared())
        paths.update(output.path for output in run.outputs)
        for job in run.jobs.values():
            for member in job.members:
                paths.update(map(job.at, (*member.outputs, *member.logs)))
    return paths


def write(
    repository: Repository,
    *,
    document: RunDocument,
    results: Iterable[Result],
    inputs: Mapping[str, str],
    message: str,
) -> str:
    """Write the run commit, with the run's ref; returns the commit.

    Its tree is the source commit's with a link for every result, `inputs` (path -> text of the
    link: what jobs read and the source commit lacks) and the document. Raises GitError.
    """
    links = {path: text for result in results for path, text in result.links.items()}
    before = document.reproduces
    reproduces = f"{_REPRODUCES}: {before}\n" if before else ""
    return commits.write(
        repository,
        ref=REFS + document.run,
        parent=document.source_commit,
        overlay=commits.Additions(
            remove=[path for result in results for path in result.gone],
            links={**inputs, **links},
            files={PATH: document.to_bytes()},
        ),
        message=f"{message.rstrip()}\n\n{TRAILER}: {document.run}\n{reproduces}",
    )


def reproduced_in(message: str) -> str | None:
    """By the message of a run commit: the run that this run was to make again."""
    named = _OF_REPRODUCTION.findall(message)
    return named[-1] if named else reproduced_run(None, message.partition("\n\n")[0])


def read(repository: Repository, revision: str) -> RunDocument:
    """The document in the run commit `revision`. Raises GitError, FormatError."""
    name = f"{revision}:{PATH}"
    return RunDocument.from_bytes(objects.blob(repository, name), source=name)


def earlier(
    repository: Repository, mentioning: Iterable[str] = (), *, own_first: bool = False
) -> Iterator[RunDocument]:
    """The documents of all runs that this repository knows, the latest first; unreadable ones are
    passed over. `mentioning`: see `read_all`. With `own_first`, reproductions come last, and then
    the latest of what runs in other work trees."""
    run_commits: dict[str, str] = {}
    again: set[str] = set()
    # Tags come from other repositories too, where the run's own ref is not.
    for ref in refs.listed(repository, REFS, "refs/tags/"):
        if of_run := OF_RUN.findall(ref.message):
            run_commits.setdefault(of_run[-1], ref.commit)
            if own_first and reproduced_in(ref.message):
                again.add(of_run[-1])
    ordered = sorted(run_commits, key=lambda run: (run not in again, run), reverse=True)
    names = [run_commits[run] for run in ordered]
    elsewhere = worktrees.others(repository) if own_first else frozenset()
    passed_over: list[str] = []
    for each in read_all(repository, names, mentioning):
        if each.repository in elsewhere and len(passed_over) < _MOST_PASSED_OVER:
            passed_over.append(run_commits[each.run])
        else:
            yield each
    yield from read_all(repository, passed_over, mentioning)


def read_all(
    repository: Repository, revisions: Sequence[str], mentioning: Iterable[str] = ()
) -> Iterator[RunDocument]:
    """The documents in these run commits, in their order; unreadable ones are passed over. With
    `mentioning`, only those in which one of these texts is a value."""
    needles = [needle for text in mentioning for needle in documents.spellings(text)]
    # The first alone: often nobody asks for more.
    for start, end in ((0, 1), *((n, n + _TOGETHER) for n in range(1, len(revisions), _TOGETHER))):
        wanted = [f"{name}:{PATH}" for name in revisions[start:end]]
        for data in objects.contents(repository, wanted).values():
            if needles and not any(needle in data for needle in needles):
                continue
            with suppressed(GitbatchError):
                yield RunDocument.from_bytes(data, source="run.json")


def results_in(repository: Repository, commit: str) -> set[str]:
    """Paths of what the commit has beyond its source commit, where it is a run commit; else
    nothing."""
    if source_of(repository, commit) == commit:
        return set()
    return _own(read(repository, commit))


def _own(document: RunDocument) -> set[str]:
    outputs = (output.path for output in document.outputs)
    undeclared = (file.path for file in document.kept_undeclared())
    return {PATH, *outputs, *undeclared, *document.input_links}


def source_of(repository: Repository, commit: str) -> str:
    """The commit to run where HEAD is `commit`: its parent where it is exactly a run commit (its
    trailer, and nothing but outputs and the document beyond its parent), else itself."""
    about = commits.read(repository, commit)
    if not OF_RUN.search(about.message):
        return commit
    try:
        document = read(repository, commit)
    except GitbatchError:
        return commit
    parent = document.source_commit
    if about.parents != (parent,) or not commits.exists(repository, parent):
        return commit
    own = _own(document)
    above = {str(folder) for name in own for folder in PurePosixPath(name).parents}
    is_own = inside(own)
    for change in trees.changes(repository, parent, commit):
        # In the place of a link to a folder there may be one with results.
        if not is_own(change.path) and change.path not in above:
            return commit
    return parent
