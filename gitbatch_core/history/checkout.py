"""A run's results in a work tree, so that Snakemake finds nothing to do there. Again, too: where
results were deleted since, or where git could not finish.

git brings the files and links of the run commit. What it cannot hold comes from the archive: empty
folders, logs and benchmarks. Then all outputs get one time, later than that of any other file.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from gitbatch_core import fs
from gitbatch_core.archive.layout import Address, linked_object
from gitbatch_core.archive.store import Archive
from gitbatch_core.archive.walk import files_below, folders_below, inside
from gitbatch_core.errors import GitbatchError, NotInArchiveError, UsageError
from gitbatch_core.git import checkout, index, objects, trees, worktree
from gitbatch_core.git.repository import Repository
from gitbatch_core.history.logs import logs_of
from gitbatch_core.history.run_names import ListedRun, Runs
from gitbatch_core.log import suppressed
from gitbatch_core.model.run_document import RunDocument, RunOutput
from gitbatch_core.run import archive_location, run_commit

_LATER_NS = 10**6
"""An output must be later than the script that made it, not only as late."""


@dataclass(frozen=True, kw_only=True)
class CheckedOut:
    """A run's results, as they lie in a work tree now."""

    folder: Path
    """Where Snakemake is to be started."""
    missing: list[str]
    """Outputs and frozen inputs that the archive does not have, or not all of."""
    strange: list[str]
    """What lies in output folders and is none of the run's."""
    archive: Archive
    is_other_archive: bool
    """Whether the run's was another one."""


def check_out(
    runs: Runs, run: ListedRun, *, into: Path | None = None, archive: Path | None = None
) -> CheckedOut:
    """Check the run out in this work tree, or in a new linked one. `archive`: as the user named it.

    Raises GitError with git's words where that would lose something; then nothing has changed.
    """
    commit = run.ended()
    document = run_commit.read(runs.repository, commit)
    if into is None:
        repository = runs.repository
        _switch(runs, run, document)
    else:
        repository = _add(runs.repository, into.absolute(), commit)
    top = repository.top
    store = archive_location.open_archive(repository, archive, create=False)
    present = _Present(repository=repository, archive=store)
    missing = [output.path for output in document.outputs if not present.restore(output)]
    missing += [path for path in document.input_links if not (top / path).exists()]
    products = _products(top, document, _restore_logs(top, store, document))
    _set_times(repository, commit, products)
    return CheckedOut(
        folder=top / document.folder,
        missing=missing,
        strange=present.strange,
        archive=store,
        is_other_archive=store.id != (document.archive if "archive" in document else store.id),
    )


def _revision(run: ListedRun) -> str:
    """A tag, where there is one: git then says where one is."""
    return next((f"refs/tags/{name}" for name in run.tags), str(run.commit))


def _switch(runs: Runs, run: ListedRun, document: RunDocument) -> None:
    """`git checkout`, once links and files of which nothing is lost are out of its way: git takes
    them for what only the user has. So it does ignored files, here."""
    repository, commit = runs.repository, run.ended()
    _check_folders(repository, run, document)
    aside = _in_the_way(runs, commit, document)
    files = {path: fs.temporary_beside(path) for path in _files_in_the_way(runs, commit)}
    try:
        for path in aside:
            path.unlink()
        for path, temporary in files.items():
            path.rename(temporary)
        checkout.switch(repository, _revision(run))
        _bring_back(repository, commit, document)
    except BaseException:
        _put_back(path for path in aside.items() if not os.path.lexists(path[0]))
        for path, temporary in files.items():
            if temporary.exists() and not os.path.lexists(path):
                temporary.rename(path)
        raise
    finally:
        for temporary in files.values():
            temporary.unlink(missing_ok=True)
    # What is the same again is as old as it was.
    _put_back(
        (path, link)
        for path, link in aside.items()
        if path.is_symlink() and os.readlink(path) == link[0]
    )


def _check_folders(repository: Repository, run: ListedRun, document: RunDocument) -> None:
    """Raise UsageError where results would lie behind a link to a folder: git puts nothing there,
    but a folder in the place of the link."""
    paths = (*(output.path for output in document.outputs), *document.input_links)
    folders = {str(folder) for path in paths for folder in Path(path).parents}
    folders |= {each.path for each in document.outputs if each.is_tree and not each.storage}
    for name in sorted(folders):
        link = repository.top / name
        if link.is_symlink():
            raise UsageError(
                f"{name} is a link to a folder, {os.readlink(link)}: git cannot put results there.",
                hint=f"A work tree of its own can have them: gitbatch runs checkout {run.run} "
                "--into DIR",
            )


def _in_the_way(runs: Runs, commit: str, run: RunDocument) -> dict[Path, tuple[str, int]]:
    """Text and mtime of links that git does not track, where the run commit has links, or in
    folders that it has as outputs; only those that this or another run commit has as well."""
    repository = runs.repository
    tracked = {each.path for each in index.entries(repository.top)}
    wanted = trees.links(repository, commit)
    paths = [repository.top / name for name in wanted]
    for output in run.outputs:
        if output.is_tree and (repository.top / output.path).is_dir():
            paths += files_below(repository.top / output.path)
    here = {}
    for path in paths:
        name = str(path.relative_to(repository.top))
        with contextlib.suppress(OSError):
            if name not in tracked and linked_object(text := os.readlink(path)):
                here[name] = path, text, path.lstat().st_mtime_ns
    aside = {}
    others = [each.commit for each in reversed(runs.by_id.values()) if each.commit]
    for other in (commit, *others):
        if not here:
            break
        has = wanted if other == commit else trees.links(repository, other)
        for name in [name for name in here if name in has]:
            if linked_object(here[name][1]) == linked_object(has[name]):
                path, text, mtime_ns = here.pop(name)
                aside[path] = text, mtime_ns
    return aside


def _files_in_the_way(runs: Runs, commit: str) -> list[Path]:
    """Plain files at paths of the run commit that are not as the index has them, but hold just what
    the run commit has, or are the document of a run: what a checkout that git could not finish has
    left."""
    repository = runs.repository
    tracked = {each.path: each.blob for each in index.entries(repository.top)}
    entries = trees.entries(repository, commit)
    wanted = {each.path: {each.id} for each in entries if each.mode in trees.REGULAR}
    names = [f"{each.commit}:{run_commit.PATH}" for each in runs.by_id.values() if each.commit]
    wanted.setdefault(run_commit.PATH, set()).update(objects.ids(repository, names).values())
    here = [
        name
        for name, blobs in wanted.items()
        if (name == run_commit.PATH or tracked.get(name) not in blobs)
        and _is_plain(repository.top / name)
        and "\n" not in name
    ]
    blobs_here = objects.hashes(repository, here)
    return [
        repository.top / name
        for name in here
        if blobs_here[name] in wanted[name] and blobs_here[name] != tracked.get(name)
    ]


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _bring_back(repository: Repository, commit: str, run: RunDocument) -> None:
    """The run's results that were deleted here: to git's checkout, that is a change to keep."""
    outputs = (output.path for output in run.outputs)
    is_result = inside([run_commit.PATH, *outputs, *run.input_links])
    gone = [
        each.path
        for each in trees.entries(repository, commit)
        if is_result(each.path) and not os.path.lexists(repository.top / each.path)
    ]
    checkout.restore(repository, commit, gone)


def _put_back(links: Iterable[tuple[Path, tuple[str, int]]]) -> None:
    for path, (text, mtime_ns) in links:
        path.parent.mkdir(parents=True, exist_ok=True)
        fs.replace_with_link(path, text, mtime_ns=mtime_ns)


def _add(repository: Repository, folder: Path, commit: str) -> Repository:
    if os.path.lexists(folder) and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(f"{folder} exists already.", hint="Name a new folder.")
    try:
        checkout.check_out(repository, folder, commit)
        return Repository.find(folder)
    except BaseException:
        worktree.remove(repository, folder)
        raise


@dataclass(frozen=True, kw_only=True)
class _Present:
    """Whether outputs are there, with what git cannot hold of them."""

    repository: Repository
    archive: Archive
    strange: list[str] = field(default_factory=list)
    """Files in output folders that are none of the run's."""

    def restore(self, output: RunOutput) -> bool:
        """Whether the output is there, now. What another storage has is none of ours."""
        if output.storage:
            return True
        path = self.repository.top / output.path
        if not output.is_tree:
            return bool(path.exists())
        address = Address.parse(output.address)
        try:
            entries = self.archive.manifest(address)
        except GitbatchError:
            return False
        path.mkdir(parents=True, exist_ok=True)
        for entry in entries:
            if entry.kind == "d":
                (path / entry.path).mkdir(parents=True, exist_ok=True)
        own = {path / entry.path for entry in entries}
        self.strange.extend(
            str(each.relative_to(self.repository.top))
            for each in files_below(path)
            if each not in own
        )
        return all((path / entry.path).exists() for entry in entries if entry.kind == "f")


def _restore_logs(top: Path, archive: Archive, run: RunDocument) -> list[str]:
    """Put logs and benchmarks back where nothing lies; the paths of all."""
    paths = []
    for job in run.jobs.values():
        for log in logs_of(archive, job):
            path = top / log.path
            paths.append(log.path)
            if not os.path.lexists(path):
                with suppressed(NotInArchiveError, OSError):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    name = archive.find(Address.parse(log.address))
                    fs.copy_writable(archive.path(name), path)
    return paths


def _products(top: Path, run: RunDocument, logs: list[str]) -> list[Path]:
    """All whose times Snakemake looks at, and that a job has made."""
    products = [top / log for log in logs]
    for output in run.outputs:
        path = top / output.path
        products.append(path)
        if path.is_dir() and not path.is_symlink():  # with Snakemake's own file of its time
            for folder in folders_below(path):
                products += folder.iterdir()
    return products


def _set_times(repository: Repository, commit: str, products: list[Path]) -> None:
    of_jobs = set(products)
    newest = time.time_ns()
    for each in trees.entries(repository, commit):
        path = repository.top / each.path
        if each.mode != trees.SUBMODULE and path not in of_jobs:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                newest = max(newest, path.lstat().st_mtime_ns)
    for path in products:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.utime(path, ns=(newest + _LATER_NS,) * 2, follow_symlinks=False)
