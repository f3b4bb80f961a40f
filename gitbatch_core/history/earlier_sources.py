"""What a source file was when an output was made: its time says only that somebody wrote it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gitbatch_core.archive import links
from gitbatch_core.archive.layout import LINK_PATH
from gitbatch_core.archive.store import Archive
from gitbatch_core.errors import GitbatchError
from gitbatch_core.git import objects
from gitbatch_core.git.repository import Repository
from gitbatch_core.history.origins import Origins
from gitbatch_core.run import run_commit


@dataclass(kw_only=True)
class EarlierSources:
    """Of the outputs that lie in one work tree."""

    repository: Repository
    archive: Archive
    origins: Origins
    _ids: dict[tuple[str, str], str | None] = field(default_factory=dict)
    """By commit, or `""` for the folder, and path: git's name for the content."""

    @classmethod
    def of(cls, folder: Path) -> EarlierSources:
        """For the work tree that `folder` lies in. Raises GitbatchError."""
        repository = Repository.find(folder)
        head = repository.commit_of("HEAD")
        return cls(
            repository=repository,
            archive=Archive.open(repository.top / LINK_PATH),
            origins=Origins.of(repository, head, run_commit.source_of(repository, head)),
        )

    def is_the_same(self, source: str, output: str) -> bool:
        """Whether the file `source` has the bytes that the job has seen that made the present
        `output`; False where nobody can say."""
        name, path = self.repository.relative(Path(source)), self.repository.relative(Path(output))
        if name is None or path is None or "\n" in name:
            return False
        try:
            address = links.address_of(self.repository.top / path, self.archive)
            origin = self.origins.find(path, str(address)) if address else None
            if origin is None or not origin.commit:
                return False
            then = self._id(origin.commit, name)
            return then is not None and then == self._id("", name)
        except (GitbatchError, OSError):
            return False

    def _id(self, commit: str, name: str) -> str | None:
        if (commit, name) not in self._ids:
            if commit:
                revision = f"{commit}:{name}"
                blob = objects.ids(self.repository, [revision]).get(revision)
            else:
                blob = objects.hashes(self.repository, [name])[name]
            self._ids[commit, name] = blob
        return self._ids[commit, name]
