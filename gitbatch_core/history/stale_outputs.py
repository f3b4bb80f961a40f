"""Outputs in place that the code of a run's commit has not made, or nobody knows what: noted in the
run's document, so that its tag claims no more than is true. And how that is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gitbatch_core.archive.walk import folders_above
from gitbatch_core.errors import readable
from gitbatch_core.model.data import Data, many
from gitbatch_core.model.job_record import JobRecord, SingleJob
from gitbatch_core.model.run_document import UNKNOWN, RunDocument, RunOutput
from gitbatch_core.wording import count, printable, some

_MOST_COMMITS = 3

Files = tuple[str, ...] | None
"""In which the code differs; None where nobody can say, as the commit is not here."""

_Version = tuple[str, str]
"""Of an output: its path and address."""


@dataclass(kw_only=True)
class OtherCommits:
    """How much the code of each other commit has made, and in which files that code differs."""

    numbers: Counter[str] = field(default_factory=Counter)
    _files: dict[str, set[str] | None] = field(default_factory=dict)

    def add(self, commit: str, files: Files) -> None:
        """One more thing that this commit's code has made."""
        self.numbers[commit] += 1
        if files is None:
            self._files[commit] = None
        elif (of_commit := self._files.setdefault(commit, set())) is not None:
            of_commit.update(files)

    @property
    def files(self) -> dict[str, list[str] | None]:
        """By commit; None where the commit is not here."""
        return {c: None if files is None else sorted(files) for c, files in self._files.items()}

    def text(self) -> str:
        """For people; see `by_commit`."""
        return by_commit(self.numbers, self.files)


def note(
    run: RunDocument,
    files_of: Callable[[RunOutput, JobRecord], Files],
    records: Iterable[JobRecord],
    is_tainted: Callable[[JobRecord], bool],
) -> RunDocument:
    """The run's document, which says now, of each output and of the run, what other code or a
    tainted run has made; and of outputs that were made from that, or from what is of unknown
    origin, from what. `files_of`: an output and its job -> in which files the code that made it
    differs; `records`: all jobs that the run has done; `is_tainted`: whether another run that has
    done a job is."""
    others = OtherCommits()
    outputs: list[RunOutput] = []
    stale: list[_Version] = []
    for output in run.outputs:
        job, changes = run.job_of(output), dict[str, Any]()
        if job is not None:
            if job.run != run.run and is_tainted(job):
                changes["tainted"] = True
            if (files := files_of(output, job)) != ():
                changes["other_code"] = job.commit
                others.add(job.commit, files)
        if job is None or changes:
            stale.append((output.path, output.address))
        outputs.append(output.replace(**changes) if changes else output)
    if stale:
        inputs = _stale_inputs(stale, _Uses.of(run, records))
        outputs = [
            output.replace(stale_inputs=inputs[version])
            if (version := (output.path, output.address)) in inputs
            else output
            for output in outputs
        ]
    return run.replace(outputs=outputs, other_code=others.files)


@dataclass(kw_only=True)
class _Uses:
    """What was made from what."""

    of_version: dict[_Version, list[_Version]] = field(default_factory=dict)
    below: dict[str, list[_Version]] = field(default_factory=dict)
    """What was made from something in a folder, by the folder's path."""

    @classmethod
    def of(cls, run: RunDocument, records: Iterable[JobRecord]) -> _Uses:
        """By a run's document, and the records of its jobs, which have temporary outputs too."""
        uses = cls()
        for output in run.outputs:
            if (job := run.job_of(output)) is not None:
                uses._add((output.path, output.address), job, job.maker(output.path))
        for record in records:
            makers, first = record.makers(), next(iter(record.members), None)
            for stored in record.outputs:
                uses._add((stored.path, stored.address), record, makers.get(stored.path, first))
        return uses

    def _add(self, result: _Version, job: JobRecord, maker: SingleJob | None) -> None:
        for path, address in (job.inputs(maker) if maker else {}).items():
            if address is not None:
                self.of_version.setdefault((path, address), []).append(result)
            for folder, _ in folders_above(path):
                self.below.setdefault(folder, []).append(result)

    def of_source(self, source: _Version) -> dict[_Version, None]:
        """What was made from it, each once."""
        return dict.fromkeys((*self.of_version.get(source, ()), *self.below.get(source[0], ())))


def _stale_inputs(stale: Sequence[_Version], uses: _Uses) -> dict[_Version, list[str]]:
    """What was made from stale results, and from such, in its turn -> from which, by path."""
    inputs: dict[_Version, list[str]] = {}
    waiting, seen = list(stale), set(stale)
    while waiting:
        source = waiting.pop()
        for result in uses.of_source(source):
            paths = inputs.setdefault(result, [])
            if source[0] not in paths:
                paths.append(source[0])
            if result not in seen:
                seen.add(result)
                waiting.append(result)
    return inputs


class StaleCommit(Data):
    """A commit whose code, other than the run's, has made outputs of the run."""

    commit: str
    outputs: int
    """How many."""
    files: Sequence[str] | None = None
    """In which the code differs; None where nobody can say."""


class StaleSummary(Data):
    """How many outputs of a run are not what its commit's code makes."""

    commits: Sequence[StaleCommit] = many(StaleCommit, default=())
    """Most outputs first."""
    unknown: int = 0
    """Outputs of unknown origin."""
    tainted: int = 0
    """Outputs that a tainted run has made."""
    made_from_these: int = 0

    def text(self) -> str:
        """For people; empty where there is nothing to say."""
        parts = []
        numbers = Counter({each.commit: each.outputs for each in self.commits})
        if total := sum(numbers.values()):
            are = "is" if total == 1 else "are"
            why = by_commit(numbers, {each.commit: each.files for each in self.commits})
            parts.append(f"{count(total, 'output')} {are} not of this commit's code: {why}")
        if self.unknown:
            parts.append(f"of {count(self.unknown, 'output')} no run knows the origin")
        if self.tainted:
            were = "was" if self.tainted == 1 else "were"
            parts.append(f"{count(self.tainted, 'output')} {were} made by a tainted run")
        if after := self.made_from_these:
            parts.append(f"{after} more {'was' if after == 1 else 'were'} made from these")
        return ", and ".join(parts)


def summary(run: RunDocument) -> StaleSummary:
    """Of a run's document; with no field where there are none."""
    outputs = run.outputs
    commits = Counter(output.other_code for output in outputs if output.other_code is not None)
    files = run.other_code or {}
    unknown = sum(output.provenance == UNKNOWN for output in outputs)
    tainted = sum("tainted" in output for output in outputs)
    if not (commits or unknown or tainted):
        return StaleSummary()
    return StaleSummary(
        commits=[
            StaleCommit(commit=commit, outputs=number, files=files.get(commit))
            for commit, number in commits.most_common()
        ],
        unknown=unknown,
        tainted=tainted,
        made_from_these=sum(
            "stale_inputs" in output and "other_code" not in output and "tainted" not in output
            for output in outputs
        ),
    )


def by_commit(numbers: Counter[str], files: Mapping[str, Sequence[str] | None]) -> str:
    """`16 of commit 1a2b3c4d5e, which differs in lib/a.py, lib/b.py and 3 more files`; without a
    number where it is of one commit."""
    parts = []
    for commit, number in numbers.most_common(_MOST_COMMITS):
        names = files.get(commit)
        why = "is not in this repository"
        if names is not None:
            why = f"differs in {some(map(printable, names), noun='file')}"
        one = "commit {} {}" if len(numbers) == 1 else f"{number} of commit {{}}, which {{}}"
        parts.append(one.format(commit[:10], why))
    if rest := numbers.most_common()[_MOST_COMMITS:]:
        total = sum(number for _, number in rest)
        parts.append(f"{total} of {count(len(rest), 'other commit')}")
    return readable("; ".join(parts))
