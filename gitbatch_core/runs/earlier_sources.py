"""What a source file was when an output was made: its time says only that somebody wrote it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gitbatch_core.archive import links
from gitbatch_core.archive.layout import LINK_PATH
from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import GitbatchError
from gitbatch_core.git.repo import Repository
from gitbatch_core.jsonio import Document
from gitbatch_core.runs import document


@dataclass(kw_only=True)
class EarlierSources:
    """Of the outputs that lie in one work tree."""

    repository: Repository
    archive: Archive
    _documents: Iterator[Document]
    """Of runs, the latest first; as far as they had to be read, what they say is in the next."""
    _commits: dict[tuple[str, str], str] = field(default_factory=dict)
    """By path and address of an output: the commit whose files the job that made it has seen."""
    _contents: dict[tuple[str, str], str] = field(default_factory=dict)
    """By revision, or `""` for the folder, and path: git's name for the content."""

    @classmethod
    def of(cls, folder: Path) -> EarlierSources:
        """For the work tree that `folder` lies in. Raises GitbatchError."""
        repository = Repository.find(folder)
        return cls(
            repository=repository,
            archive=Archive.open(repository.top / LINK_PATH),
            _documents=document.earlier(repository),
        )

    def is_the_same(self, source: str, output: str) -> bool:
        """Whether the file `source` has the bytes that the job has seen that made the present
        `output`; False where nobody can say."""
        name, made = self.repository.relative(Path(source)), self.repository.relative(Path(output))
        if name is None or made is None:
            return False
        try:
            address = links.address_of(self.repository.top / made, self.archive)
            commit = address and self._commit(made, str(address))
            return bool(commit) and self._content(str(commit), name) == self._content("", name)
        except (GitbatchError, OSError):
            return False

    def _commit(self, path: str, address: str) -> str | None:
        while (found := self._commits.get((path, address))) is None:
            if (known := next(self._documents, None)) is None:
                return None
            for output in known.get("outputs", ()):
                job = known.get("jobs", {}).get(output.get("job"), {})
                if commit := job.get("commit"):
                    self._commits.setdefault((output["path"], output["address"]), str(commit))
        return found

    def _content(self, revision: str, name: str) -> str:
        if (revision, name) not in self._contents:
            if revision:
                found = self.repository.git("rev-parse", "--verify", f"{revision}:{name}")
            else:
                found = self.repository.git("hash-object", "--", name)
            self._contents[revision, name] = found.decode().strip()
        return self._contents[revision, name]
