"""What follows the run commit: the run's tag, and the document in the archive that says how the run
has ended; only then do others reuse its results.

Both are made from the run commit alone, and can be repeated: the next start does so if the run was
killed in between, or if the archive could not be written.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from gitbatch_core.archive import records
from gitbatch_core.git import commits, refs
from gitbatch_core.git.repository import Repository
from gitbatch_core.model.ended_run import EndedRun
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.run import origin_index, run_commit

_OF_RUN = (
    "run", "outcome", "source_commit", "message", "user", "host", "started", "ended", "reproduces",
    "jobs_without_code",
)  # fmt: skip
"""What an ended run has of the run's document."""


def complete(
    repository: Repository, root: Path, commit: str, *, warn: Callable[[str], object]
) -> str | None:
    """Complete what has not been done after the run commit; returns the run's tag, if it has one.
    `root`: the archive's folder. Raises GitError, ArchiveError, FormatError."""
    document = run_commit.read(repository, commit)
    if document.repository == str(repository.top):
        with contextlib.suppress(OSError):  # for the next start, which can do without
            origin_index.write(repository, document)
    name = document.tag
    tag = _tag(repository, document.run, name, commit, warn) if name else None
    for comparison in document.comparisons:
        records.write_reproduction(root, comparison)
    record_end(root, document, repository=document.repository, commit=commit)
    return tag


def _tag(
    repository: Repository, run: str, name: str, commit: str, warn: Callable[[str], object]
) -> str | None:
    ref = f"refs/tags/{name}"
    other = refs.obstacle(repository, ref)
    if other is None:
        commits.tag(repository, name, commit)
    elif other != ref or repository.commit_of(ref) != commit:
        warn(without_tag(run, name, other))
        return None
    return name


def without_tag(run: str, name: str, other: str) -> str:
    """For people: why a run has no tag."""
    return (
        f"Run {run} gets no tag {name}: {other} is in its way. The run commit is there all the "
        f"same: gitbatch runs tag {run} NAME"
    )


def record_end(
    root: Path, document: RunDocument, *, repository: str, commit: str | None = None
) -> None:
    """Record in the archive at `root` how a run has ended: what of its document matters to others.
    Raises ArchiveError."""
    ended = EndedRun(
        **document.only(_OF_RUN).to_dict(),
        undeclared=document.own_undeclared(),
        tainted=bool(document.tainted) if "tainted" in document else None,
        repository=repository,
    )
    records.write_run(root, ended if commit is None else ended.replace(commit=commit))
