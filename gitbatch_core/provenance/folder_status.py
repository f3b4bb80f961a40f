"""What the results in a work tree are: made by the code of HEAD, or of what else.

From links, the documents of runs and git's trees; Snakemake is not asked. A result is compared with
HEAD's source commit: its code, and its inputs as the folder has them now.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from gitbatch_core.archive import hashing, layout, manifests
from gitbatch_core.archive.store import Archive
from gitbatch_core.archive.walk import below, files_below, folders_above, inside
from gitbatch_core.errors import GitbatchError
from gitbatch_core.git import work_tree_status
from gitbatch_core.git import worktree as worktrees
from gitbatch_core.git.repository import Repository
from gitbatch_core.history.origins import Origin, Origins
from gitbatch_core.history.recorded_outputs import job_inputs, member_of
from gitbatch_core.model.documents import Document
from gitbatch_core.model.job_documents import reproduced_run
from gitbatch_core.provenance.folder_links import FOREIGN, InPlace
from gitbatch_core.provenance.job_index import Jobs
from gitbatch_core.run import run_commit, undeclared_entries
from gitbatch_core.run.code_difference import CodeDifferences
from gitbatch_core.run.tainted import TAINTED, TaintedRuns

CURRENT = "current"
OTHER_CODE = "other code"
OTHER_INPUTS = "other inputs"
CHANGED = "changed by hand"
DANGLING = "dangling"
UNKNOWN = "unknown origin"
MISSING = "missing"
STATES = (CURRENT, OTHER_CODE, OTHER_INPUTS, TAINTED, CHANGED, DANGLING, UNKNOWN, MISSING)

_MOST_OTHERS = 20
"""Runs in other work trees that are passed over."""
_FEW = 100
"""Addresses that are worth looking for one by one in the archive's records."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Of one result."""

    path: str
    """Relative to the top of the work tree."""
    rule: str = ""
    wildcards: Mapping[str, str] = field(default_factory=dict)
    state: str
    address: str | None = None
    """Of what is there."""
    commit: str = ""
    """Whose code made that; empty where nobody knows."""
    snapshot: bool = False
    """Whether that commit is one of uncommitted changes."""
    run: str = ""
    """Whose job made it."""
    files: tuple[str, ...] | None = ()
    """In which the code of that commit differs; None where that commit is not here."""
    inputs: tuple[str, ...] = ()
    """That are not what it was made from, or are stale themselves."""

    def as_json(self) -> dict[str, Any]:
        found = dict(vars(self)) | {"wildcards": dict(self.wildcards)}
        return found | {"files": None if self.files is None else list(self.files)}


@dataclass(frozen=True, kw_only=True)
class Status:
    """Of the results in a work tree."""

    head: str
    source: str
    """HEAD's source commit: HEAD itself, unless that is a run commit."""
    run: str
    """The latest run whose results are looked for; empty where no run is known."""
    edited: tuple[str, ...]
    """Tracked files of code that are not as HEAD has them."""
    archive: Path | None
    """None: it is out of reach."""
    results: tuple[Standing, ...]
    """Sorted by path."""

    @property
    def is_current(self) -> bool:
        """Whether all is as HEAD would have it."""
        return all(each.state == CURRENT for each in self.results)

    def as_json(self) -> dict[str, Any]:
        states = [each.state for each in self.results]
        return dict(vars(self)) | {
            "archive": None if self.archive is None else str(self.archive),
            "edited": list(self.edited),
            "states": {state: states.count(state) for state in STATES},
            "results": [each.as_json() for each in self.results],
        }


def status(repository: Repository, archive: Archive | None) -> Status:
    """Look. `archive`: None where it is out of reach. Raises GitError."""
    head = repository.commit_of("HEAD")
    source = run_commit.source_of(repository, head)
    origins = Origins.of(repository, head, source)
    elsewhere = frozenset() if head != source else worktrees.others(repository)
    known = _known(origins, elsewhere)
    latest = origins.read[0] if origins.read else {}
    look = _Look(
        repository=repository,
        source=source,
        origins=origins,
        in_place=InPlace.of(repository.top, archive),
        known=known,
    )
    results = look.results()
    return Status(
        head=head,
        source=source,
        run=str(latest.get("run", "")),
        edited=tuple(sorted(look.differences.code_among(look.edited))),
        archive=None if archive is None else archive.root,
        results=tuple(sorted(results, key=lambda each: each.path)),
    )


def _known(origins: Origins, elsewhere: frozenset[str]) -> dict[str, Document]:
    """The outputs that belong into the folder, by path: of the latest run, and where that has not
    succeeded, of those before it, to the last that has. Runs in the folders `elsewhere` count only
    where there is no other."""
    found: dict[str, Document] = {}
    workflow: tuple[Any, ...] | None = None
    others: list[Document] = []
    while len(others) < _MOST_OTHERS and origins.read_more():
        run = origins.read[-1]
        if reproduced_run(run):  # it was made elsewhere
            continue
        if run.get("repository") in elsewhere:
            others.append(run)
            continue
        own = run.get("folder"), run.get("snakefile")
        workflow = workflow or own
        if own == workflow:
            for output in run.get("outputs", ()):
                found.setdefault(output["path"], output)
        if own == workflow and run.get("outcome") == "succeeded":
            break
    if workflow is None and others:
        found = {output["path"]: output for output in others[0].get("outputs", ())}
    return found


@dataclass(kw_only=True)
class _Look:
    repository: Repository
    source: str
    origins: Origins
    in_place: InPlace
    known: dict[str, Document]
    """Outputs that belong into the folder, by path."""
    _found: dict[str, Standing] = field(default_factory=dict)
    _origins: dict[str, Origin] = field(default_factory=dict)
    """Of results that lie in the folder, by path."""
    _inputs: dict[str, dict[str, str | None]] = field(default_factory=dict)
    """Of these, what they were made from."""
    _stale: dict[str, dict[str, None]] = field(default_factory=dict)
    """And what of that is something else now, or stale itself."""
    _plain: dict[str, str | None] = field(default_factory=dict)

    @cached_property
    def _tainted(self) -> TaintedRuns:
        archive = self.in_place.archive
        return TaintedRuns(root=None if archive is None else archive.root)

    def results(self) -> list[Standing]:
        """All results: those that belong here, and others that lie here."""
        # First all documents that it takes are read: then it is known what is no code.
        lying = {path: self._address(path, output) for path, output in self.known.items()}
        lying |= {path: self.in_place.links[path] for path in self._others()}
        for path, address in lying.items():
            if address not in (None, FOREIGN) and (o := self.origins.find(path, address)):
                self._origins[path] = o
        self._ask_records(lying)
        others = self._frozen.union(path for path, _ in self._undeclared)
        for path, address in lying.items():
            if path in self.known or path in self._origins or path not in others:
                self._found[path] = self._standing(path, address)
        self._look_at_inputs()
        for path, inputs in self._stale.items():
            found = self._found[path]
            self._found[path] = replace(found, inputs=tuple(inputs))
        return list(self._found.values())

    # ------------------------------------------------------------------ what lies there

    def _address(self, path: str, output: Document) -> str | None:
        expected, is_tree = str(output["address"]), output["kind"] == "tree"
        if is_tree and self.in_place.is_tree(path, expected):
            return expected
        found = self.in_place.address(path, folder=is_tree)
        if found == FOREIGN and self._is_thawed(path, expected, output.get("size")):
            return expected
        return found

    def _is_thawed(self, path: str, address: str, size: int | None) -> bool:
        """Whether files that git tracks lie there and have the same bytes; these are read where
        the size is the same."""
        here, archive = self.repository.top / path, self.in_place.archive
        if path not in self._tracked and next(below(path, self._tracked_names), None) is None:
            return False
        files = [here] if here.is_file() else files_below(here)
        try:
            if size is None or sum(file.stat().st_size for file in files) != size:
                return False
            if here.is_file():
                algorithm = layout.Address.parse(address).algorithm
                return str(hashing.hash_file(here, algorithm)[0]) == address
            entries = archive.describe_tree(here) if archive and here.is_dir() else ()
            return (
                archive is not None
                and str(manifests.address(entries, archive.algorithm)) == address
            )
        except (GitbatchError, OSError):
            return False

    def _others(self) -> Iterator[str]:
        """Links into the archive that the last run has not made, and git does not track."""
        belongs = inside(self.known)
        here = [path for path in self.in_place.links if not belongs(path)]
        tracked = work_tree_status.tracked(self.repository.top) if here else frozenset()
        frozen, left = self._frozen, self._undeclared
        return (
            path
            for path in here
            if path not in tracked
            and path not in frozen
            and (path, self.in_place.links[path]) not in left
        )

    @property
    def _frozen(self) -> frozenset[str]:
        """Inputs that the runs whose documents were read so far had as links of their own."""
        return frozenset(path for run in self.origins.read for path in run.get("input_links", ()))

    @property
    def _undeclared(self) -> set[tuple[str, str]]:
        """By path and address: what the jobs of these runs have left beside their outputs."""
        return {
            (entry["path"], entry["address"])
            for run in self.origins.read
            for entry in undeclared_entries.kept(run)
        }

    def _ask_records(self, lying: Mapping[str, str | None]) -> None:
        """The archive's own: of jobs of a run that has not ended, or of another clone's."""
        archive = self.in_place.archive
        known = self._origins.keys() | self._frozen
        wanted = {
            (path, address)
            for path, address in lying.items()
            if address not in (None, FOREIGN) and path not in known
        }
        if archive is None or not wanted:
            return
        addresses = {str(address) for _, address in wanted}
        jobs = Jobs.read(archive, addresses if len(addresses) <= _FEW else ())
        for job in jobs.jobs:
            made = [each for each in job.outputs if (each.path, each.address) in wanted]
            with contextlib.suppress(OSError, ValueError):
                record = jobs.record(job) if made else {}
                for each in made:
                    output = {"path": each.path, "address": each.address, "kind": each.kind}
                    self._origins[each.path] = Origin(output=output, job=record, run={})

    def _standing(self, path: str, address: str | None) -> Standing:
        """What the result is by itself."""
        output, origin = self.known.get(path, {}), self._origins.get(path)
        member = member_of(origin.job, path) if origin else {}
        files: tuple[str, ...] | None = ()
        if origin is not None and origin.job:
            files = origin.files(self.differences, self.source)
        if address is None:
            kind = MISSING
        elif self.in_place.is_dangling(path):
            kind = DANGLING
        elif origin is not None and origin.job:
            own = TAINTED if self._tainted.have_made(origin.job, origin.run) else CURRENT
            kind = own if files == () else OTHER_CODE
        elif address == FOREIGN and path in self._of_head:
            kind = CURRENT
        elif origin is not None or path not in self.known:
            kind = UNKNOWN
        else:
            kind = CHANGED
        return Standing(
            path=path,
            rule=str(output.get("rule") or member.get("rule") or ""),
            wildcards=output.get("wildcards") or member.get("wildcards") or {},
            state=kind,
            address=None if address == FOREIGN else address,
            commit=origin.commit if origin else "",
            snapshot=origin is not None and origin.is_snapshot,
            run=str(origin.job.get("run", "")) if origin else "",
            files=files,
        )

    # ------------------------------------------------------------------ what it was made from

    def _look_at_inputs(self) -> None:
        """Find results that were made from something else than is there now, or from stale ones."""
        makes: dict[str, list[str]] = {}
        for path, origin in self._origins.items():
            member = member_of(origin.job, path)
            for name, address in job_inputs(origin.job, member).items():
                maker = self._result_at(name)
                if maker is not None:
                    makes.setdefault(maker, []).append(path)
                if self._is_other(name, address):
                    self._mark(path, name)
        bad = (OTHER_CODE, OTHER_INPUTS, TAINTED)
        waiting = [
            path
            for path, each in self._found.items()
            if each.state in bad or (each.state == UNKNOWN and path in self.known)
        ]
        while waiting:
            stale = waiting.pop()
            for path in makes.get(stale, ()):
                before = self._found[path].state
                self._mark(path, stale, unless=OTHER_CODE)
                if before == CURRENT:
                    waiting.append(path)

    def _mark(self, path: str, name: str, *, unless: str = "") -> None:
        self._stale.setdefault(path, {})[name] = None
        found = self._found[path]
        if found.state in (CURRENT, OTHER_CODE) and found.state != unless:
            self._found[path] = replace(found, state=OTHER_INPUTS)

    def _result_at(self, path: str) -> str | None:
        """The result that the path is, or lies in."""
        if path in self._found:
            return path
        return next((above for above, _ in folders_above(path) if above in self._found), None)

    def _is_other(self, path: str, address: str | None) -> bool:
        """Whether an input is surely not what it was. What is gone, temporary or outside of the
        repository is taken for the same."""
        if address is None or os.path.isabs(path):
            return False
        if (result := self._found.get(path)) is not None:
            return result.state == CHANGED or result.address not in (None, address)
        if path not in self._plain:
            self._plain[path] = self._address_of(path)
        return self._plain[path] not in (None, address)

    def _address_of(self, path: str) -> str | None:
        """Of an input; None where it is as it was in all commits that matter, or cannot be read."""
        if (linked := self.in_place.links.get(path)) is not None:
            return linked
        if path not in self._may_differ:
            return None
        here, archive = self.repository.top / path, self.in_place.archive
        algorithm = archive.algorithm if archive else layout.DEFAULT_ALGORITHM
        with contextlib.suppress(GitbatchError, OSError):
            if here.is_file():
                return str(hashing.hash_file(here, algorithm)[0])
            if here.is_dir() and archive is not None:
                return str(manifests.address(archive.describe_tree(here), algorithm))
        return None

    @cached_property
    def _may_differ(self) -> frozenset[str]:
        """Paths where git has another content than some result was made from, or than the folder
        has; links; and the folders of these."""
        commits = {origin.commit for origin in self._origins.values()} - {"", self.source}
        found = set(self.edited).union(self.in_place.links)
        for commit in commits:
            found.update(self.differences.all_files(commit, self.source) or ())
        return frozenset(found.union(above for path in found for above, _ in folders_above(path)))

    # ------------------------------------------------------------------ what HEAD has

    @cached_property
    def differences(self) -> CodeDifferences:
        """As the runs that are known see the code."""
        return CodeDifferences(repository=self.repository, is_output=self._is_product)

    @cached_property
    def _is_product(self) -> Callable[[str], bool]:
        return inside(run_commit.products(self.origins.read))

    @cached_property
    def _modified(self) -> list[str]:
        return work_tree_status.modified(self.repository)

    @cached_property
    def edited(self) -> tuple[str, ...]:
        """Tracked files that are not as HEAD has them, but for results."""
        return tuple(path for path in self._modified if not self._is_product(path))

    @cached_property
    def _tracked(self) -> frozenset[str]:
        return work_tree_status.tracked(self.repository.top)

    @cached_property
    def _tracked_names(self) -> list[str]:
        return sorted(self._tracked)

    @cached_property
    def _of_head(self) -> frozenset[str]:
        """Tracked files that are as HEAD has them."""
        return self._tracked.difference(self._modified)
