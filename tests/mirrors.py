"""Mirrors of folders where no run is."""

from __future__ import annotations

from pathlib import Path

from gitbatch_core.archive.store import Archive
from gitbatch_core.run.mirror.outside_inputs import OutsideInputs
from gitbatch_core.run.mirror.paths import Mirror


def bare_mirror(folder: Path, *, pinned_ns: int = 0) -> Mirror:
    """The mirror of a folder where no run is."""
    for name in ("top", "worktree"):
        (folder / name).mkdir()
    archive = Archive.create(folder / "archive", "xxh3")
    return Mirror(
        top=folder / "top",
        folder=folder / "top",
        worktree=folder / "worktree",
        archive=archive,
        outside=OutsideInputs(archive=archive),
        tracked=frozenset(),
        changed=frozenset(),
        withheld={},
        warn=print,
        pinned_ns=pinned_ns,
    )
