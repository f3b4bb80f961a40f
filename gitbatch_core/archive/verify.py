"""Checks that everything is as its name says: bytes, modes, times, members, records, writable
names."""

from __future__ import annotations

import enum
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from gitbatch_core import fs
from gitbatch_core.archive import hashing, layout, manifests, names
from gitbatch_core.archive.layout import Address, ObjectName
from gitbatch_core.archive.staging import set_aside
from gitbatch_core.errors import FormatError, NotInArchiveError
from gitbatch_core.model import schemas
from gitbatch_core.model.documents import StoredDocument
from gitbatch_core.model.ended_run import EndedRun
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.reproduction import Reproduction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from gitbatch_core.archive.store import Archive

_SCHEMAS: dict[str, tuple[type[StoredDocument], str]] = {
    layout.RECORDS: (JobRecord, "job-record"),
    layout.RUNS: (EndedRun, "ended-run"),
    layout.REPRODUCTIONS: (Reproduction, "reproduction"),
}
WORKERS = 2
"""Threads that read and hash: enough for one to read while the other hashes."""

Progress = Callable[[int], object]
"""Called with the bytes of each file that was checked."""


class Problem(enum.Enum):
    """What can be wrong. The values are for `--json`."""

    BYTES = "wrong bytes"
    MODE = "wrong mode"
    TIME = "wrong mtime"
    SHARED = "another hard link"
    STRAY = "stray file"
    MEMBER = "missing member"
    NAME = "name of nothing"
    UNREADABLE = "unreadable"
    SCHEMA = "breaks its schema"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong."""

    problem: Problem
    path: str
    """Relative to the archive."""
    address: Address | None
    """Of the object or tree, where the name tells it."""
    message: str
    repaired: bool = False


@dataclass(kw_only=True)
class Selection:
    """What will be checked."""

    objects: list[str] = field(default_factory=list)
    """Paths relative to the archive, as the others."""
    manifests: list[str] = field(default_factory=list)
    records: list[str] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    """Of runs and reproductions."""
    names: list[str] = field(default_factory=list)
    size: int = 0
    """Bytes of all these files."""

    def paths(self) -> Iterator[str]:
        """All files, objects first."""
        yield from self.objects
        yield from self.manifests
        yield from self.records
        yield from self.documents
        yield from self.names


def plan(archive: Archive, addresses: Iterable[Address] | None = None) -> Selection:
    """All files of the archive, or those of these objects and trees (with their members).

    Raises NotInArchiveError for an address that is not there, DamageError for a tree whose manifest
    is damaged, OSError or ArchiveError where a folder cannot be read.
    """
    if addresses is None:
        chosen = Selection(
            objects=list(_walk(archive.root, layout.OBJECTS, 2)),
            manifests=list(_walk(archive.root, layout.MANIFESTS, 2)),
            records=list(_walk(archive.root, layout.RECORDS, 3)),
            documents=[
                *_walk(archive.root, layout.RUNS, 1),
                *_walk(archive.root, layout.REPRODUCTIONS, 2),
            ],
            names=sorted(names.paths(archive)),
        )
    else:
        chosen = Selection()
        objects: dict[str, None] = {}
        for address in addresses:
            files = [name.path for name in archive.variants(address)]
            if archive.has_tree(address):
                chosen.manifests.append(layout.manifest_path(address.digest))
                for entry in archive.manifest(address):
                    if entry.kind == "f":
                        member = Address.of_digest(entry.digest)
                        files.extend(name.path for name in archive.variants(member))
            elif not files:
                raise NotInArchiveError(f"The archive {archive.root} has nothing at {address}.")
            objects.update(dict.fromkeys(files))
        chosen.objects = list(objects)
    chosen.size = sum(_size(archive.root / path) for path in chosen.paths())
    return chosen


def check(
    archive: Archive, chosen: Selection, *, repair: bool = False, progress: Progress | None = None
) -> Iterator[Finding]:
    """What is wrong with the chosen files; reads all their bytes.

    With `repair` modes, mtimes and hard links are put right, and files with wrong bytes or names
    go to damaged/ (never deleted). The archive may be written to meanwhile.
    """
    members = _Members(archive, chosen)
    todo = chosen.paths()
    with ThreadPoolExecutor(WORKERS) as pool:
        while part := list(islice(todo, 1000)):
            for path, findings in zip(
                part, pool.map(lambda path: _check(archive, path, members), part), strict=True
            ):
                for finding in findings:
                    yield _repair(archive, finding) if repair else finding
                if progress:
                    progress(_size(archive.root / path))


class _Members:
    """Whether a tree's member is there, without a look at the disk where all names are known."""

    def __init__(self, archive: Archive, chosen: Selection) -> None:
        self._archive = archive
        self._present: set[tuple[str, bool]] = set()
        for path in chosen.objects:
            try:
                name = ObjectName.parse(path)
            except FormatError:
                continue
            self._present.add((name.digest, name.executable))

    def __contains__(self, entry: manifests.Entry) -> bool:
        if (entry.digest, entry.executable) in self._present:
            return True
        try:  # it may be newer than the plan
            self._archive.find(Address.of_digest(entry.digest), executable=entry.executable)
        except NotInArchiveError:
            return False
        return True


def _check(archive: Archive, path: str, members: _Members) -> list[Finding]:
    try:
        before = (archive.root / path).lstat()
    except FileNotFoundError:
        return []  # it went aside meanwhile
    except OSError as error:
        return [_finding(Problem.UNREADABLE, path, None, str(error.strerror))]
    kind = path.partition("/")[0]
    try:
        if kind == layout.OBJECTS:
            name = ObjectName.parse(path)
            address, mode = Address(algorithm=archive.algorithm, digest=name.digest), name.mode
        elif kind == layout.MANIFESTS:
            digest = layout.parse_manifest_path(path)
            address, mode = Address(algorithm=archive.algorithm, digest=digest), layout.FILE_MODE
        elif kind == layout.NAMES:
            return _check_name(archive, path, before)
        elif kind == layout.RECORDS:
            layout.parse_record_path(path)
            return _check_document(archive, path, before)
        else:
            layout.check_document_path(path)
            return _check_document(archive, path, before)
    except FormatError as error:
        return [_finding(Problem.STRAY, path, None, error.message)]
    if not stat.S_ISREG(before.st_mode):
        return [_finding(Problem.STRAY, path, None, "not a regular file")]
    findings = _check_attributes(path, address, mode, before)
    if before.st_mtime_ns != layout.MTIME_NS:
        findings.append(_finding(Problem.TIME, path, address, "its mtime was changed"))
    try:
        actual, _ = hashing.hash_file(archive.root / path, archive.algorithm)
    except OSError as error:
        return [*findings, _finding(Problem.UNREADABLE, path, address, str(error.strerror))]
    if actual != address:
        return [_finding(Problem.BYTES, path, address, f"its bytes are those of {actual}")]
    if kind == layout.MANIFESTS:
        findings += _check_members(archive, path, address, members)
    return findings


def _check_attributes(
    path: str, address: Address | None, mode: int, before: os.stat_result
) -> list[Finding]:
    findings = []
    actual = stat.S_IMODE(before.st_mode)
    if actual != mode:
        findings.append(
            _finding(Problem.MODE, path, address, f"its mode is {actual:04o}, not {mode:04o}")
        )
    if before.st_nlink > 1:
        message = "it has another name, through which it could be changed"
        findings.append(_finding(Problem.SHARED, path, address, message))
    return findings


def _check_members(
    archive: Archive, path: str, address: Address, members: _Members
) -> list[Finding]:
    try:
        entries = manifests.parse((archive.root / path).read_bytes())
    except (FormatError, OSError) as error:
        return [_finding(Problem.UNREADABLE, path, address, str(error))]
    return [
        _finding(Problem.MEMBER, path, address, f"{entry.path} ({entry.digest}) is missing")
        for entry in entries
        if entry.kind == "f" and entry not in members
    ]


def _check_document(archive: Archive, path: str, before: os.stat_result) -> list[Finding]:
    if not stat.S_ISREG(before.st_mode):
        return [_finding(Problem.STRAY, path, None, "not a regular file")]
    findings = _check_attributes(path, None, layout.FILE_MODE, before)
    try:
        kind, schema = _SCHEMAS[path.partition("/")[0]]
        document = kind.read(archive.root / path)
        if (broken := schemas.violation(schema, document.to_dict())) is not None:
            message = f"it breaks the schema {schema}: {broken.lstrip(' .')}"
            findings.append(_finding(Problem.SCHEMA, path, None, message))
    except (FormatError, OSError) as error:
        findings.append(_finding(Problem.UNREADABLE, path, None, str(error)))
    return findings


def _check_name(archive: Archive, path: str, before: os.stat_result) -> list[Finding]:
    if not stat.S_ISREG(before.st_mode) or path.count("/") < 2:
        return [_finding(Problem.STRAY, path, None, "not the file of a name")]
    name = path.removeprefix(f"{layout.NAMES}/")
    try:
        parsed = names.parse((archive.root / path).read_bytes(), name, source=path)
    except FileNotFoundError:
        return []  # removed meanwhile
    except (FormatError, OSError) as error:
        return [_finding(Problem.UNREADABLE, path, None, str(error))]
    if names.leads_somewhere(archive, parsed):
        return []
    return [_finding(Problem.NAME, path, parsed.address, f"{parsed.address} is missing")]


def _repair(archive: Archive, finding: Finding) -> Finding:
    path = archive.root / finding.path
    try:
        match finding.problem:
            case Problem.MODE:
                path.chmod(_mode(finding.path))
            case Problem.TIME:
                os.utime(path, ns=(layout.MTIME_NS, layout.MTIME_NS))
            case Problem.SHARED:
                mode, mtime_ns = _mode(finding.path), path.lstat().st_mtime_ns
                if finding.address:
                    mtime_ns = layout.MTIME_NS
                fs.copy_file(path, path, mode=mode, mtime_ns=mtime_ns)
            case Problem.BYTES | Problem.STRAY:
                set_aside(archive.root, finding.path)
            case _:
                return finding
    except OSError as error:
        return _finding(
            finding.problem,
            finding.path,
            finding.address,
            f"{finding.message}; cannot repair it: {error.strerror}",
        )
    return Finding(
        problem=finding.problem,
        path=finding.path,
        address=finding.address,
        message=finding.message,
        repaired=True,
    )


def _mode(path: str) -> int:
    return ObjectName.parse(path).mode if path.startswith(layout.OBJECTS) else layout.FILE_MODE


def _finding(problem: Problem, path: str, address: Address | None, message: str) -> Finding:
    return Finding(problem=problem, path=path, address=address, message=message)


def _walk(root: Path, folder: str, depth: int) -> Iterator[str]:
    """Files `depth` levels down, and whatever else lies where no file should."""
    try:
        items = sorted(os.scandir(root / folder), key=lambda item: item.name)
    except FileNotFoundError:
        return
    for item in items:
        path = f"{folder}/{item.name}"
        if depth > 1 and item.is_dir(follow_symlinks=False):
            yield from _walk(root, path, depth - 1)
        else:
            yield path


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
