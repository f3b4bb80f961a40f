"""Job records of earlier runs whose outputs can be reused: only of runs that have ended and are
known not to be tainted."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from gitbatch_core import fs
from gitbatch_core.archive import records
from gitbatch_core.errors import FormatError, GitbatchError
from gitbatch_core.log import suppressed
from gitbatch_core.model.job_order import DeclaredOutput
from gitbatch_core.model.job_record import JobRecord
from gitbatch_core.model.run_document import UndeclaredFile
from gitbatch_core.run.mirror import output_links
from gitbatch_core.run.mirror.paths import Mirror


@dataclass(kw_only=True)
class ReusableRecords:
    """The records of other runs in the archive."""

    mirror: Mirror
    _sound: dict[str, bool] = field(default_factory=dict)
    _undeclared: dict[str, dict[int, list[UndeclaredFile]]] = field(default_factory=dict)
    """By run and job: what it has left beside its outputs."""

    def find(
        self, key: str, outputs: Iterable[DeclaredOutput], *, absent: Container[str] = ()
    ) -> JobRecord | None:
        """The latest record with this key that has all of `outputs`, where the archive still has
        them; of the paths in `absent` it need not, if they were temporary: those within a group are
        not even in its record. Raises OSError."""
        paths = {output.path for output in outputs}
        for record in self.of(key):
            with suppressed(FormatError):  # of an archive that others write to as well
                if paths and self._has_all(record, paths, absent):
                    return record
        return None

    def _has_all(self, record: JobRecord, paths: set[str], absent: Container[str]) -> bool:
        recorded = {output.path: output for output in record.outputs}
        lasting = {path for path, output in recorded.items() if not output.temporary}
        return (
            recorded.keys() <= paths
            and all(path in absent for path in paths - lasting)
            and all(output_links.is_there(self.mirror, recorded[path]) for path in lasting)
        )

    def of(self, key: str) -> Iterator[JobRecord]:
        """All records with this key, the latest first. Raises OSError."""
        for path in reversed(list(self.mirror.archive.record_paths(key))):
            record = _read(path)
            if record is not None and self._is_sound(record.run):
                yield record

    def _is_sound(self, run: str) -> bool:
        if run not in self._sound:
            self._sound[run] = False
            with suppressed(GitbatchError, OSError):
                ended = records.read_run(self.mirror.archive.root, run)
                if ended is not None and ended.tainted is False:
                    self._undeclared[run] = ended.undeclared_by_job()
                    self._sound[run] = True
        return self._sound[run]

    def undeclared(self, record: JobRecord) -> list[UndeclaredFile]:
        """Of a record that was found: what its job has left beside its outputs."""
        return self._undeclared.get(record.run, {}).get(record.number, [])


def link_outputs(
    mirror: Mirror, record: JobRecord, mtime_ns: int, *, copied: Iterable[str | None] = ()
) -> None:
    """Link what the archive has of the record's outputs, and bring its logs and benchmarks; those
    in `copied` as copies for the user, see `output_links.link_output`. Raises ArchiveError,
    OSError."""
    wanted = frozenset(copied)
    for output in record.kept_outputs():
        output_links.link_output(mirror, output, mtime_ns, copied=output.path in wanted)
    logs = []
    for log in record.logs:
        stored = mirror.archive.path(output_links.object_name(log))
        if stored.exists():
            mirror.replace(mirror.worktree / log.path, partial(fs.copy_writable, stored))
            logs.append(log.path)
    output_links.restore_logs(mirror, logs, lambda data: data, mtime_ns)


def _read(path: Path) -> JobRecord | None:
    try:
        record = JobRecord.read(path)
    except (GitbatchError, FileNotFoundError):
        return None
    return record if record.reusable is True else None
