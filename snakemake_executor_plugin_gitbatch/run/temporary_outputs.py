"""Temporary outputs of a run: they stay in the worktree until Snakemake deletes the link.

Not thread-safe: the session's lock is held.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gitbatch_core.errors import GitbatchError
from gitbatch_core.run.mirror import output_links
from gitbatch_core.run.mirror.paths import Mirror

_REST_S = 1.0
"""Between two looks at all of them while jobs run."""


class TemporaryOutputs:
    """Those of one run's finished jobs."""

    def __init__(self, mirror: Mirror, warn: Callable[[str], None]) -> None:
        self._mirror = mirror
        self._warn = warn
        self._links: dict[Path, Path] = {}
        """The user's link -> where it leads to in the worktree."""
        self._looked_at: set[Path] = set()
        """Of checkpoints: later jobs look at them when they read the workflow."""
        self._swept = 0.0

    def add(self, relative: str, *, of_checkpoint: bool) -> None:
        """Take note of an output that was put in place; `relative` to the top."""
        here = self._mirror.top / relative
        self._links[here] = self._mirror.worktree / relative
        if of_checkpoint:
            self._looked_at.add(here)

    def forget(self, members: list[Any]) -> None:
        """Forget those whose links are about to be made again, by these single jobs; the outputs
        themselves stay."""
        for path in (path for member in members for path in member.output):
            self._links.pop(self._mirror.here(str(path)), None)

    def sweep_sometimes(self) -> None:
        """Sweep, unless that was done a moment ago."""
        if time.monotonic() - self._swept >= _REST_S:
            self.sweep()

    def sweep(self) -> None:
        """Remove those whose link Snakemake has deleted."""
        self._swept = time.monotonic()
        for here, there in list(self._links.items()):
            if here not in self._looked_at and not os.path.lexists(here):
                del self._links[here]
                self._remove(here, there)

    def _remove(self, here: Path, there: Path) -> None:
        """What cannot be removed goes with the worktree."""
        try:
            output_links.remove_temporary(self._mirror, here, there)
        except OSError as error:
            self._warn(
                f"The temporary output {there} cannot be removed and stays until the run ends: "
                f"{error}"
            )

    def end(self) -> bool:
        """Keep in the archive what Snakemake has left in place: targets, and what a later start
        will need. The others go. False: some could not be kept, and are still in the worktree."""
        complete = True
        for here, there in self._links.items():
            if not os.path.lexists(here):
                self._remove(here, there)
                continue
            try:
                output_links.archive_temporary(self._mirror, here, there)
            except (GitbatchError, OSError) as error:
                complete = False
                why = error.message if isinstance(error, GitbatchError) else error
                self._warn(
                    f"{here} could not be put into the archive: {why}\n"
                    "It stays in the run's worktree. The next start tries again."
                )
        self._links.clear()
        return complete
