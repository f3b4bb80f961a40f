"""A short index of who made the results of the latest runs: one small file per run in the git
folder of its work tree, so that a start that has nothing to do need not read run documents.

It does not cover runs in other work trees and reproductions. It is rebuilt from the documents if it
is missing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gitbatch_core.archive import hashing
from gitbatch_core.errors import GitbatchError
from gitbatch_core.git.repository import Repository
from gitbatch_core.log import suppressed
from gitbatch_core.model import documents
from gitbatch_core.model.documents import Document
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.run import undeclared_entries
from gitbatch_core.run.code_difference import CHOSEN
from gitbatch_core.run.run_commit import OTHER_CODE
from gitbatch_core.run.tainted import TAINTED

_FORMAT, _VERSION = "gitbatch-origins", 1
_MOST = 10
"""Runs whose files stay."""
_OF_CHOICE = ("commit", "run", "folder", CHOSEN)
_OF_OUTPUT = ("path", "address", "kind", "size", "rule", OTHER_CODE)


def write(repository: Repository, document: Document) -> None:
    """Of a run's document, what `Origins` needs of it. Raises OSError."""
    jobs: dict[str, Document] = {}  # by what is kept of them: few differ in that
    names: dict[str, str] = {}
    for name, job in document["jobs"].items():
        wanted = _OF_CHOICE if CHOSEN in job else _OF_CHOICE[:2]
        kept = {key: job[key] for key in wanted if key in job}
        names[name] = str(hashing.hash_bytes(documents.canonical(kept), "xxh3"))
        jobs[names[name]] = kept
    outputs = []
    for output in document["outputs"]:
        kept = {key: output[key] for key in _OF_OUTPUT if key in output}
        if "job" in output:
            kept["job"] = names[output["job"]]
        outputs.append(kept)
    entry: dict[str, Any] = {"format": _FORMAT, "version": _VERSION, "run": document["run"]}
    entry |= {
        key: document[key]
        for key in (
            "source_commit",
            OTHER_CODE,
            TAINTED,
            undeclared_entries.FILES,
            undeclared_entries.JOBS,
        )
        if key in document
    }
    folder = _folder(repository)
    folder.mkdir(parents=True, exist_ok=True)
    entry |= {"jobs": jobs, "outputs": outputs}
    documents.write(folder / f"{document['run']}.json", entry, durable=False)
    for old in _files(repository)[_MOST:]:
        old.unlink(missing_ok=True)


def entries(repository: Repository) -> Iterator[RunDocument]:
    """Of the latest runs, the latest first, with no more in them than `write` has kept."""
    for path in _files(repository):
        with suppressed(GitbatchError, OSError):
            extract = documents.read(path, format=_FORMAT, version=_VERSION)
            yield RunDocument.from_dict(extract)


def _folder(repository: Repository) -> Path:
    return repository.git_dir / "gitbatch" / "origins"


def _files(repository: Repository) -> list[Path]:
    folder = _folder(repository)
    with contextlib.suppress(OSError):
        names = (name for name in os.listdir(folder) if name.endswith(".json"))
        return [folder / name for name in sorted(names, reverse=True) if not name.startswith(".")]
    return []
