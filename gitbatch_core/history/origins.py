"""What made the results that lie in a folder, by path and address: from the documents of runs, the
latest first, and no more of them than are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from gitbatch_core.errors import GitbatchError
from gitbatch_core.git.repository import Repository
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.run_document import RunDocument, RunOutput
from gitbatch_core.run import run_commit
from gitbatch_core.run.code_difference import ALL, Choice, CodeDifferences


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where an output comes from, as the document of a run tells."""

    output: RunOutput
    job: JobRecord | None
    """That made it; None where nobody knows."""
    run: RunDocument | None
    """Whose document tells; None where a job record alone does."""

    @property
    def commit(self) -> str:
        """Whose code made it; empty where nobody knows."""
        return self.job.commit if self.job else ""

    @property
    def is_snapshot(self) -> bool:
        """Whether that is a commit of uncommitted changes, as far as the run tells."""
        run = self.run
        return run is not None and bool(run.snapshot) and run.source_commit == self.commit

    def files(
        self, differences: CodeDifferences, commit: str, choice: Choice | None = None
    ) -> tuple[str, ...] | None:
        """In which files the code that made it differs from that of `commit`, as `choice` or else
        its job's record says what counts; None where nobody can say. Raises GitError."""
        choice = choice or (Choice.of(self.job) if self.job else ALL)
        files = differences.files(self.commit, commit, choice)
        run, is_of_run = self.run, not self.output.other_code
        if files is None and is_of_run and run is not None and "other_code" in run:
            # Of a commit that is not here; the run that took it over has found its code the same.
            files = differences.files(run.source_commit, commit, choice)
        return files


@dataclass(kw_only=True)
class Origins:
    """Of all that some runs have made."""

    documents: Iterator[RunDocument]
    """Of runs, the latest first."""
    read: list[RunDocument] = field(default_factory=list)
    """Of these, what had to be read so far."""
    _origins: dict[tuple[str, str], Origin] = field(default_factory=dict)
    """By path and address."""
    _trees: dict[str, Origin] = field(default_factory=dict)
    _files: dict[str, Origin] = field(default_factory=dict)

    @classmethod
    def of(cls, repository: Repository, head: str, source: str) -> Origins:
        """Of the runs that the repository knows. Where `head` is a run commit, with the source
        commit `source`, that run comes first: it is what the folder has been given."""
        return cls(documents=_documents(repository, head, source))

    def find(self, path: str, address: str) -> Origin | None:
        """Of what lies at `path`, relative to the top; None where no run knows it so."""
        while (origin := self._origins.get((path, address))) is None and self.read_more():
            pass
        return origin

    def tree(self, path: str) -> Origin | None:
        """Of the folder that the latest run has made at `path`, whatever is in it now."""
        while (origin := self._trees.get(path)) is None and self.read_more():
            pass
        return origin

    def file(self, path: str) -> Origin | None:
        """Of the file that the latest run has had at `path`, whatever is there now."""
        while (origin := self._files.get(path)) is None and self.read_more():
            pass
        return origin

    def read_more(self) -> bool:
        """Read the next document; whether there was one."""
        run = next(self.documents, None)
        if run is None:
            return False
        self.read.append(run)
        for output in run.outputs:
            origin = Origin(output=output, job=run.job_of(output), run=run)
            self._add(origin)
            latest = self._trees if output.is_tree else self._files
            latest.setdefault(output.path, origin)
        return True

    def _add(self, origin: Origin) -> None:
        """Take note of one. A later one that says more wins."""
        name = origin.output.path, origin.output.address
        earlier = self._origins.get(name)
        if earlier is None or (earlier.job is None and origin.job is not None):
            self._origins[name] = origin


def _documents(repository: Repository, head: str, source: str) -> Iterator[RunDocument]:
    own = ""
    if source != head:
        try:
            run = run_commit.read(repository, head)
            own = run.run
            yield run
        except GitbatchError:
            pass
    for each in run_commit.earlier(repository, own_first=True):
        if each.run != own:
            yield each
