"""HEAD's side of the comparison: the files that git tracks, which of them were edited, and in what
the code of other commits differs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from gitbatch_core.archive.walk import below, inside
from gitbatch_core.git import work_tree_status
from gitbatch_core.git.repository import Repository
from gitbatch_core.history.origins import Origins
from gitbatch_core.run import run_commit
from gitbatch_core.run.code_difference import CodeDifferences


@dataclass(kw_only=True)
class HeadFiles:
    """Each is asked of git once, when it is first needed. What jobs make is no code: by then all
    documents of runs that matter have been read."""

    repository: Repository
    source: str
    """HEAD's source commit."""
    origins: Origins

    @cached_property
    def differences(self) -> CodeDifferences:
        """As the runs that are known see the code."""
        return CodeDifferences(repository=self.repository, is_output=self._is_product)

    @cached_property
    def edited(self) -> tuple[str, ...]:
        """Tracked files that are not as HEAD has them, but for results."""
        return tuple(path for path in self._modified if not self._is_product(path))

    @cached_property
    def tracked(self) -> frozenset[str]:
        """Paths relative to the top; the same for the others."""
        return work_tree_status.tracked(self.repository.top)

    @cached_property
    def unchanged(self) -> frozenset[str]:
        """Tracked files that are as HEAD has them."""
        return self.tracked.difference(self._modified)

    def has_tracked(self, path: str) -> bool:
        """Whether git tracks the file, or something in the folder."""
        return path in self.tracked or next(below(path, self._sorted), None) is not None

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(self.tracked)

    @cached_property
    def _modified(self) -> list[str]:
        return work_tree_status.modified(self.repository)

    @cached_property
    def _is_product(self) -> Callable[[str], bool]:
        return inside(run_commit.products(self.origins.read))
