"""The files by which Snakemake keeps others from working in a folder at the same time."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any


def lock_files(workflow: Any) -> list[str]:
    """Those of this process."""
    return [str(file) for file in _by_kind(workflow).values()]


def lock_more(workflow: Any, outputs: Collection[str]) -> None:
    """Keep other Snakemakes in the folder from these outputs too."""
    persistence = workflow.persistence
    if not workflow.execution_settings.lock or not outputs:
        return
    # Snakemake would note a second file in the place of the first.
    if (file := _by_kind(workflow).get("output")) is not None:
        with open(file, "a") as lock:
            print(*outputs, sep="\n", file=lock)
    else:  # nothing was to be done, or locks are entries of a database
        persistence._write_locks("output", outputs)


def _by_kind(workflow: Any) -> dict[str, str]:
    """None where Snakemake keeps its state in a database."""
    return getattr(workflow.persistence, "_lockfile", {})
