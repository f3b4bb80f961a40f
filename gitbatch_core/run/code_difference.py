"""The files in which the code of two commits differs, as job keys see code: by the same patterns,
without documentation and the workflow's own outputs. `code_digest` has the digests; this module
says why they differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from gitbatch_core.errors import GitError
from gitbatch_core.git import work_tree_status
from gitbatch_core.git.repository import Repository
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.run.code_digest import ALL_BUT_PROSE

CHOSEN = "code"
"""In a job record, of jobs that depend on a part of the code: what `Choice` says."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which of the tracked files are the code of a job."""

    patterns: tuple[tuple[str, ...], ...] = ((),)
    """Of each single job; an empty one stands for all but prose."""
    folder: str = ""
    """Relative to the top: where patterns start."""
    always: tuple[str, ...] = ()
    """Paths relative to the top that count whatever was chosen."""

    @classmethod
    def of(cls, record: JobRecord) -> Choice:
        """The choice in a job record."""
        if record.code is None:
            return ALL
        return cls(
            patterns=tuple(map(tuple, record.code.patterns)),
            folder=record.folder or "",
            always=tuple(record.code.always),
        )

    def as_json(self) -> dict[str, Any]:
        """For a record, which has the folder itself."""
        return {"patterns": [list(each) for each in self.patterns], "always": list(self.always)}


ALL = Choice()


@dataclass(kw_only=True)
class CodeDifferences:
    """Between commits of one repository; each pair is compared once."""

    repository: Repository
    is_output: Callable[[str], bool]
    """Whether a path is an output, log or benchmark of the workflow: no code, tracked or not."""
    _differing: dict[tuple[str, str], frozenset[str] | None] = field(default_factory=dict)
    _matching: dict[tuple[frozenset[str], tuple[str, ...], str], frozenset[str]] = field(
        default_factory=dict
    )
    _files: dict[tuple[str, str, Choice], tuple[str, ...] | None] = field(default_factory=dict)

    def files(self, old: str, new: str, choice: Choice = ALL) -> tuple[str, ...] | None:
        """The files chosen by `choice` that differ, sorted; empty if they are the same. None if the
        repository lacks a commit, so that it is not known. Raises GitError."""
        if old == new:
            return ()
        asked = old, new, choice
        if asked not in self._files:
            self._files[asked] = self._counted(old, new, choice)
        return self._files[asked]

    def all_files(self, old: str, new: str) -> frozenset[str] | None:
        """All tracked files that differ, code or not; None where the repository lacks a commit."""
        if old == new:
            return frozenset()
        if (old, new) not in self._differing:
            try:
                differing = (
                    work_tree_status.differing(self.repository, old, new) if old and new else None
                )
            except GitError:
                differing = None
            self._differing[old, new] = differing
        return self._differing[old, new]

    def _counted(self, old: str, new: str, choice: Choice) -> tuple[str, ...] | None:
        if (changed := self.all_files(old, new)) is None:
            return None
        code = {
            name
            for patterns in choice.patterns
            for name in self.code_among(changed, patterns, choice.folder)
            if not self.is_output(name)
        }
        return tuple(sorted(code | changed.intersection(choice.always)))

    def code_among(
        self, names: Iterable[str], patterns: tuple[str, ...] = (), folder: str = ""
    ) -> frozenset[str]:
        """Those of `names` that match the patterns, which start at `folder`; without patterns, all
        but documentation. Raises GitError."""
        asked = frozenset(names), patterns, folder if patterns else ""
        if asked not in self._matching:
            self._matching[asked] = work_tree_status.matching_of(
                asked[0], asked[2], patterns or ALL_BUT_PROSE
            )
        return self._matching[asked]
