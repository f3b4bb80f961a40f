"""What follows the run commit: the run's tag, and the document in the archive that says how the run
has ended; only then do others reuse its results.

Both are made from the run commit alone, and can be repeated: the next start does so if the run was
killed in between, or if the archive could not be written.
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
    """Complete what has not been done after the run commit; returns the run's tag, if it has one.
    `root`: the archive's folder. Raises GitError, ArchiveError, FormatError."""
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
    """Record in the archive at `root` how a run has ended: those of its `facts` that matter to
    others. Raises ArchiveError."""
    kept = {"format": EndedRun.FORMAT, "version": EndedRun.VERSION}
    kept |= {name: facts[name] for name in _KEPT if name in facts}
    kept[undeclared_entries.FILES] = undeclared_entries.to_share(facts)
    records.write_run(root, facts["run"], kept | {"tainted": bool(facts["tainted"]), **more})
