"""Job records of earlier runs whose outputs can be reused: only of runs that have ended and are
known not to be tainted."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from gitbatch_core import fs
from gitbatch_core.archive import records
from gitbatch_core.archive.layout import ObjectName
from gitbatch_core.errors import GitbatchError
from gitbatch_core.model import documents
from gitbatch_core.model.documents import Document
from gitbatch_core.model.job_order import DeclaredOutput
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.run import undeclared_entries
from gitbatch_core.run.mirror import output_links
from gitbatch_core.run.mirror.paths import Mirror


@dataclass(kw_only=True)
class ReusableRecords:
    """The records of other runs in the archive."""

    mirror: Mirror
    _sound: dict[str, bool] = field(default_factory=dict)
    _left: dict[str, dict[int, list[Document]]] = field(default_factory=dict)
    """By run and job: what it has left beside its outputs."""

    def find(
        self, key: str, outputs: Iterable[DeclaredOutput], *, absent: Container[str] = ()
    ) -> Document | None:
        """The latest record with this key that has all of `outputs`, where the archive still has
        them; of the paths in `absent` it need not, if they were temporary: those within a group are
        not even in its record. Raises OSError."""
        paths = {output.path for output in outputs}
        for record in self.of(key):
            recorded = {output["path"]: output for output in record["outputs"]}
            kept = {path for path, output in recorded.items() if not output.get("temporary")}
            if (
                paths
                and recorded.keys() <= paths
                and all(path in absent for path in paths - kept)
                and all(output_links.is_there(self.mirror, recorded[path]) for path in kept)
            ):
                return record
        return None

    def of(self, key: str) -> Iterator[Document]:
        """All records with this key, the latest first. Raises OSError."""
        for path in reversed(list(self.mirror.archive.record_paths(key))):
            record = _read(path)
            if record is not None and self._is_sound(str(record["run"])):
                yield record

    def _is_sound(self, run: str) -> bool:
        if run not in self._sound:
            try:
                ended = records.read_run(self.mirror.archive.root, run)
            except (GitbatchError, OSError):
                ended = None
            self._sound[run] = ended is not None and ended.tainted is False
            self._left[run] = undeclared_entries.by_job(ended.to_dict() if ended else {})
        return self._sound[run]

    def left_by(self, record: Document) -> list[Document]:
        """Of a record that was found: what its job has left beside its outputs."""
        return self._left.get(str(record["run"]), {}).get(int(record["number"]), [])


def place(
    mirror: Mirror, record: Document, mtime_ns: int, *, copied: Iterable[str | None] = ()
) -> None:
    """Put the kept outputs of the record in place, and its logs and benchmarks; those in `copied`
    as copies for the user, see `output_links.place`. Raises ArchiveError, OSError."""
    wanted = frozenset(copied)
    for output in record["outputs"]:
        if not output.get("temporary"):
            output_links.place(mirror, output, mtime_ns, copied=output["path"] in wanted)
    logs = []
    for log in record.get("logs", ()):
        kept = mirror.archive.path(ObjectName.parse(log["name"]))
        if kept.exists():
            mirror.replace(mirror.worktree / log["path"], partial(fs.copy_writable, kept))
            logs.append(log["path"])
    output_links.restore_logs(mirror, logs, lambda data: data, mtime_ns)


def _read(path: Path) -> Document | None:
    try:
        record = documents.read(path, format=JobRecord.FORMAT, version=JobRecord.VERSION)
    except (GitbatchError, FileNotFoundError):
        return None
    return record if record.get("reusable") is True else None
