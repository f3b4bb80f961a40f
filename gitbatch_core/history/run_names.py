"""Which run a user means: by its id, an end of it, a tag, a commit, or as the latest one.

The latest one is no reproduction: these are runs too, but of what another run has made.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterable, Sequence
from dataclasses import dataclass, replace

from gitbatch_core.errors import GitbatchError, UsageError
from gitbatch_core.git import refs
from gitbatch_core.git.refs import Ref
from gitbatch_core.git.repository import Repository
from gitbatch_core.model.run_document import RunDocument, reproduced_run
from gitbatch_core.run import lease, run_commit
from gitbatch_core.run.lease import Owner
from gitbatch_core.run.run_commit import OF_RUN, REFS

KEPT = "refs/gitbatch/keep/"
NOTES = "refs/notes/gitbatch"
LATEST = ("last", "@")

_TAGS = "refs/tags/"
_ID_BEGINNING = re.compile(r"\d{4,8}|\d{8}-\d{0,6}|\d{8}-\d{6}-[0-9a-f]{0,4}")
_MOST_LISTED = 10


@dataclass(frozen=True, kw_only=True)
class ListedRun:
    """A run that this repository knows."""

    run: str
    commit: str | None = None
    """The run commit, or another one that holds its document; None: the run has not ended."""
    refs: tuple[Ref, ...] = ()
    """The run's own ref, and all tags that lead to the run commit."""
    kept: Ref | None = None
    """The mark that keeps it from being removed."""
    owner: Owner | None = None
    """Of a run that has not ended."""
    reproduces: str | None = None
    """The run that it was to make again."""

    @property
    def tags(self) -> list[str]:
        """The names of tags that lead to the run commit."""
        return [ref.name[len(_TAGS) :] for ref in self.refs if ref.name.startswith(_TAGS)]

    def ended(self) -> str:
        """The commit that holds its document. Raises UsageError where it has not ended."""
        if self.commit is None:
            raise UsageError(
                f"Run {self.run} has not ended: it has no results yet.",
                hint=f"gitbatch runs attach {self.run}  # shows what it prints",
            )
        return self.commit


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The runs of a repository, as they were when they were listed."""

    repository: Repository
    by_id: dict[str, ListedRun]
    """Sorted by id, so by time."""

    @classmethod
    def of(cls, repository: Repository) -> Runs:
        """All runs: those with a ref of their own, with a tag, and those that go on or were lost.

        Raises GitError.
        """
        by_id: dict[str, ListedRun] = {}
        marks: dict[str, Ref] = {}
        for ref in refs.listed(repository, REFS, _TAGS, KEPT):
            of_run = OF_RUN.findall(ref.message)
            if not of_run:
                continue
            run = of_run[-1]
            if ref.name.startswith(KEPT):
                marks[run] = ref
                continue
            reproduces = run_commit.reproduced_in(ref.message)
            new = ListedRun(run=run, commit=ref.commit, reproduces=reproduces)
            ended = by_id.setdefault(run, new)
            if ended.commit == ref.commit:
                by_id[run] = replace(ended, refs=(*ended.refs, ref))
        for run in marks.keys() & by_id.keys():
            by_id[run] = replace(by_id[run], kept=marks[run])
        for owner in lease.owners(repository):
            open_run = ListedRun(run=owner.run, owner=owner, reproduces=_reproduced_by(owner))
            by_id.setdefault(owner.run, open_run)
        return cls(repository=repository, by_id=dict(sorted(by_id.items())))

    def one(self, name: str) -> ListedRun:
        """The run that `name` means. Raises UsageError, naming all where there are several."""
        for run in self.by_id.values():
            if name in run.tags:
                return run
        if name and (fits := fitting(self.by_id, name, reproductions=self.reproductions)):
            return self.by_id[only(fits, name, what="run")]
        return self._at_commit(name)

    @property
    def reproductions(self) -> set[str]:
        """The ids of those runs that were to make another one again."""
        return {name for name, run in self.by_id.items() if run.reproduces}

    def some(self, names: Iterable[str]) -> list[ListedRun]:
        """The runs that `names` mean, ranges `A..B` among them, each once and sorted by id.

        Raises UsageError, also for a range without a run.
        """
        chosen: dict[str, ListedRun] = {}
        for name in names:
            meant = self._range(name) if ".." in name else [self.one(name)]
            chosen |= {run.run: run for run in meant}
        return [run for _, run in sorted(chosen.items())]

    def documents(self, runs: Iterable[ListedRun]) -> dict[str, RunDocument]:
        """run.json of those that have ended, by id; those that cannot be read are left out."""
        revisions = [each.commit for each in runs if each.commit is not None]
        return {each.run: each for each in run_commit.read_all(self.repository, revisions)}

    def _range(self, name: str) -> list[ListedRun]:
        first, _, last = name.partition("..")
        first, last = self._end(first), self._end(last)
        within = [
            each
            for run, each in self.by_id.items()
            if first <= run and (not last or run <= last or run.startswith(last))
        ]
        if not within:
            raise UsageError(f"There is no run in {name}.", hint=_HINT)
        return within

    def _end(self, name: str) -> str:
        """The id, or the beginning of ids, that ends a range."""
        if not name or (_ID_BEGINNING.fullmatch(name) and not self._is_ending(name)):
            return name
        return self.one(name).run

    def _is_ending(self, name: str) -> bool:
        """Whether ids end so and none begins so: four digits may be both."""
        return any(run.endswith(name) for run in self.by_id) and not any(
            run.startswith(name) for run in self.by_id
        )

    def _at_commit(self, name: str) -> ListedRun:
        nothing = UsageError(f"There is no run called {name!r}.", hint=_HINT)
        try:
            commit = self.repository.commit_of(name)
        except GitbatchError:
            raise nothing from None
        try:
            run = run_commit.read(self.repository, commit).run
        except GitbatchError as error:
            raise UsageError(
                f"{name} is a commit, but not of a run: it has no {run_commit.PATH}.", hint=_HINT
            ) from error
        listed = self.by_id.get(run)
        return listed if listed and listed.commit else ListedRun(run=run, commit=commit)


_HINT = (
    "gitbatch runs ls --all shows all runs; git fetch --tags gets those of other clones; failed "
    f"ones, too: git fetch REMOTE '{REFS}*:{REFS}*'"
)


def fitting(
    runs: Collection[str], name: str, *, reproductions: Container[str] = frozenset()
) -> list[str]:
    """Of these ids, those that `name` means: itself, or where it begins or ends so. Of those in
    `reproductions`, none is the latest."""
    if name in LATEST:
        return sorted(run for run in runs if run not in reproductions)[-1:]
    if name in runs:
        return [name]
    return [run for run in runs if run.startswith(name) or run.endswith(name)]


def only(fits: Sequence[str], name: str, *, what: str) -> str:
    """The one that fits. Raises UsageError where several do, and lists them."""
    if len(fits) > 1:
        listed = ", ".join(fits[-_MOST_LISTED:])
        raise UsageError(
            f"Which {what}? {name!r} fits {len(fits)}: "
            + ("…, " if len(fits) > _MOST_LISTED else "")
            + listed,
            hint="Name one by its id.",
        )
    return fits[0]


def _reproduced_by(owner: Owner) -> str | None:
    """The run that a run which has not ended is to make again."""
    return reproduced_run(owner.about.get("reproduces"), owner.about.get("message"))


def open_run(owners: Sequence[Owner], name: str, *, what: str) -> Owner:
    """Of runs that have not ended, the one that `name` means; without a name the only one. `what`:
    for the message. Raises UsageError."""
    by_id = {each.run: each for each in owners}
    reproductions = {each.run for each in owners if _reproduced_by(each)}
    if not (fits := fitting(by_id, name, reproductions=reproductions)):
        raise UsageError(
            f"There is no {what}" + (f" called {name!r}." if name else "."),
            hint=f"There are: {', '.join(by_id)}" if by_id else "gitbatch runs shows all runs.",
        )
    return by_id[only(fits, name, what=what)]
