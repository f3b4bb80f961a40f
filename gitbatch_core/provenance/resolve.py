"""What is meant by ADDRESS, PATH or RUN:PATH: an address, with the path and the run that were
named."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitbatch_core.archive import hashing, layout, links, manifests
from gitbatch_core.archive.layout import Address
from gitbatch_core.archive.store import Archive
from gitbatch_core.archive.walk import folders_above
from gitbatch_core.errors import GitbatchError, GitError, NotInArchiveError, UsageError
from gitbatch_core.git import commits, objects, trees
from gitbatch_core.git.repository import Repository
from gitbatch_core.history import run_names
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.provenance import listing
from gitbatch_core.provenance.job_index import IndexedFile, IndexedJob, JobIndex
from gitbatch_core.run import run_commit
from gitbatch_core.wording import typed


@dataclass(frozen=True, kw_only=True)
class ResolvedReference:
    """What an argument of a command stands for."""

    what: str
    """As it was typed."""
    address: Address
    path: str = ""
    """Relative to the top of the work tree; empty where an address was given."""
    run: str = ""
    """Id of the run that was named, or whose output stands for a path that is not in the folder."""
    in_folder: bool = False
    """Whether the path was found in the work tree."""


@dataclass(frozen=True, kw_only=True)
class Resolver:
    """Resolves references. Without a repository, from the archive's records alone."""

    archive: Archive
    repository: Repository | None
    folder: Path
    """Where paths of the command line start."""

    def resolve(self, what: str) -> ResolvedReference:
        """Raises UsageError, NotInArchiveError, GitError."""
        is_address = listing.is_prefix(what)
        if self.repository is not None and not (is_address and ":" in what):
            for candidate in (self.folder / what, self.repository.top / what):
                if os.path.lexists(candidate):
                    return self._in_folder(candidate, what)
        name, colon, path = what.partition(":")
        if is_address and (colon or len(what) >= listing.SHORTEST_PREFIX):
            return ResolvedReference(what=what, address=self._address(what))
        if colon and (reference := self._of_run(name, path, what)) is not None:
            return reference
        return self._of_records(what)

    def paths(self, path: str) -> list[str]:
        """What a path may be, seen from the top of the work tree: relative to the present folder,
        and, unless it starts with `./`, to the top."""
        if self.repository is None:
            return [os.path.normpath(path)]
        here = self.repository.relative(self.folder / path)
        rest = [] if path.startswith(("./", "../", "/")) else [os.path.normpath(path)]
        return list(dict.fromkeys([*([] if here is None else [here]), *rest]))

    def known_here(self, jobs: Iterable[IndexedJob]) -> set[str]:
        """Of the jobs' commits, those that the repository has."""
        if self.repository is None:
            return set()
        return set(commits.subjects(self.repository, {job.commit for job in jobs}))

    def _in_folder(self, path: Path, what: str) -> ResolvedReference:
        assert self.repository is not None
        address = links.address_of(path, self.archive)
        if address is None and path.is_file():
            address, _ = hashing.hash_file(path, self.archive.algorithm)
        if address is None:
            raise UsageError(
                f"{what} is not in the archive: it is no file, and no folder of links.",
                hint=f"gitbatch freeze {typed(path)}",
            )
        relative = self.repository.relative(path) or str(path)
        return ResolvedReference(what=what, address=address, path=relative, in_folder=True)

    def _address(self, what: str) -> Address:
        try:
            return listing.resolve(self.archive, what)
        except NotInArchiveError:
            jobs = JobIndex.read(self.archive)
            addresses = {*jobs.makers, *jobs.users}
            matches = [a for a in addresses if a.removeprefix(f"{self.archive.algorithm}:") == what]
            matches = matches or [a for a in addresses if a.startswith(what) or f":{what}" in a]
            if len(matches) > 1:
                hint = "\n".join(sorted(matches)[:10])
                raise UsageError(f"{what} fits {len(matches)} addresses.", hint=hint) from None
            if not matches:
                raise
            return Address.parse(matches[0])

    def _of_run(self, name: str, path: str, what: str) -> ResolvedReference | None:
        """An output, or anything else that a run had at the path; None where there is no such
        run."""
        if path.startswith(("./", "../")):
            path = self.paths(path)[0]
        path = os.path.normpath(path)
        if self.repository is not None and (commit := self._commit(name)) is not None:
            document = _document(self.repository, commit)
            run = document.run if document else name
            address = self._output(document, path) if document else None
            address = address or self._committed(commit, path)
        else:
            jobs_there = JobIndex.read(self.archive)
            runs = sorted({job.run for job in jobs_there.jobs})
            again = {run for run in runs if name in run_names.LATEST and jobs_there.reproduces(run)}
            own = name.removeprefix(run_commit.TAGS)
            fits = run_names.fitting(runs, own, reproductions=again) if name else []
            if not fits:
                return None
            run, document, address = run_names.only(fits, name, what="run"), None, None
        if address is None:
            jobs = [job for job in self._mentioning([path]).jobs if job.run == run]
            address = self._written(jobs, path)
        if address is None:
            paths = [output.path for output in document.outputs] if document else []
            near = difflib.get_close_matches(path, paths) or sorted(paths)[:10]
            raise UsageError(
                f"{name} has nothing at {path}: {what}",
                hint="It has: " + ", ".join(near) if near else None,
            )
        return ResolvedReference(what=what, address=address, path=path, run=run)

    def _commit(self, name: str) -> str | None:
        assert self.repository is not None
        listed = run_names.Runs.of(self.repository)
        by_id, again = listed.by_id, listed.reproductions
        for each in by_id.values():
            if name in each.tags:
                return each.commit
        own = name.removeprefix(run_commit.TAGS)
        if name and (fits := run_names.fitting(by_id, own, reproductions=again)):
            return by_id[run_names.only(fits, name, what="run")].commit
        try:
            return self.repository.commit_of(name)
        except GitError:
            return None

    def _output(self, document: RunDocument, path: str) -> Address | None:
        """From what a run's document says."""
        trees = {}
        for output in document.outputs:
            if path in (output.path, output.storage.removeprefix("gitbatch://")):
                return Address.parse(output.address)
            if output.is_tree:
                trees[output.path] = output.address
        for above, inner in folders_above(path):
            if above in trees and (address := self._member(trees[above], inner)) is not None:
                return address
        return None

    def _committed(self, commit: str, path: str) -> Address | None:
        """What the commit has there: a link into the archive, a file, or a folder of links."""
        assert self.repository is not None
        listed = list(trees.entries(self.repository, commit, f":(literal,top){path}"))
        wanted = (each.id for each in listed if each.path == path or each.mode == trees.LINK)
        texts = objects.contents(self.repository, wanted)
        entries = []
        for each in listed:
            data = texts.get(each.id, b"")  # none of a submodule
            linked = layout.linked_object(os.fsdecode(data)) if each.mode == trees.LINK else None
            if each.path == path:
                return (
                    linked.address if linked else hashing.hash_bytes(data, self.archive.algorithm)
                )
            if linked is None:
                return None
            entries.append(
                manifests.Entry(
                    kind="f",
                    path=each.path.removeprefix(f"{path}/"),
                    executable=linked.executable,
                    size=self.archive.size(linked),
                    digest=linked.digest,
                )
            )
        return manifests.address(entries, self.archive.algorithm) if entries else None

    def _of_records(self, what: str) -> ResolvedReference:
        """What the last job wrote, or else read, at a path that is not in the folder; if need be
        one of a commit that this repository does not have."""
        for path in self.paths(what):
            mentioning = self._mentioning([path])
            # What a run of its own has made goes before what came of making it again.
            jobs = sorted(mentioning.jobs, key=lambda job: not mentioning.reproduces(job.run))
            here = self.known_here(jobs)
            for some in ([job for job in jobs if job.commit in here], jobs):
                for job in reversed(some):
                    if (address := self._written([job], path)) is not None:
                        return ResolvedReference(what=what, address=address, path=path, run=job.run)
                for each in (each for job in reversed(some) for each in job.inputs):
                    if each.path == path:
                        return ResolvedReference(
                            what=what, address=Address.parse(each.address), path=path
                        )
        raise NotInArchiveError(
            f"Nothing is called {what}: it is no address and no file that is there, and no job has "
            "written or read it.",
            hint="RUN:PATH names an output of a run. To see what there is: gitbatch archive ls",
        )

    def _mentioning(self, paths: Sequence[str]) -> JobIndex:
        above = {folder for path in paths for folder, _ in folders_above(path)}
        return JobIndex.read(self.archive, {*paths, *above})

    def _written(self, jobs: Sequence[IndexedJob], path: str) -> Address | None:
        """What the last of the jobs wrote at a path, or in an output folder above it."""
        for job in reversed(jobs):
            for output in job.outputs:
                if (member := member_at(self.archive, output, path)) is not None:
                    return Address.parse(member[0])
        return None

    def _member(self, address: str, path: str) -> Address | None:
        member = member_of(self.archive, address, path)
        return None if member is None else Address.parse(member[0])


def member_at(archive: Archive, output: IndexedFile, path: str) -> tuple[str, int | None] | None:
    """Address and size in bytes of what a job wrote at `path`: its output, or a file in its output
    folder."""
    if output.path == path:
        return output.address, output.size
    if output.kind == "tree" and path.startswith(f"{output.path}/"):
        return member_of(archive, output.address, path[len(output.path) + 1 :])
    return None


def member_of(archive: Archive, address: str, path: str) -> tuple[str, int | None] | None:
    """Address and size in bytes of a file in a tree; None where it has none, or cannot be read."""
    try:
        entries = archive.manifest(Address.parse(address))
    except GitbatchError:
        return None
    for entry in entries:
        if entry.kind == "f" and entry.path == path:
            return f"{archive.algorithm}:{entry.digest}", entry.size
    return None


def _document(repository: Repository, commit: str) -> RunDocument | None:
    """None where the commit is no run commit."""
    try:
        return run_commit.read(repository, commit)
    except GitbatchError:
        return None
