"""The worktree as the mirror of the user's folder for everything that the workflow declares.

What the user's folder holds decides: a link into the archive wins over what the commit has at that
path; a regular file counts as the commit's only where git tracks it unchanged. Everything else that
a job reads must be in the archive, so that the run can say what it read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar

from gitbatch_core import fs
from gitbatch_core.archive import hashing, links, manifests
from gitbatch_core.archive.layout import ObjectName
from gitbatch_core.archive.store import Archive, Take
from gitbatch_core.archive.walk import NOT_DATA, folders_below
from gitbatch_core.errors import RunError
from gitbatch_core.git import work_tree_status
from gitbatch_core.git import worktree as worktrees
from gitbatch_core.git.worktree import Unfetched
from gitbatch_core.run.mirror.outside_addresses import HashedBefore
from gitbatch_core.run.mirror.outside_inputs import OutsideInputs
from gitbatch_core.run.mirror.tables import LinkedFolders, MirrorTables
from gitbatch_core.run.run import Run


@dataclass(kw_only=True)
class Mirror(MirrorTables):
    """Two folders with the same names below them. Paths given are as the workflow names them."""

    looks_at_all_links: ClassVar[bool] = True
    """Else only at those that jobs read."""

    top: Path
    """The user's."""
    folder: Path
    """The user's working directory, at or below `top`."""
    worktree: Path
    archive: Archive
    tracked: frozenset[str]
    """Files of the commit, relative to the top."""
    changed: frozenset[str]
    """Of those: outputs that the user's folder holds in another state."""
    outside: OutsideInputs
    warn: Callable[[str], None]
    withheld: Mapping[str, Unfetched] = field(default_factory=dict)
    """Files of the commit that no job can read."""
    linked: LinkedFolders = field(default_factory=LinkedFolders)
    overlook: Callable[[Iterable[str]], object] = bool
    """Has git, in the worktree, not look at these tracked paths."""
    _relatives: dict[str, str] = field(default_factory=dict)
    """What `relative` has found by names alone: it is asked some ten times of each path."""
    _checked: set[Path] = field(default_factory=set)
    _in_worktree: set[str] = field(default_factory=set)
    """Folders of the worktree that no link leads out of it."""
    _real_folders: dict[str, str] = field(default_factory=dict)
    """Where folders of the user's really lie."""

    @classmethod
    def of(
        cls, run: Run, folder: Path, *, changed: Iterable[str], warn: Callable[[str], None]
    ) -> Mirror:
        """The mirror for a run that was started from `folder`. Raises GitError."""
        return cls(
            top=run.repository.top,
            folder=folder,
            worktree=run.worktree.path,
            archive=run.archive,
            outside=OutsideInputs(
                archive=run.archive,
                before=HashedBefore.read(run.repository.git_dir / "gitbatch" / "hashed.json"),
            ),
            overlook=partial(worktrees.overlook, run.worktree),
            tracked=work_tree_status.tracked(run.worktree.path),
            changed=frozenset(changed),
            withheld=worktrees.withheld(run.worktree),
            warn=warn,
            pinned_ns=run.about["pinned_ns"],
        )

    @cached_property
    def _real_worktree(self) -> str:
        return os.path.realpath(self.worktree)

    @cached_property
    def tracked_in_order(self) -> list[str]:
        return sorted(self.tracked)

    def relative(self, path: str) -> str | None:
        """`path` relative to the top; None: outside of the repository."""
        if (relative := self._relatives.get(path)) is not None:
            return relative
        absolute = os.path.normpath(self.folder / path)
        for top in (str(self.worktree), str(self.top)):
            if absolute == top or absolute.startswith(top + "/"):
                relative = absolute[len(top) + 1 :] or "."
                return self._relatives.setdefault(path, relative)
        # By way of a linked folder it may still be a name of the work tree.
        parent, name = os.path.split(absolute)
        real = os.path.join(os.path.realpath(parent), name)
        return real[len(str(self.top)) + 1 :] if real.startswith(f"{self.top}/") else None

    def here(self, path: str) -> Path:
        """Where `path` lies for the user."""
        return self._below(self.top, path)

    def there(self, path: str) -> Path:
        """Where `path` lies in the worktree; what lies outside of the repository is the same."""
        return self._below(self.worktree, path)

    def _below(self, top: Path, path: str) -> Path:
        relative = self.relative(path)
        return Path(os.path.normpath(self.folder / path)) if relative is None else top / relative

    def inner(self, place: str) -> str | None:
        """The path relative to the top of what lies at `place`, a path without links; None where
        that is outside of the user's work tree, or git's."""
        if place != str(self.top) and not place.startswith(f"{self.top}/"):
            return None
        relative = place[len(str(self.top)) + 1 :] or "."
        return None if NOT_DATA.intersection(relative.split("/")) else relative

    def real(self, here: Path) -> str:
        """Where `here` lies, its folder without links; itself it may be one."""
        folder = os.path.dirname(here)
        if (real := self._real_folders.get(folder)) is None:
            real = self._real_folders.setdefault(folder, os.path.realpath(folder))
        return os.path.join(real, here.name)

    # ------------------------------------------------------------------ before jobs run

    def bring_link(self, relative: str, name: ObjectName, mtime_ns: int) -> None:
        self.link(self.worktree / relative, name, mtime_ns)
        self.note_address(relative, str(name.address))

    def tell_outside(self) -> None:
        """Warn, once, of inputs outside of the repository that can be changed."""
        if (text := self.outside.tell()) is not None:
            self.warn(text)

    def check_outside(self, path: str) -> None:
        """Raise RunError where the input `path`, if outside of the repository, is not what was
        recorded when it was brought."""
        name = self.relative(path) or os.path.normpath(self.folder / path)
        self.outside.check(name, path)

    def bring_output(self, path: str) -> None:
        """Bring an output that is up to date; what plain Snakemake made goes to the archive."""
        here = self.here(path)
        relative = self.relative(path)
        if relative is None or not os.path.lexists(here):
            if relative is not None:
                self._clear(self.worktree / relative)
            return
        if relative in self.addresses:
            return
        if here.is_dir() and not here.is_symlink():
            self._store([inner for inner in self.bring_folder(here) if not self._is_known(inner)])
            for folder in folders_below(here):
                (self.worktree / folder.relative_to(self.top)).mkdir(parents=True, exist_ok=True)
        elif not self._is_known(relative):
            if (name := self.archive.object_at(here)) is None:
                self._store([relative])
            else:
                self.bring_link(relative, name, here.lstat().st_mtime_ns)

    def bring_folder(self, here: Path) -> list[str]:
        """Bring the links that a tree of this folder keeps as they are, and return its files."""
        files = []
        for entry in manifests.scan(str(here), self.archive.object_at):
            relative = str((here / entry.path).relative_to(self.top))
            if entry.target is not None:
                self._keep_link(relative, entry.target)
            elif entry.file or entry.object is not None:
                files.append(relative)
        return files

    def _keep_link(self, relative: str, target: str) -> None:
        there = self.worktree / relative
        if not there.is_symlink() or os.readlink(there) != target:
            self.forget_address(relative)
            self.replace(there, lambda place: os.symlink(target, place))

    def _is_known(self, relative: str) -> bool:
        """Whether the worktree has this file already: from the commit, or as a link."""
        return relative in self.addresses or (
            relative in self.tracked and relative not in self.changed
        )

    def _store(self, relatives: list[str]) -> None:
        """Move files of the user's into the archive, with links in both folders. What git tracks
        stays a file for the user."""
        own = [self.top / each for each in relatives if each in self.tracked]
        for stored in self.archive.put(own, take=Take.COPY):
            relative = str(stored.source.relative_to(self.top))
            self.link(self.worktree / relative, stored.name, stored.mtime_ns)
            self.note_address(relative, str(stored.address))
        rest = [self.top / each for each in relatives if each not in self.tracked]
        for stored in self.archive.put(rest, take=Take.SHARE):
            relative = str(stored.source.relative_to(self.top))
            try:
                for top in (self.top, self.worktree):
                    self.link(top / relative, stored.name, stored.mtime_ns)
            except BaseException:
                self.archive.take_back(stored)
                raise
            self.note_address(relative, str(stored.address))

    def check_folder(self, path: str) -> None:
        """Raise RunError where the output `path` lies in a submodule: git could not hold the links
        into the archive there."""
        parent = self.here(path).parent
        if self.relative(path) is None or parent in self._checked:
            return
        self._checked.add(parent)
        for folder in (parent, *parent.parents):
            if folder == self.top:
                break
            if os.path.lexists(folder / ".git"):
                raise RunError(
                    f"The output {path} lies in the submodule {folder}.",
                    hint="A run commit cannot hold it there; write it outside of the submodule.",
                )

    def clear_missing(self, path: str) -> None:
        """An output of the commit that the user's folder lacks is not in the worktree either."""
        if (relative := self.relative(path)) is not None and not os.path.lexists(self.here(path)):
            self._clear(self.worktree / relative)

    def clear(self, path: str) -> None:
        """Make room for an output in the worktree."""
        if (relative := self.relative(path)) is not None:
            there = self.worktree / relative
            is_folder = there.is_dir() and not there.is_symlink()
            self.forget_output(relative, is_folder=is_folder)
            self._clear(there)
            self.note_placed(relative)

    def lend(self, path: str) -> str | None:
        """Put a writable copy of an output that a job updates in place into the worktree; returns
        its address, None where there is none yet."""
        relative, here = self.relative(path), self.here(path)
        if relative is None or not here.exists():
            return None
        address = self.address_of(path)
        there = self.worktree / relative
        self._clear(there)
        there.parent.mkdir(parents=True, exist_ok=True)
        fs.copy_writable(here, there)
        self.note_placed(relative)
        return address

    def address_of(self, path: str) -> str:
        """The address of an input that was brought. Raises RunError, ArchiveError."""
        relative = self.relative(path)
        key = str(Path(os.path.normpath(self.folder / path))) if relative is None else relative
        if (address := self.addresses.get(key)) is not None:
            return address
        there = self.there(path)
        try:
            if there.is_dir():
                entries = self.archive.describe_tree(there)
                address = str(manifests.address(entries, self.archive.algorithm))
            else:
                address = str(hashing.hash_file(there, self.archive.algorithm)[0])
        except OSError as error:
            raise RunError(f"The input {path} cannot be read: {error.strerror}.") from error
        return self.addresses.setdefault(key, address)

    def link(self, path: Path, name: ObjectName, mtime_ns: int) -> None:
        """Put a link to the object at `path`, in either folder. Raises ArchiveError."""
        inside = path.is_relative_to(self.worktree)
        if inside:
            self._check_inside(path)
        if path.is_dir() and not path.is_symlink():
            self.remove(path)
        top, other = (self.worktree, self.top) if inside else (self.top, self.worktree)
        relative = path.relative_to(top)
        links.place_link(path, name, top=top, mtime_ns=mtime_ns, like=other / relative)
        if inside:
            self.note_placed(str(relative))

    def replace(self, path: Path, make: Callable[[Path], None]) -> None:
        """Make room at `path`, in either folder, and have `make` fill it."""
        inside = path.is_relative_to(self.worktree)
        if inside:
            self._check_inside(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.remove(path)
        make(path)
        if inside:
            self.note_placed(str(path.relative_to(self.worktree)))

    def is_in_worktree(self, real: str) -> bool:
        """Whether a path without links is the worktree or lies in it."""
        return real == self._real_worktree or real.startswith(f"{self._real_worktree}/")

    def _clear(self, there: Path) -> None:
        self._check_inside(there)
        self.remove(there)

    def _check_inside(self, there: Path) -> None:
        """Raise RunError where a link leads out of the worktree on the way to `there`: what is done
        there must not be done elsewhere."""
        folder = os.path.dirname(there)
        if folder not in self._in_worktree:
            real = os.path.realpath(folder)
            if not self.is_in_worktree(real):
                raise RunError(f"{folder} leads out of the run's worktree: to {real}.")
            self._in_worktree.add(folder)

    @staticmethod
    def remove(path: Path) -> None:
        """Remove a file, link or folder, where there is one."""
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir():
            fs.remove_tree(path)
