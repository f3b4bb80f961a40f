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
from typing import ClassVar

from gitbatch_core.archive import hashing
from gitbatch_core.errors import GitbatchError
from gitbatch_core.git.repository import Repository
from gitbatch_core.log import suppressed
from gitbatch_core.model import documents
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.run_document import RunDocument

_MOST = 10
"""Runs whose files stay."""
_OF_RUN = ("run", "source_commit", "other_code", "tainted", "undeclared", "undeclared_jobs")
_OF_JOB = ("commit", "run")
_OF_JOB_WITH_CHOICE = (*_OF_JOB, "folder", "code")
_OF_OUTPUT = ("path", "address", "kind", "size", "rule", "other_code")


class RunExtract(RunDocument):
    """Of a run's document, what `Origins` needs of it."""

    FORMAT: ClassVar[str] = "gitbatch-origins"
    VERSION: ClassVar[int] = 1


def write(repository: Repository, document: RunDocument) -> None:
    """Write the extract of a run's document. Raises OSError."""
    extracts: dict[bytes, JobRecord] = {}  # of thousands, few differ in what is kept of them
    keys: dict[str, bytes] = {}
    for name, job in document.jobs.items():
        extract = job.only(_OF_JOB_WITH_CHOICE if "code" in job else _OF_JOB)
        keys[name] = documents.canonical(extract.to_dict())
        extracts[keys[name]] = extract
    names = {key: str(hashing.hash_bytes(key, "xxh3")) for key in extracts}
    jobs = {names[key]: extract for key, extract in extracts.items()}
    outputs = []
    for output in document.outputs:
        job_name = {"job": names[keys[output.job]]} if output.job else {}
        outputs.append(output.only(_OF_OUTPUT, **job_name))
    folder = _folder(repository)
    folder.mkdir(parents=True, exist_ok=True)
    RunExtract(**document.only(_OF_RUN).to_dict(), jobs=jobs, outputs=outputs).write(
        folder / f"{document.run}.json", durable=False
    )
    for old in _files(repository)[_MOST:]:
        old.unlink(missing_ok=True)


def entries(repository: Repository) -> Iterator[RunDocument]:
    """Of the latest runs, the latest first, with no more in them than `write` has kept."""
    for path in _files(repository):
        with suppressed(GitbatchError, OSError):
            yield RunExtract.read(path)


def _folder(repository: Repository) -> Path:
    return repository.git_dir / "gitbatch" / "origins"


def _files(repository: Repository) -> list[Path]:
    folder = _folder(repository)
    with contextlib.suppress(OSError):
        names = (name for name in os.listdir(folder) if name.endswith(".json"))
        return [folder / name for name in sorted(names, reverse=True) if not name.startswith(".")]
    return []
