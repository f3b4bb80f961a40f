"""The mirror for a check: finds what the mirror of a run would find, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from gitbatch_core.archive.layout import Address, ObjectName
from gitbatch_core.archive.store import Archive, Stored, Take
from gitbatch_core.git import work_tree_status
from gitbatch_core.git import worktree as worktrees
from gitbatch_core.git.repository import Repository
from gitbatch_core.run.mirror.outside_inputs import OutsideInputs
from gitbatch_core.run.mirror.paths import Mirror


class UnwrittenArchive(Archive):
    """Stores nothing, but answers as if it had; need not exist."""

    @classmethod
    def at(cls, root: Path) -> UnwrittenArchive:
        """The archive in this folder, or that would be there."""
        return cls(root=root, id="", algorithm="xxh3", created="")

    def put_batches(
        self, files: Iterable[Path], *, take: Take, strict: bool = False
    ) -> Iterator[list[Stored]]:
        """Nothing is read or stored."""
        name = ObjectName(digest="0" * 32)
        yield [
            Stored(source=path, name=name, size=0, mtime_ns=0, mode=0o444, new=False)
            for path in files
        ]


class _UnreadInputs(OutsideInputs):
    """Only looked at: to hash them takes its time."""

    def _hash(self, place: Path) -> tuple[Address, int]:
        with place.open("rb"):
            return ObjectName(digest="0" * 32).address, 0


class Preview(Mirror):
    """Neither the user's folder nor the archive is written to."""

    looks_at_all_links = False

    @classmethod
    def into(
        cls,
        repository: Repository,
        folder: Path,
        *,
        archive: Path,
        scratch: Path,
        changed: Iterable[str],
        warn: Callable[[str], None],
    ) -> Preview:
        """That of a run that would be started from `folder`, with the archive in the folder
        `archive`; `scratch`: an empty folder in the worktree's stead. Raises GitError."""
        return cls(
            top=repository.top,
            folder=folder,
            worktree=scratch,
            archive=UnwrittenArchive.at(archive),
            outside=_UnreadInputs(archive=UnwrittenArchive.at(archive)),
            tracked=work_tree_status.tracked(repository.top),
            changed=frozenset(changed),
            withheld=worktrees.not_fetched(repository),
            warn=warn,
            pinned_ns=0,
        )

    def there(self, path: str) -> Path:
        """The worktree would have what the user's folder has."""
        return self.here(path)

    def link(self, path: Path, name: ObjectName, mtime_ns: int) -> None:
        """No link is made."""

    def replace(self, path: Path, make: Callable[[Path], None]) -> None:
        """Only in the worktree's stead."""
        if path.is_relative_to(self.worktree):
            super().replace(path, make)
