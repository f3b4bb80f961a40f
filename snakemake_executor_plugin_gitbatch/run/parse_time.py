"""What the workflow writes while it is read, for the jobs of a run.

What this process has written itself is known (`parse_writes`). A file that a program wrote, or that
was there already, is the workflow's own where reading the workflow in the worktree makes the same.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gitbatch_core import fs
from gitbatch_core.archive.walk import files_below, inside
from gitbatch_core.errors import RunError
from gitbatch_core.git.repository import Repository
from gitbatch_core.model.masking import Mask
from gitbatch_core.run.mirror import parse_time
from gitbatch_core.run.mirror.paths import Mirror
from gitbatch_core.run.run import Run
from gitbatch_core.wording import some
from snakemake_executor_plugin_gitbatch.in_job import parse_overlay
from snakemake_executor_plugin_gitbatch.job import command, environment, workflow_view
from snakemake_executor_plugin_gitbatch.run import parse_writes


def passing(top: Path) -> list[str]:
    """Where this process had files for a moment only, relative to the repository's top."""
    return parse_time.inside(top, parse_writes.passing())


@dataclass(kw_only=True)
class ParseTime:
    """Brings into the worktree of one run what the workflow writes while it is read."""

    workflow: Any
    run: Run
    mirror: Mirror
    secrets: dict[str, str]
    _secret: set[str] = field(default_factory=set)
    """Files that hold secrets."""
    otherwise: set[str] = field(default_factory=set)
    """Files that reading the workflow again has made otherwise."""

    @property
    def repository(self) -> Repository:
        return self.run.repository

    def bring(self) -> bool:
        """What this process has written by now; whether there was anything new."""
        written = parse_time.inside(self.mirror.top, parse_writes.paths())
        if hidden := list(filter(self._is_hidden, written)):
            inputs = set(map(self.mirror.relative, workflow_view.inputs(self.workflow)))
            written = [path for path in written if path not in hidden or path in inputs]
        if not written:
            return False
        declared = filter(None, map(self.mirror.relative, workflow_view.declared(self.workflow)))
        is_declared, number_before = inside(declared), len(self.mirror.parse_time)
        self._bring(path for path in written if not is_declared(path))
        return len(self.mirror.parse_time) > number_before

    def _is_hidden(self, relative: str) -> bool:
        """Whether it lies where caches and temporary files do."""
        sources = os.path.dirname(self.workflow.sourcecache.runtime_cache_path)
        named = (os.environ.get("XDG_CACHE_HOME"), tempfile.gettempdir(), sources)
        folders = [os.path.realpath(folder) for folder in named if folder]
        return ".snakemake" in relative.split("/") or any(
            folder.startswith(f"{self.mirror.top}/")
            and f"{self.mirror.top}/{relative}/".startswith(f"{folder}/")
            for folder in folders
        )

    def bring_late(self) -> bool:
        """Before the first jobs start, the same: `onstart:` comes after all else."""
        if not parse_writes.is_on():
            return False
        parse_writes.stop()
        return self.bring()

    def known_before(self) -> list[str]:
        """What an earlier run here has taken, and is there still: what a workflow writes only where
        it is missing may be read by jobs though no rule names it."""
        return [
            path
            for path in parse_time.recall(self.run.repository)
            if path not in self.mirror.tracked and os.path.lexists(self.mirror.top / path)
        ]

    def remember(self) -> None:
        """For the starts to come."""
        parse_time.remember(self.run.repository, self.mirror.parse_time)

    def _bring(self, relatives: Iterable[str]) -> None:
        mask = Mask(self.secrets.values()).all

        def is_secret(path: Path) -> bool:
            return bool(self.secrets) and mask(data := path.read_bytes()) != data

        self._secret |= parse_time.bring(self.mirror, relatives, is_secret)

    def read_again(self, relatives: Iterable[str | None]) -> None:
        """Read the workflow in the worktree, and bring what that has made of these files, or of
        those in these folders, just as they are here."""
        unknown = [path for path in relatives if path is not None and self._is_unknown(path)]
        files = [file for path in unknown for file in self._files_at(self.mirror.top / path)]
        if not files:
            return
        status = self._read()
        same = [path for path in files if parse_time.is_the_same(self.mirror, path)]
        self._bring(same)
        written = (path for path in files if (self.mirror.worktree / path).is_file())
        self.otherwise |= set(written).difference(same)
        # What was there before this start is left alone when it is there.
        pinned_ns = self.mirror.pinned_ns
        new = [p for p in same if (self.mirror.top / p).stat().st_ctime_ns > pinned_ns]
        if new:
            self._check_left_alone(new, status)

    def _files_at(self, here: Path) -> list[str]:
        files = files_below(here) if here.is_dir() and not here.is_symlink() else [here]
        return [str(path.relative_to(self.mirror.top)) for path in files]

    def _read(self) -> int:
        done = subprocess.run(
            self._argv(),
            cwd=self.mirror.there("."),
            env=environment.of_jobs(self.mirror) | self.secrets,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        return done.returncode

    def _check_left_alone(self, files: list[str], status: int) -> None:
        """Raise RunError where a program writes `files` also when they are there: jobs would see
        them half-written, by the reading of other jobs."""
        before = [fs.stamp(self.mirror.worktree / path) for path in files]
        if self._read() != status or before != [
            fs.stamp(self.mirror.worktree / path) for path in files
        ]:
            raise RunError(
                "Each time the workflow is read, a program that it starts, or a library, writes "
                f"{some(files, 5)}. Each job reads the workflow, and would write it while others "
                "use it.",
                hint="Start the program only if the file is missing (os.path.exists), write the "
                "file with Python's open(), or make it the output of a rule.",
            )

    def _is_unknown(self, relative: str) -> bool:
        return relative not in self.mirror.addresses and relative not in self._secret

    def _argv(self) -> list[str]:
        """As this process reads it: without doing anything, and whatever comes of that."""
        general = list(command.general_arguments(self.workflow, self.run, self.mirror))
        at = general.index("--mode")
        del general[at : at + 2]
        targets = map(str, self.workflow.dag_settings.targets)
        dry = ("--dry-run", "--nolock", "--cores", "1", "--quiet", "all")
        program = (sys.executable, "-P", "-m", parse_overlay.__name__, str(self.mirror.worktree))
        return [*program, *general, *dry, "--", *targets]

    def explain(self, path: str, error: RunError) -> RunError:
        """What is wrong with the input `path`, where it was `error` so far."""
        relative = self.mirror.relative(path)
        if relative in self._secret:
            return RunError(
                f"{path} is written while the workflow is read, and contains the value of an "
                "environment variable that envvars: declares. Such secrets are never stored.",
                hint="Let the jobs read the value from the variable instead.",
            )
        if relative in self.otherwise:
            return RunError(
                f"{path} is neither in the commit nor in the archive, and the commit's workflow "
                "writes a different file there.",
                hint=f"Delete it, so that the workflow writes it again: rm -- {shlex.quote(path)}",
            )
        return error


@dataclass(kw_only=True)
class ReadOnce:
    """The same where nothing is to be written: the workflow is not read again. What was written
    since Snakemake has begun, or was taken by an earlier run, is held for the workflow's own."""

    repository: Repository
    mirror: Mirror
    began_ns: int
    """When Snakemake began, of `time.monotonic_ns`."""
    otherwise: frozenset[str] = frozenset()

    def bring(self) -> bool:
        number_before = len(self.mirror.parse_time)
        self._take(parse_time.inside(self.mirror.top, parse_writes.paths()))
        self._take(parse_time.recall(self.repository))
        return len(self.mirror.parse_time) > number_before

    def known_before(self) -> list[str]:
        return []

    def remember(self) -> None:
        """Nothing is."""

    def read_again(self, relatives: Iterable[str | None]) -> None:
        """It is not; a program may have written these meanwhile."""
        began_ns = time.time_ns() - (time.monotonic_ns() - self.began_ns)
        there = (path for path in relatives if path is not None)
        places = ((path, self.mirror.top / path) for path in there)
        self._take(
            path
            for path, place in places
            if os.path.lexists(place) and place.lstat().st_ctime_ns > began_ns
        )

    def explain(self, path: str, error: RunError) -> RunError:
        return error

    def _take(self, relatives: Iterable[str]) -> None:
        for relative in relatives:
            if relative not in self.mirror.tracked and os.path.lexists(self.mirror.top / relative):
                self.mirror.note_parse_time(relative, "")
