"""The documents of the runs that made what lies in the folder, the latest first."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from gitbatch_core.git import worktree as worktrees
from gitbatch_core.git.repository import Repository
from gitbatch_core.history.origins import Origins
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.run import origin_index, run_commit
from gitbatch_core.run.undeclared_paths import UndeclaredPaths

_MOST_DOCUMENTS = 3
"""Of runs, to be read where the index does not know what lies in the folder."""


def undeclared_paths(repository: Repository, head: str) -> UndeclaredPaths:
    """Where jobs have left something beside their outputs."""
    return UndeclaredPaths(top=repository.top, documents=lambda: latest(repository, head))


def latest(repository: Repository, head: str) -> Iterator[RunDocument]:
    """The documents of some runs, the latest first, with what tells where results come from."""
    yield from of_source(repository, head, run_commit.source_of(repository, head))


def of_source(repository: Repository, head: str, source: str) -> Iterator[RunDocument]:
    """The index first; then, where that does not know all, the documents of some runs, which it
    knows from then on."""
    indexed = set()
    if source == head:
        for each in origin_index.entries(repository):
            indexed.add(each.run)
            yield each
    elsewhere = worktrees.others(repository)
    for each in islice(Origins.of(repository, head, source).documents, _MOST_DOCUMENTS):
        if each.run not in indexed:
            yield each
            if not each.reproduced_run and each.repository not in elsewhere:
                origin_index.write(repository, each)
