"""The graph of data and jobs: what something comes from, and what was made from it.

Data is told apart by path and address together, so that a copy has another place in the graph than
what it was copied from. Executions of the same job, on the same inputs with the same results, are
one step.
"""

from __future__ import annotations

import os
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from gitbatch_core.archive.layout import Address
from gitbatch_core.errors import GitbatchError
from gitbatch_core.log import suppressed
from gitbatch_core.provenance import listing
from gitbatch_core.provenance.job_index import IndexedFile, IndexedJob, JobIndex

if TYPE_CHECKING:
    from gitbatch_core.archive import manifests
    from gitbatch_core.archive.store import Archive

KEPT, TEMPORARY, LOST = "kept", "temporary", "lost"
"""States of what a job made: in the archive; never meant to be; no longer."""
FROZEN, COMMIT, OUTSIDE = "frozen", "commit", "outside"
"""States of what no job made: in the archive; not there, so a file of the jobs' commit; an absolute
path."""
PARSE_TIME = "parse time"
"""The same, in the archive: a workflow wrote it while it was read."""

MEMBER, SAME = "member", "same bytes"
"""How data comes from data: as a file of a folder; a job has made the same bytes at another
path."""


class Datum(NamedTuple):
    """A file or folder: a node of the graph."""

    path: str
    address: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DatumFacts:
    """What is known of a datum."""

    kind: str
    """`file` or `tree`."""
    size: int | None
    """Bytes; None where nobody knows."""
    state: str
    log: bool


@dataclass(kw_only=True, slots=True)
class Step:
    """A job, with all its executions: a node of the graph."""

    jobs: list[IndexedJob]
    """The earliest first; the same inputs, command and outputs."""
    shown: IndexedJob
    """The one that made what was asked for, as far as times tell."""
    inputs: dict[Datum, None] = field(default_factory=dict)
    outputs: dict[Datum, None] = field(default_factory=dict)
    """Of both, those that are part of the graph, in their order."""


@dataclass(kw_only=True)
class Graph:
    """See the module."""

    start: list[Datum]
    data: dict[Datum, DatumFacts] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    links: dict[tuple[Datum, Datum], str] = field(default_factory=dict)
    """From where to where -> MEMBER or SAME."""
    levels: dict[Datum, int] = field(default_factory=dict)
    """How many jobs lie between the start and a datum; negative upstream."""


@dataclass(kw_only=True)
class Tracer:
    """Builds the graph."""

    archive: Archive
    jobs: JobIndex
    depth: int | None = None
    """How many jobs to follow; None: all."""
    graph: Graph = field(init=False)
    _steps: dict[object, Step] = field(default_factory=dict)
    _executions: dict[object, list[IndexedJob]] = field(default_factory=lambda: defaultdict(list))
    _signatures: dict[str, object] = field(default_factory=dict)
    _manifests: dict[str, dict[str, manifests.Entry]] = field(default_factory=dict)

    def start(self, address: str, path: str = "", run: str = "") -> None:
        """Begin with this; without a path, with all paths that jobs know it by. `run`: whose
        output it is, where it was named."""
        files = [
            f for pairs in (self.jobs.makers, self.jobs.users) for _, f in pairs.get(address, ())
        ]
        names = [f.path for f in files if not f.log] or [f.path for f in files] or [""]
        self.graph = Graph(
            start=[Datum(p, address) for p in ([path] if path else dict.fromkeys(names))]
        )
        for job in self.jobs.jobs:
            self._executions[self._signature(job)].append(job)
        self._run = run
        for datum in self.graph.start:
            self._facts(datum)

    def upstream(self) -> None:
        """Add all that the start comes from, down to what no job made."""
        waiting = deque((datum, "", 0) for datum in self.graph.start)
        seen: set[Datum] = set()
        while waiting:
            datum, before, level = waiting.popleft()
            if datum in seen:
                continue
            seen.add(datum)
            self._facts(datum)
            self.graph.levels.setdefault(datum, -level)
            if (maker := self._maker(datum, before)) is not None:
                if self.depth is not None and level >= self.depth:
                    continue
                step = self._step(maker)
                step.outputs[datum] = None
                inputs = [Datum(each.path, each.address) for each in maker.inputs]
                step.inputs.update(dict.fromkeys(inputs))
                waiting.extend((each, maker.started, level + 1) for each in inputs)
            else:
                for origin, how in self._origins(datum, before):
                    self._link(origin, datum, how)
                    waiting.appendleft((origin, before, level))

    def downstream(self) -> None:
        """Add all that was made from the start."""
        waiting = deque((datum, 0) for datum in self.graph.start)
        seen: set[Datum] = set()
        while waiting:
            datum, level = waiting.popleft()
            if datum in seen:
                continue
            seen.add(datum)
            self._facts(datum)
            self.graph.levels.setdefault(datum, level)
            if self.depth is not None and level >= self.depth:
                continue
            for job, each in self.jobs.users.get(datum.address, ()):
                used = Datum(each.path, each.address)
                if used != datum:
                    if self._is_telling(datum) and used not in self.graph.start:
                        self._link(datum, used, SAME)
                        waiting.appendleft((used, level))
                    continue
                step = self._step(job)
                step.inputs[datum] = None
                for output in self._made(step):
                    step.outputs[output] = None
                    waiting.append((output, level + 1))
            for member in self._members_used(datum):
                self._link(datum, member, MEMBER)
                waiting.appendleft((member, level))
            for folder in self._folders_used(datum) if datum in self.graph.start else ():
                self._link(datum, folder, MEMBER)
                waiting.appendleft((folder, level))

    # ------------------------------------------------------------------ jobs

    def _signature(self, job: IndexedJob) -> object:
        if job.id not in self._signatures:
            self._signatures[job.id] = (
                tuple((m.rule, m.command, tuple(m.wildcards.items())) for m in job.members),
                tuple((each.path, each.address) for each in job.inputs),
                tuple((each.path, each.address) for each in job.outputs if not each.log),
            )
        return self._signatures[job.id]

    def _step(self, job: IndexedJob) -> Step:
        signature = self._signature(job)
        if signature not in self._steps:
            step = Step(jobs=self._executions[signature], shown=job)
            self._steps[signature] = step
            self.graph.steps.append(step)
        return self._steps[signature]

    def _made(self, step: Step) -> list[Datum]:
        outputs = {
            Datum(each.path, each.address): None
            for job in step.jobs
            for each in job.outputs
            if not each.log
        }
        return list(outputs)

    def _maker(self, datum: Datum, before: str) -> IndexedJob | None:
        """The job that wrote it last before that time: of the run that was named, if it is the
        start."""
        pairs = [p for p in self.jobs.makers.get(datum.address, ()) if p[1].path == datum.path]
        if not before and self._run:
            pairs = [pair for pair in pairs if pair[0].run == self._run] or pairs
        latest = self.jobs.latest(pairs, before)
        return latest[0] if latest else None

    # ------------------------------------------------------------------ data from data

    def _link(self, origin: Datum, datum: Datum, how: str) -> None:
        self.graph.links[origin, datum] = how
        facts = self._facts(datum)
        if how == MEMBER and facts.state == FROZEN and self._facts(origin).state == KEPT:
            self.graph.data[datum] = replace(facts, state=KEPT)

    def _origins(self, datum: Datum, before: str) -> Iterator[tuple[Datum, str]]:
        """Where data comes from that is no job's output: from output folders and files, or from
        what a job has made at another path."""
        path = datum.path
        has_origin = False
        while "/" in path:
            path = path.rpartition("/")[0]
            inner = datum.path[len(path) + 1 :]
            pairs = [
                pair
                for pair in self.jobs.makers_at.get(path, ())
                if pair[1].kind == "tree"
                and (entry := self._members(pair[1].address).get(inner)) is not None
                and datum.address.endswith(entry.digest)
            ]
            if (pair := self.jobs.latest(pairs, before)) is not None:
                yield Datum(path, pair[1].address), MEMBER
                has_origin = True
                break
        for inner, entry in self._members(datum.address).items():
            member = Datum(f"{datum.path}/{inner}", f"{self.archive.algorithm}:{entry.digest}")
            if any(f.path == member.path for _, f in self.jobs.makers.get(member.address, ())):
                yield member, MEMBER
                has_origin = True
        if not has_origin and self._is_telling(datum):
            pairs = [p for p in self.jobs.makers.get(datum.address, ()) if not p[1].log]
            pairs = [p for p in pairs if not before or p[0].ended <= before]
            if (pair := self.jobs.latest(pairs)) is not None and pair[1].path != datum.path:
                yield Datum(pair[1].path, datum.address), SAME

    def _members_used(self, datum: Datum) -> Iterator[Datum]:
        """The files of a folder that jobs read one by one."""
        for inner, entry in self._members(datum.address).items():
            member = Datum(f"{datum.path}/{inner}", f"{self.archive.algorithm}:{entry.digest}")
            if any(f.path == member.path for _, f in self.jobs.users.get(member.address, ())):
                yield member

    def _folders_used(self, datum: Datum) -> Iterator[Datum]:
        """The folders that have the file as a member, and that jobs read."""
        for address, inner in listing.holding(self.archive, Address.parse(datum.address)):
            for _, each in self.jobs.users.get(str(address), ()):
                if f"{each.path}/{inner}" == datum.path or not datum.path:
                    yield Datum(each.path, each.address)

    def _members(self, address: str) -> dict[str, manifests.Entry]:
        """The files of a tree by path; none where it is no tree, or is not there."""
        if address not in self._manifests:
            entries: Iterable[manifests.Entry] = ()
            with suppressed(GitbatchError):
                entries = self.archive.manifest(Address.parse(address))
            self._manifests[address] = {e.path: e for e in entries if e.kind == "f"}
        return self._manifests[address]

    # ------------------------------------------------------------------ facts

    def _is_telling(self, datum: Datum) -> bool:
        """Whether equal bytes mean anything: empty files are equal by chance."""
        return self._facts(datum).size != 0

    def _facts(self, datum: Datum) -> DatumFacts:
        if datum not in self.graph.data:
            outputs = [f for _, f in self.jobs.makers.get(datum.address, ())]
            here = [f for f in outputs if f.path == datum.path]
            address = Address.parse(datum.address)
            is_tree = self.archive.has_tree(address)
            size = next((f.size for f in outputs if f.size is not None), None)
            there = is_tree or self._is_there(address, outputs)
            if size is None and there:
                size = self._size(address, is_tree)
            if here:
                state = TEMPORARY if all(f.temporary for f in here) else LOST
                state = KEPT if there else state
            else:
                users = self.jobs.users.get(datum.address, ())
                state = FROZEN if there else OUTSIDE if os.path.isabs(datum.path) else COMMIT
                if any(datum.path in job.parse_time for job, _ in users):
                    state = PARSE_TIME
            kind = "tree" if is_tree or any(f.kind == "tree" for f in outputs) else "file"
            log = bool(here) and all(f.log for f in here)
            self.graph.data[datum] = DatumFacts(kind=kind, size=size, state=state, log=log)
        return self.graph.data[datum]

    def _is_there(self, address: Address, outputs: list[IndexedFile]) -> bool:
        names = {f.name for f in outputs if f.name}
        if any(os.path.lexists(self.archive.root / name) for name in names):
            return True
        return bool(self.archive.variants(address))

    def _size(self, address: Address, is_tree: bool) -> int | None:
        if is_tree:
            return sum(entry.size for entry in self._members(str(address)).values())
        return self.archive.size(self.archive.find(address))
