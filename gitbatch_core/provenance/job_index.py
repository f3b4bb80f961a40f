"""The jobs that an archive knows: their records, read once and kept small.

Records are read leniently: one that cannot be read is `verify`'s business and is left out here.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gitbatch_core.archive import layout, records
from gitbatch_core.errors import GitbatchError
from gitbatch_core.log import suppressed
from gitbatch_core.model import documents
from gitbatch_core.wording import job_title

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from gitbatch_core.archive.store import Archive
    from gitbatch_core.model.documents import Document
    from gitbatch_core.model.ended_run import EndedRun


_ADDRESS = re.compile("|".join(f"{a}:[0-9a-f]{{{n}}}" for a, n in layout.DIGEST_LENGTHS.items()))
_UNREADABLE = (ValueError, GitbatchError, AttributeError, KeyError, TypeError, RecursionError)


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexedFile:
    """A file or folder that a job read or wrote."""

    path: str
    """Relative to the top of the work tree; absolute where it lies outside."""
    address: str
    kind: str = ""
    """`file` or `tree`; empty for inputs, of which records do not tell."""
    size: int | None = None
    """Bytes."""
    temporary: bool = False
    """The archive never had its bytes."""
    log: bool = False
    """A log or benchmark."""
    name: str = ""
    """The object's name in the archive; of files that are kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexedMember:
    """A single job; a group has several."""

    rule: str
    wildcards: Mapping[str, str]
    command: str
    """Empty where the rule has none (`run:`); the path or URL of a script, notebook or wrapper."""
    command_kind: str
    """`shell`, `script`, `run` …"""
    outputs: frozenset[str]
    """Paths of outputs and logs, relative to the top of the work tree."""

    @property
    def title(self) -> str:
        """For people: `align[sample=a,unit=1]`."""
        return job_title(self.rule, self.wildcards)


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexedJob:
    """One execution of a job, as its record tells."""

    record: str
    """Its file, relative to the archive."""
    key: str
    run: str
    number: int
    commit: str
    rule: str
    """A group's rules joined by `+`."""
    started: str
    ended: str
    """ISO 8601, UTC; empty where the record does not tell."""
    reusable: bool
    """Whether the key covers all that determines the outputs."""
    host: str
    pool: str
    members: tuple[IndexedMember, ...]
    inputs: tuple[IndexedFile, ...]
    """From outside of the job, also what it changes in place; each once."""
    outputs: tuple[IndexedFile, ...]
    """Logs and benchmarks last."""
    parse_time: frozenset[str] = frozenset()
    """Paths of those inputs that the workflow has written while it was read."""

    @property
    def id(self) -> str:
        """What run.json calls it: `RUN-N`."""
        return f"{self.run}-{self.number}"

    @property
    def title(self) -> str:
        """For people: rule and wildcards; of a group the rules."""
        return self.members[0].title if len(self.members) == 1 else self.rule

    def maker(self, path: str) -> IndexedMember | None:
        """The single job that wrote an output or log, or a file in an output folder; None where the
        record does not tell."""
        if len(self.members) == 1:
            return self.members[0]
        for member in self.members:
            if any(path == each or path.startswith(f"{each}/") for each in member.outputs):
                return member
        return None


@dataclass(frozen=True, kw_only=True)
class JobIndex:
    """Jobs, and what they read and wrote, the earliest first."""

    archive: Archive
    jobs: Sequence[IndexedJob]
    _ended: dict[str, EndedRun | None] = field(default_factory=dict)

    @classmethod
    def read(cls, archive: Archive, mentioning: Iterable[str] = ()) -> JobIndex:
        """All jobs, or those in whose records one of these texts is a value: much faster, as only
        these records are parsed."""
        needles = [needle for text in mentioning for needle in documents.spellings(text)]
        jobs = []
        for path, data in _files(archive.root):
            if not needles or any(needle in data for needle in needles):
                with contextlib.suppress(*_UNREADABLE):
                    jobs.append(_job(path, json.loads(data)))
        jobs.sort(key=lambda job: (job.ended, job.run, job.number))
        return cls(archive=archive, jobs=jobs)

    @classmethod
    def with_key(cls, archive: Archive, key: str) -> JobIndex:
        """The jobs with this key. Raises FormatError."""
        jobs = []
        for path in archive.record_paths(key):
            with contextlib.suppress(OSError, *_UNREADABLE):
                relative = path.relative_to(archive.root)
                jobs.append(_job(str(relative), json.loads(path.read_bytes())))
        return cls(archive=archive, jobs=sorted(jobs, key=lambda job: (job.ended, job.number)))

    @cached_property
    def makers(self) -> Mapping[str, Sequence[tuple[IndexedJob, IndexedFile]]]:
        """Who wrote what, by address, temporary outputs included."""
        pairs = defaultdict(list)
        for job in self.jobs:
            for output in job.outputs:
                pairs[output.address].append((job, output))
        return pairs

    @cached_property
    def makers_at(self) -> Mapping[str, Sequence[tuple[IndexedJob, IndexedFile]]]:
        """Who wrote what, by path."""
        pairs = defaultdict(list)
        for job in self.jobs:
            for output in job.outputs:
                pairs[output.path].append((job, output))
        return pairs

    @cached_property
    def users(self) -> Mapping[str, Sequence[tuple[IndexedJob, IndexedFile]]]:
        """Who read what, by address."""
        pairs = defaultdict(list)
        for job in self.jobs:
            for each in job.inputs:
                pairs[each.address].append((job, each))
        return pairs

    def record(self, job: IndexedJob) -> Document:
        """The whole record of a job. Raises OSError, ValueError."""
        document: Document = json.loads((self.archive.root / job.record).read_bytes())
        return document

    def ended(self, run: str) -> EndedRun | None:
        """How a run has ended, as the archive knows it; None where it does not."""
        if run not in self._ended:
            self._ended[run] = None
            with suppressed(GitbatchError, OSError):
                self._ended[run] = records.read_run(self.archive.root, run)
        return self._ended[run]

    def is_tainted(self, run: str) -> bool:
        """Whether jobs of the run changed files of its commit."""
        ended = self.ended(run)
        return ended is not None and bool(ended.tainted)

    def reproduces(self, run: str) -> str | None:
        """The run that this run was to make again; None for a run of its own."""
        ended = self.ended(run)
        return None if ended is None else ended.reproduced_run

    def latest(
        self, pairs: Iterable[tuple[IndexedJob, IndexedFile]], before: str = ""
    ) -> tuple[IndexedJob, IndexedFile] | None:
        """The last of these in time, of those that had ended by `before` (ISO 8601) if there are
        any; a reproduction only where there is nothing else."""
        every = list(pairs)
        if len(every) > 1:
            every = [pair for pair in every if not self.reproduces(pair[0].run)] or every
        early = [pair for pair in every if pair[0].ended <= before] if before else every
        return max(early or every, key=lambda pair: pair[0].ended, default=None)


def _files(root: Path) -> Iterator[tuple[str, bytes]]:
    """Path relative to the archive, and bytes, of all that may be records."""
    folder = f"{root}/{layout.RECORDS}"
    for shard in _names(folder):
        for rest in _names(f"{folder}/{shard}"):
            for name in _names(f"{folder}/{shard}/{rest}"):
                path = f"{layout.RECORDS}/{shard}/{rest}/{name}"
                with contextlib.suppress(OSError), open(f"{root}/{path}", "rb", 0) as file:
                    yield path, file.read()


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _job(path: str, document: Document) -> IndexedJob:
    """Raises FormatError, or whatever comes of a value that is none."""
    key, run, number = layout.parse_record_path(path)
    folder = str(document.get("folder") or "")
    members = list(_dicts(document.get("members")))
    outputs = [_file(output) for output in _addressed(document.get("outputs"))]
    outputs += [_file(output, log=True) for output in _addressed(document.get("logs"))]
    inputs: dict[tuple[str, str], IndexedFile] = {}
    # What another job of the group makes has no address.
    read = [each for member in members for each in _addressed(member.get("inputs"))]
    updated = dict(document.get("updated") or {}).items()
    read += _addressed([{"path": path, "address": address} for path, address in updated])
    for each in read:
        one = IndexedFile(path=_at(folder, each["path"]), address=each["address"])
        inputs.setdefault((one.path, one.address), one)
    return IndexedJob(
        record=path,
        key=key,
        run=run,
        number=number,
        commit=str(document.get("commit") or ""),
        rule=str(document.get("rule") or ""),
        started=str(document.get("started") or ""),
        ended=str(document.get("ended") or ""),
        reusable=document.get("reusable") is True,
        host=_named(document.get("host"), "name"),
        pool=_named(document.get("pool"), "kind"),
        members=tuple(_member(folder, member) for member in members)
        or (_member(folder, {"rule": document.get("rule")}),),
        inputs=tuple(inputs.values()),
        outputs=tuple(outputs),
        parse_time=frozenset(map(str, document.get("parse_time") or ())),
    )


def _member(folder: str, member: Mapping[str, Any]) -> IndexedMember:
    command = member.get("command") or {}
    paths = [*(member.get("outputs") or ()), *(member.get("logs") or ())]
    return IndexedMember(
        rule=str(member.get("rule") or ""),
        wildcards={str(k): str(v) for k, v in (member.get("wildcards") or {}).items()},
        command=str(command.get("text") or ""),
        command_kind=str(command.get("kind") or ""),
        outputs=frozenset(_at(folder, str(path)) for path in paths),
    )


def _file(output: Mapping[str, Any], *, log: bool = False) -> IndexedFile:
    size = output.get("size")
    return IndexedFile(
        path=str(output.get("path", "")),
        address=output["address"],
        kind=str(output.get("kind") or "file"),
        size=size if isinstance(size, int) else None,
        temporary=bool(output.get("temporary")),
        log=log,
        name=str(output.get("name") or ""),
    )


def _at(folder: str, path: str) -> str:
    """A path as the job names it, from the top of the work tree."""
    if not folder and "/." not in path and not path.startswith((".", "/")) and "//" not in path:
        return path
    return os.path.normpath(os.path.join(folder, path))


def _addressed(value: Any) -> list[dict[str, Any]]:
    return [item for item in _dicts(value) if _ADDRESS.fullmatch(str(item.get("address")))]


def _named(value: Any, name: str) -> str:
    return str(value.get(name) or "") if isinstance(value, dict) else ""


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    yield from (item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()
