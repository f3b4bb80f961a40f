"""What follows the run commit: the run's tag, and the archive's own word on how it has ended; only
then others take what its jobs have made.

All of it is made from the run commit alone, and can be done again: by the next start, where a run
was killed on the way, or where the archive could not be written.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gitbatch_core.archive import records
from gitbatch_core.git import commits, refs
from gitbatch_core.git.repository import Repository
from gitbatch_core.model.documents import Document
from gitbatch_core.model.ended_run import EndedRun
from gitbatch_core.run import origin_index, run_commit, superseded_records, undeclared_entries

_KEPT = (
    "run", "outcome", "source_commit", "message", "user", "host", "started", "ended", "reproduces",
    superseded_records.JOBS,
)  # fmt: skip


def complete(
    repository: Repository, root: Path, commit: str, *, warn: Callable[[str], object]
) -> str | None:
    """Do what follows the run commit, as far as it was not done; the run's tag, where it has one.
    `root`: of its archive.

    Raises GitError, ArchiveError, FormatError.
    """
    document = run_commit.read(repository, commit).to_dict()
    if document["repository"] == str(repository.top):
        with contextlib.suppress(OSError):  # for the next start, which can do without
            origin_index.write(repository, document)
    tag = _tag(repository, document, commit, warn) if document.get("tag") else None
    for comparison in document.get("comparisons", ()):
        records.write_reproduction(root, comparison["run"], comparison["again"], comparison)
    keep(root, document, commit=commit, repository=document["repository"])
    return tag


def _tag(
    repository: Repository, document: Document, commit: str, warn: Callable[[str], object]
) -> str | None:
    name = str(document["tag"])
    ref = f"refs/tags/{name}"
    other = refs.obstacle(repository, ref)
    if other is None:
        commits.tag(repository, name, commit)
    elif other != ref or repository.commit_of(ref) != commit:
        warn(without_tag(document["run"], name, other))
        return None
    return name


def without_tag(run: str, name: str, other: str) -> str:
    """For people: why a run has no tag."""
    return (
        f"Run {run} gets no tag {name}: {other} is in its way. The run commit is there all the "
        f"same: gitbatch runs tag {run} NAME"
    )


def keep(root: Path, facts: Document, **more: Any) -> None:
    """Keep how a run has ended, in the archive at `root`: of its `facts` what matters to others.
    Raises ArchiveError."""
    kept = {"format": EndedRun.FORMAT, "version": EndedRun.VERSION}
    kept |= {name: facts[name] for name in _KEPT if name in facts}
    kept[undeclared_entries.FILES] = undeclared_entries.to_share(facts)
    records.write_run(root, facts["run"], kept | {"tainted": bool(facts["tainted"]), **more})
