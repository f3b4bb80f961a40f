"""To forget runs: their refs, tags and notes, and which objects nothing here names any more then.

Nothing of the archive is removed. What other repositories that share it name is not known here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gitbatch_core.archive import layout, names
from gitbatch_core.archive.layout import Address
from gitbatch_core.archive.store import Archive
from gitbatch_core.archive.walk import files_below, links_below
from gitbatch_core.errors import GitbatchError, UsageError
from gitbatch_core.git import objects, refs, trees
from gitbatch_core.git.repository import Repository
from gitbatch_core.history.logs import logs_of
from gitbatch_core.history.run_names import NOTES, ListedRun, Runs
from gitbatch_core.log import suppressed
from gitbatch_core.model.run_document import RunDocument


@dataclass(frozen=True, kw_only=True)
class Freed:
    """What nothing in this repository names once runs are forgotten."""

    objects: int
    bytes: int


def refuse(chosen: Iterable[ListedRun]) -> None:
    """Raise UsageError for runs that go on, are kept, or are none of this repository."""
    for run in chosen:
        if run.owner is not None:
            raise UsageError(
                f"Run {run.run} has not ended.", hint=f"gitbatch runs cancel {run.run}"
            )
        if run.kept is not None:
            raise UsageError(f"Run {run.run} is kept.", hint=f"gitbatch runs keep --off {run.run}")
        if not run.refs:
            raise UsageError(
                f"No ref of this repository leads to run {run.run}; there is nothing to remove."
            )


def forget(runs: Runs, chosen: Iterable[ListedRun]) -> None:
    """Take away the runs' refs, the tags that lead to them, and their notes. Raises GitError."""
    chosen = list(chosen)
    noted = refs.notes(runs.repository, NOTES)
    refs.remove(runs.repository, [ref for run in chosen for ref in run.refs])
    for run in chosen:
        if run.commit in noted:
            refs.remove_note(runs.repository, NOTES, run.commit)


def freed(runs: Runs, chosen: Iterable[ListedRun], archive: Archive) -> Freed:
    """The objects that these runs name, and then no other run, ref, link of this work tree or name
    of the storage. Raises GitError, ArchiveError."""
    gone = list(chosen)
    ids = {run.run for run in gone}
    objects = _Objects(archive)
    only_theirs: set[str] = set()
    for document in runs.documents(gone).values():
        only_theirs |= objects.of_run(document)
    others = [run for run in runs.by_id.values() if run.run not in ids]
    dropped = {ref.name for run in gone for ref in run.refs}
    run_refs = {ref.name for run in others for ref in run.refs}
    only_theirs -= _linked_to(runs, gone)
    for named in _named(runs, others, objects, dropped | run_refs):
        only_theirs -= named
        if not only_theirs:
            break
    sizes = [
        archive.size(name)
        for digest in only_theirs
        for name in archive.variants(Address(algorithm=archive.algorithm, digest=digest))
    ]
    return Freed(objects=len(sizes), bytes=sum(sizes))


@dataclass(frozen=True)
class _Objects:
    """Digests of the objects that stand behind addresses."""

    archive: Archive

    def of(self, address: Address) -> set[str]:
        if not self.archive.has_tree(address):
            return {address.digest}
        entries = self.archive.manifest(address)
        return {entry.digest for entry in entries if entry.kind == "f"} | {address.digest}

    def of_run(self, run: RunDocument) -> set[str]:
        """What a run made, read and printed."""
        addresses = {output.address for output in run.outputs}
        addresses.update(filter(None, (file.address for file in run.undeclared)))
        if run.log is not None:
            addresses.add(run.log.address)
        for job in run.jobs.values():
            for member in job.members:
                addresses.update(filter(None, (each.address for each in member.inputs)))
            addresses.update(log.address for log in logs_of(self.archive, job))
        digests: set[str] = set()
        for address in addresses:
            digests |= self.of(Address.parse(address))
        return digests


def _linked_to(runs: Runs, chosen: Iterable[ListedRun]) -> set[str]:
    """Digests of what the outputs of these runs lead to, also behind links to folders."""
    paths = {
        runs.repository.top / output.path
        for run in runs.documents(chosen).values()
        for output in run.outputs
    }
    every = (inner for path in paths for inner in (files_below(path) if path.is_dir() else [path]))
    return _digests(os.readlink(path) for path in every if path.is_symlink())


def _named(
    runs: Runs, others: list[ListedRun], objects: _Objects, but: set[str]
) -> Iterator[set[str]]:
    """What else names objects: other runs, the storage's names, this work tree, refs."""
    for run in runs.documents(others).values():
        yield objects.of_run(run)
    for name in names.listed(objects.archive):
        yield objects.of(name.address)
    yield _digests(os.readlink(path) for path in links_below(runs.repository.top))
    yield from _in_refs(runs.repository, but)


def _in_refs(repository: Repository, but: set[str]) -> Iterator[set[str]]:
    """What the links in the trees of all other refs, and of HEAD, lead to."""
    commits = {ref.commit for ref in refs.listed(repository) if ref.name not in but}
    with suppressed(GitbatchError):
        commits.add(repository.commit_of("HEAD"))
    seen: set[str] = set()
    for commit in sorted(commits):
        entries = trees.entries(repository, commit)
        links = {each.id for each in entries if each.mode == trees.LINK}
        texts = objects.contents(repository, links - seen)
        seen |= links
        yield _digests(os.fsdecode(text) for text in texts.values())


def _digests(texts: Iterable[str]) -> set[str]:
    return {name.digest for name in map(layout.linked_object, texts) if name is not None}
