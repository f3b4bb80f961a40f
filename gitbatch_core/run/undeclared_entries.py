"""Undeclared files in the documents of runs: files that jobs have left beside what their rules
declare.

An entry has `path`, `run`, and `jobs`: those jobs of the run with which the file comes along,
because one of them has written it, certainly or judging by its name; `rule` only if it was
certainly a job of that rule; and the fields of outputs, unless the file was not kept. See
docs/adr/0017.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gitbatch_core.model.documents import Document
from gitbatch_core.model.run_document import RunDocument

FILES, JOBS = "undeclared", "undeclared_jobs"
"""In a run's document: the entries; by `RUN-NUMBER`, the jobs that they name."""
CACHES = ("__pycache__/", ".pytest_cache/", ".ipynb_checkpoints/", ".cache/", ".nfs*")
"""What nobody misses, as patterns of .gitignore."""


def entries(document: Document) -> list[Document]:
    """Of a run's document. Earlier versions have only listed paths, with rules."""
    files = document.get(FILES) or []
    if isinstance(files, Mapping):
        return [
            {"path": path, **({"rule": rules[0]} if len(rules) == 1 else {})}
            for path, rules in files.items()
        ]
    return list(files)


def kept(document: Document) -> list[Document]:
    """The entries whose files the archive has."""
    return [entry for entry in entries(document) if "address" in entry]


def by_job(document: Document) -> dict[int, list[Document]]:
    """Of the archive's word on how a run has ended: what comes along with each of its jobs."""
    by_number: dict[int, list[Document]] = {}
    for entry in kept(document):
        for number in entry["jobs"]:
            by_number.setdefault(int(number), []).append(entry)
    return by_number


def to_share(document: Document) -> list[Document]:
    """Of a run's document: the entries that come along with the run's own jobs."""
    own = document.get("run")
    return [entry for entry in kept(document) if entry["run"] == own and entry["jobs"]]


def job_name(entry: Document, number: int) -> str:
    """Of a job that an entry names."""
    return f"{entry['run']}-{number}"


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
