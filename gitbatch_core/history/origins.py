"""What made the results that lie in a folder, by path and address: from the documents of runs, the
latest first, and no more of them than are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from gitbatch_core.errors import GitbatchError
from gitbatch_core.git.repository import Repository
from gitbatch_core.model.documents import Document
from gitbatch_core.run import run_commit
from gitbatch_core.run.code_difference import Choice, CodeDifferences
from gitbatch_core.run.run_commit import OTHER_CODE


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where an output comes from, as the document of a run tells."""

    output: Document
    job: Document
    """That made it; empty where nobody knows."""
    run: Document
    """Whose document tells; empty where a job record alone does."""

    @property
    def commit(self) -> str:
        """Whose code made it; empty where nobody knows."""
        return str(self.job.get("commit", ""))

    @property
    def is_snapshot(self) -> bool:
        """Whether that is a commit of uncommitted changes, as far as the run tells."""
        return bool(self.run.get("snapshot")) and self.run.get("source_commit") == self.commit

    def files(
        self, differences: CodeDifferences, commit: str, choice: Choice | None = None
    ) -> tuple[str, ...] | None:
        """In which files the code that made it differs from that of `commit`, as `choice` or else
        its job's record says what counts; None where nobody can say. Raises GitError."""
        choice = choice or Choice.of(self.job)
        found = differences.files(self.commit, commit, choice)
        if found is None and not self.output.get(OTHER_CODE) and OTHER_CODE in self.run:
            # Of a commit that is not here; the run that took it over has found its code the same.
            found = differences.files(str(self.run.get("source_commit", "")), commit, choice)
        return found


@dataclass(kw_only=True)
class Origins:
    """Of all that some runs have made."""

    documents: Iterator[Document]
    """Of runs, the latest first."""
    read: list[Document] = field(default_factory=list)
    """Of these, what had to be read so far."""
    _known: dict[tuple[str, str], Origin] = field(default_factory=dict)
    _trees: dict[str, Origin] = field(default_factory=dict)
    _files: dict[str, Origin] = field(default_factory=dict)

    @classmethod
    def of(cls, repository: Repository, head: str, source: str) -> Origins:
        """Of the runs that the repository knows. Where `head` is a run commit, with the source
        commit `source`, that run comes first: it is what the folder has been given."""
        return cls(documents=_documents(repository, head, source))

    def find(self, path: str, address: str) -> Origin | None:
        """Of what lies at `path`, relative to the top; None where no run knows it so."""
        while (found := self._known.get((path, address))) is None and self.read_more():
            pass
        return found

    def tree(self, path: str) -> Origin | None:
        """Of the folder that the latest run has made at `path`, whatever is in it now."""
        while (found := self._trees.get(path)) is None and self.read_more():
            pass
        return found

    def file(self, path: str) -> Origin | None:
        """Of the file that the latest run has had at `path`, whatever is there now."""
        while (found := self._files.get(path)) is None and self.read_more():
            pass
        return found

    def read_more(self) -> bool:
        """Read the next document; whether there was one."""
        found = next(self.documents, None)
        if found is None:
            return False
        self.read.append(found)
        jobs = found.get("jobs", {})
        for output in found.get("outputs", ()):
            origin = Origin(output=output, job=jobs.get(output.get("job"), {}), run=found)
            self.add(origin)
            latest = self._trees if output["kind"] == "tree" else self._files
            latest.setdefault(output["path"], origin)
        return True

    def add(self, origin: Origin) -> None:
        """Take note of one that is known otherwise. A later one that says more wins."""
        name = origin.output["path"], origin.output["address"]
        known = self._known.get(name)
        if known is None or (not known.job and origin.job):
            self._known[name] = origin


def _documents(repository: Repository, head: str, source: str) -> Iterator[Document]:
    own = ""
    if source != head:
        try:
            found = run_commit.read(repository, head)
            own = str(found.get("run", ""))
            yield found
        except GitbatchError:
            pass
    for each in run_commit.earlier(repository, own_first=True):
        if each.get("run") != own:
            yield each
