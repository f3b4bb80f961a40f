"""The run that is to be reproduced: found by its name; whether it can be had again from here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gitbatch_core.archive.layout import Address, linked_object
from gitbatch_core.archive.store import Archive
from gitbatch_core.archive.walk import inside
from gitbatch_core.errors import GitError, NotInArchiveError, UsageError
from gitbatch_core.git import commits, objects, trees
from gitbatch_core.git import worktree as worktrees
from gitbatch_core.git.repository import Repository, decode
from gitbatch_core.git.worktree import Worktree
from gitbatch_core.history.run_names import Runs
from gitbatch_core.model.run_document import RunDocument
from gitbatch_core.run import run_commit
from gitbatch_core.wording import listed

_MOST_NAMED = 10


@dataclass(frozen=True, kw_only=True)
class OriginalRun:
    """A run that has ended."""

    repository: Repository
    commit: str
    """The run commit."""
    document: RunDocument

    @classmethod
    def find(cls, repository: Repository, name: str) -> OriginalRun:
        """The run that `name` means, as for `gitbatch runs`.

        Raises UsageError where there is none, GitError where its source commit is missing.
        """
        commit = Runs.of(repository).one(name).ended()
        document = run_commit.read(repository, commit)
        source = document.source_commit
        if not commits.exists(repository, source):
            raise GitError(
                f"The source commit {source[:10]} of run {document.run} is not in this repository.",
                hint=repository.how_to_fetch(),
            )
        return cls(repository=repository, commit=commit, document=document)

    @property
    def run(self) -> str:
        return self.document.run

    @property
    def source(self) -> str:
        """The commit whose code made the results."""
        return self.document.source_commit

    @property
    def archive_hint(self) -> str:
        """What to do where another archive than the run's does not have all."""
        return f"Name the archive of the run, {self.document.archive}, with --archive PATH."

    @property
    def folder(self) -> str:
        """Where Snakemake worked, relative to the top."""
        return self.document.folder

    def paths(self, targets: Iterable[str]) -> set[str] | None:
        """The recorded outputs that these targets, paths or rules, ask for; None: all there are.

        A path that was never made stands for itself.
        """
        rules = {output.path: output.rule for output in self.document.outputs}
        paths: set[str] = set()
        for target in targets:
            path = self._relative(target)
            of_rule = {path for path, rule in rules.items() if rule == target}
            if not of_rule and path not in rules and target.isidentifier():
                return None  # a rule that only collects
            paths |= of_rule or {path}
        return paths or None

    def _relative(self, target: str) -> str:
        top = self.document.repository
        if top and target.startswith(f"{top}/"):
            return os.path.normpath(target[len(top) + 1 :])
        return os.path.normpath(os.path.join(self.folder, target))

    def input_links(self) -> dict[str, str]:
        """Frozen inputs that the source commit lacks: path relative to the top -> link's text."""
        return {
            path: decode(objects.blob(self.repository, f"{self.commit}:{path}"))
            for path in self.document.input_links
        }

    def before_updates(self) -> dict[str, str]:
        """Of outputs that were changed in place: what they were before, by path to the top."""
        return {
            job.at(path): address
            for job in self.document.jobs.values()
            for path, address in job.updated.items()
        }

    def check(self, archive: Archive, targets: Sequence[str]) -> None:
        """Raise UsageError where what it read cannot be had, NotInArchiveError, or where an attempt
        would write over what lies elsewhere."""
        for output in self.document.outputs:
            if Address.parse(output.address).algorithm != archive.algorithm:
                raise UsageError(
                    f"Run {self.run} was hashed with another algorithm than {archive.algorithm}, "
                    f"that of the archive {archive.root}: addresses cannot be compared.",
                    hint=self.archive_hint,
                )
        self._check_stored(targets)
        missing = sorted(self._missing(archive, self._needed(self.paths(targets))))
        if missing:
            raise NotInArchiveError(
                f"The archive {archive.root} does not have these frozen inputs of run {self.run}:\n"
                + listed(missing, _MOST_NAMED),
                hint=self.archive_hint,
            )

    def _check_stored(self, targets: Sequence[str]) -> None:
        needed = self._needed(self.paths(targets))
        stored = [
            output.storage
            for output in self.document.outputs
            if output.storage and (needed is None or output.path in needed)
        ]
        if stored:
            raise UsageError(
                "These outputs lie in a storage, and what is there would be overwritten:\n"
                + "\n".join(f"  {query}" for query in stored[:_MOST_NAMED]),
                hint="Name as targets those outputs that can be made without them.",
            )

    def _needed(self, asked: set[str] | None) -> set[str] | None:
        """What is asked for and all that it is made from, as far as records say."""
        if asked is None:
            return None
        reads = {
            output: job.inputs(member)
            for job in self.document.jobs.values()
            for output, member in job.makers().items()
        }
        waiting, needed = list(asked), set(asked)
        while waiting:
            new = set(reads.get(waiting.pop(), ())) - needed
            needed |= new
            waiting += new
        return needed

    def inputs(self, targets: Sequence[str]) -> set[str]:
        """What is read for these targets, as far as that is known."""
        needed = self._needed(self.paths(targets))
        if needed is not None:
            return needed
        return {
            path
            for job in self.document.jobs.values()
            for member in job.members
            for path in job.inputs(member)
        }

    def check_pointers(self, worktree: Worktree, targets: Sequence[str]) -> None:
        """Raise GitError where the repository lacks the content of inputs that are pointers in
        `worktree`, one of the source commit."""
        is_needed = inside(self.inputs(targets))
        missing = {p: e for p, e in worktrees.withheld(worktree).items() if is_needed(p)}
        if missing:
            raise GitError(
                f"The repository does not have the content of these inputs of run {self.run}, to "
                "which the commit has pointers:\n" + listed(missing, _MOST_NAMED),
                hint="Fetch it:\n"
                + "\n".join(dict.fromkeys(e.fetch_at(self.source) for e in missing.values())),
            )

    def _missing(self, archive: Archive, needed: set[str] | None) -> set[str]:
        """Links whose objects are not there, of inputs that are needed as far as that is known."""
        frozen = self.input_links()
        if needed is None:
            needed = self.inputs(()) | frozen.keys()
        outputs = {output.path for output in self.document.outputs}
        return {
            path
            for path, text in (trees.links(self.repository, self.source) | frozen).items()
            if path in needed - outputs
            and (name := linked_object(text)) is not None
            and not os.path.lexists(archive.path(name))
        }
