"""Files that jobs leave in the worktree and no rule declares, such as indexes that a later rule
reads.

They go to the archive and get links like outputs, come along with later runs and with reused jobs,
and are no part of job keys and verdicts. See docs/adr/0017.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gitbatch_core import fs
from gitbatch_core.archive import links
from gitbatch_core.archive.ingested import Stored
from gitbatch_core.archive.store import Take
from gitbatch_core.errors import GitbatchError
from gitbatch_core.model.job_record import FILE
from gitbatch_core.model.run_document import RunDocument, UndeclaredBy, UndeclaredFile
from gitbatch_core.run.executions import Execution, belongs, nearest, running_at
from gitbatch_core.run.mirror import output_links
from gitbatch_core.run.mirror.paths import Mirror

_MOST_JOBS = 100
"""Of so many, nobody can say anything."""


@dataclass(frozen=True, kw_only=True)
class UndeclaredOfRun:
    """What there is of undeclared files at the end of a run."""

    files: Sequence[UndeclaredFile]
    """For its document, as `jobs`."""
    jobs: Mapping[str, UndeclaredBy]
    """Those that `files` name, by `RUN-NUMBER`."""
    links: Mapping[str, str]
    """For its commit: path relative to the top -> text."""
    new: Sequence[UndeclaredFile]
    """Files of this run. Those with an address and no link are where the user's folder has
    something of its own."""


@dataclass(kw_only=True)
class UndeclaredFiles:
    """The undeclared files of a run in progress. Not thread-safe: the session's lock is held."""

    mirror: Mirror
    entries: dict[str, UndeclaredFile] = field(default_factory=dict)
    """By path, relative to the top: what earlier jobs have left, and the worktree has."""
    _jobs: dict[str, UndeclaredBy] = field(default_factory=dict)
    """That these entries name."""
    _by_job: dict[str, set[str]] = field(default_factory=dict)
    """Paths by the outputs, and the names, of the jobs that may have written them; those that do
    not belong to such an output also by rules, of which any job may write them."""
    _brought: set[str] = field(default_factory=set)
    """Paths that came along with reused jobs."""
    _cleared: dict[str, set[str]] = field(default_factory=dict)
    """Paths that were removed for a job, with the names of that."""
    _copies: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Paths with writable copies, and what tells whether these were changed."""

    def recognise(self, runs: Iterable[RunDocument], is_declared: Callable[[str], bool]) -> None:
        """Find out which of the links that were brought are to what earlier jobs have left, by the
        documents of `runs`, the latest first. `is_declared`: whether the workflow names a path."""
        mirror = self.mirror
        brought = {p: address for p, address in mirror.addresses.items() if p in mirror.placed}
        links_there = {
            path: address
            for path, address in (brought | mirror.outdated).items()
            if not is_declared(path)
        }
        for run in runs if links_there else ():
            for file in run.kept_undeclared():
                if links_there.get(file.path) == file.address:
                    del links_there[file.path]
                    self._note(file, run.undeclared_jobs)
            if not links_there:
                break

    def _note(self, file: UndeclaredFile, jobs: Mapping[str, UndeclaredBy]) -> None:
        self.entries[file.path] = file
        for name in file.job_names():
            if (job := jobs.get(name)) is not None:
                self._jobs[name] = job
                by = {*job.outputs, *job.members}
                if not any(belongs(file.path, output) for output in job.outputs):
                    by.add(job.rule)
                for each in by:
                    self._by_job.setdefault(each, set()).add(file.path)

    def make_room(
        self, outputs: Iterable[str | None], members: Iterable[str], rules: Iterable[str]
    ) -> None:
        """Before a job with these outputs, single jobs and rules runs: what belongs to its outputs
        goes from the worktree; to the rest of what it may have left, which others may be reading,
        it may write."""
        own = list(filter(None, outputs))
        names = {*own, *members, *rules}
        for path in set().union(*(self._by_job.get(name, ()) for name in names)):
            there = self.mirror.worktree / path
            if not there.is_symlink():
                continue
            self.mirror.forget_address(path)
            if any(belongs(path, output) for output in own):
                self._cleared[path] = names
                self.mirror.remove(there)
            elif there.is_file():
                temporary = fs.temporary_beside(there)
                fs.copy_writable(there, temporary)
                temporary.rename(there)
                self._copies[path] = fs.stamp(there)
                for paths in self._by_job.values():
                    paths.discard(path)

    def bring(self, files: Iterable[UndeclaredFile], jobs: Mapping[str, UndeclaredBy]) -> None:
        """Bring what a job has left that is reused, but to where something else is. Raises
        ArchiveError."""
        for file in files:
            path, there = file.path, self.mirror.worktree / file.path
            is_free = (path in self.entries and there.is_symlink()) or not os.path.lexists(there)
            name = output_links.object_name(file)
            if is_free and output_links.is_whole(self.mirror, name, file.size):
                self.mirror.link(there, name, self.mirror.pinned_ns)
                self._cleared.pop(path, None)
                self._brought.add(path)
                self._note(file, jobs)

    # ------------------------------------------------------------------ at the end of a run

    def is_rewritten(self, path: str) -> bool:
        """Whether the worktree has something else now at a path that was known."""
        there = self.mirror.worktree / path
        if path not in self.entries or not os.path.lexists(there):
            return False
        if path in self._copies and not there.is_symlink() and there.is_file():
            return fs.stamp(there) != self._copies[path]
        return not there.is_symlink() or self._address(there) != self.entries[path].address

    def end(
        self,
        run: str,
        paths: Iterable[str],
        executions: Iterable[Execution],
        done: Collection[str],
        is_declared: Callable[[str], bool],
        *,
        keep: bool,
    ) -> UndeclaredOfRun:
        """Put what the run's jobs have left at `paths` into the archive, with links in the user's
        folder, where that has nothing of its own; and have there what the worktree has of what was
        known. `done`: the names of single jobs that succeeded. Never raises ArchiveError."""
        before = {
            path: file
            for path, file in self.entries.items()
            if not self.is_rewritten(path) and not is_declared(path)
        }
        # The user has them already: what is written while the Snakefile is read, say.
        others = sorted(path for path in paths if not self._has_user(path))
        new = self._store(run, others, list(executions), keep=keep)
        foreign = {file.path for file in new if file.is_kept and not self._link(file)}
        # Whoever has a file of their own does not want it.
        new = [file.replace(jobs=()) if file.path in foreign else file for file in new]
        for path in (file.path for file in new if not file.is_kept):
            if path in self.entries:
                self._unlink(self.entries[path])
        stay, top = [], self.mirror.top
        for path, file in before.items():
            gone = not os.path.lexists(self.mirror.worktree / path)
            if gone and (path not in self._cleared or not self._cleared[path].isdisjoint(done)):
                self._unlink(file)
            elif (path in self._brought or os.path.lexists(top / path)) and self._link(file):
                stay.append(file)
        files = sorted((*stay, *new), key=lambda file: file.path)
        names = {name for file in files for name in file.job_names()}
        return UndeclaredOfRun(
            files=files,
            jobs={name: job for name, job in self._jobs.items() if name in names},
            links={
                file.path: os.readlink(top / file.path)
                for file in files
                if file.is_kept and file.path not in foreign
            },
            new=new,
        )

    def _store(
        self, run: str, paths: list[str], executions: list[Execution], *, keep: bool
    ) -> list[UndeclaredFile]:
        times = {path: self._times(path) for path in paths}
        running = running_at(executions, (moment for some in times.values() for moment in some))
        stored = self._put([path for path in paths if keep and self._can_be_kept(path)])
        files = []
        for path in paths:
            ran = {each.number: each for moment in times[path] for each in running[moment]}
            by = nearest(path, list(ran.values()))
            by = sorted(by, key=lambda each: each.number) if len(by) <= _MOST_JOBS else []
            file = UndeclaredFile(path=path, run=run, jobs=[each.number for each in by])
            if len({each.rule for each in ran.values()}) == 1:
                file = file.replace(rule=next(iter(ran.values())).rule)
            self._jobs |= {f"{run}-{each.number}": each.as_undeclared_by() for each in by}
            if (one := stored.get(path)) is not None:
                file = file.replace(
                    kind=FILE, address=str(one.address), name=one.name.path, size=one.size
                )
            files.append(file)
        return files

    def _times(self, path: str) -> tuple[int, ...]:
        """When it was last written, and changed in whatever way: tools set the former as they
        like."""
        try:
            status = os.lstat(self.mirror.worktree / path)
        except OSError:
            return ()
        return status.st_mtime_ns, status.st_ctime_ns

    def _can_be_kept(self, path: str) -> bool:
        """A file, or a link to one that does not lie elsewhere."""
        there = self.mirror.worktree / path
        try:
            if there.is_symlink() and not self.mirror.archive.is_object_path(there):
                real = Path(os.path.realpath(self.mirror.worktree))
                return there.is_file() and there.resolve().is_relative_to(real)
            return stat.S_ISREG(there.stat().st_mode)
        except OSError:
            return False

    def _put(self, paths: list[str]) -> dict[str, Stored]:
        """What could be stored; the worktree has links to it."""
        worktree = self.mirror.worktree
        try:
            stored = self.mirror.archive.put([worktree / path for path in paths], take=Take.SHARE)
        except (GitbatchError, OSError):
            if len(paths) < 2:
                return {}
            return {name: one for path in paths for name, one in self._put([path]).items()}
        linked = {}
        for path, one in zip(paths, stored, strict=True):
            try:
                self.mirror.link(worktree / path, one.name, one.mtime_ns)
                linked[path] = one
            except (GitbatchError, OSError):
                self.mirror.archive.take_back(one)
        return linked

    def _link(self, file: UndeclaredFile) -> bool:
        """Have the link in the user's folder, unless something else is there that is not ours."""
        here = self.mirror.top / file.path
        if os.path.lexists(here):
            address = self._address(here)
            if address == file.address:
                return True
            ours = self.entries.get(file.path)
            if address is None or ours is None or address != ours.address:
                return False
        try:
            self.mirror.link(here, output_links.object_name(file), self.mirror.pinned_ns)
        except (GitbatchError, OSError):  # behind a linked folder, or a file
            return False
        return True

    def _unlink(self, file: UndeclaredFile) -> None:
        """Remove the link in the user's folder, if it is still there."""
        here = self.mirror.top / file.path
        if self._address(here) == file.address:
            here.unlink()

    def _has_user(self, path: str) -> bool:
        """Whether the user's own file has the same bytes."""
        here = self.mirror.top / path
        return not here.is_symlink() and fs.same_content(here, self.mirror.worktree / path)

    def _address(self, path: Path) -> str | None:
        """Of the object that a link leads to."""
        address = links.address_of(path) if path.is_symlink() else None
        return None if address is None else str(address)
