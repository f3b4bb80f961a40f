"""Undeclared files, which jobs have left beside what their rules declare: what is none of them, and
which paths of a work tree are. See docs/adr/0017."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gitbatch_core.model.run_document import RunDocument

CACHES = ("__pycache__/", ".pytest_cache/", ".ipynb_checkpoints/", ".cache/", ".nfs*")
"""What nobody misses, as patterns of .gitignore."""


@dataclass(kw_only=True)
class UndeclaredPaths:
    """Whether a path of a work tree is where jobs have left something: to git, a link that somebody
    has committed there is a result, and no code."""

    top: Path
    documents: Callable[[], Iterable[RunDocument]]
    """Of the latest runs: only read where there is such a link."""

    def __call__(self, path: str) -> bool:
        here = f"{self.top}/{path}"
        return (os.path.islink(here) or not os.path.lexists(here)) and path in self._paths

    @cached_property
    def _paths(self) -> frozenset[str]:
        return frozenset(file.path for run in self.documents() for file in run.kept_undeclared())
