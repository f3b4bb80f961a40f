"""A job's outputs into the archive: objects, then manifests; the record comes last."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from gitbatch_core.archive import manifests
from gitbatch_core.archive.hashing import hash_file
from gitbatch_core.archive.store import Archive, Take
from gitbatch_core.errors import RunError
from gitbatch_core.model.job_order import DeclaredOutput, JobOrder
from gitbatch_core.model.job_record import FILE, TREE, JobRecord, StoredFile
from gitbatch_core.model.masking import Mask


def publish(archive: Archive, order: JobOrder, mask: Mask, record: JobRecord) -> JobRecord:
    """Store what the job made; returns the record with its `outputs` and `logs`.

    Outputs are moved, logs and benchmarks copied, without the values of secrets. Raises RunError
    for an output that is not there or of the wrong kind, ArchiveError where it cannot be stored;
    then the outputs are still in the worktree.
    """
    top = Path(order.worktree)
    files: dict[Take, list[DeclaredOutput]] = {Take.MOVE: [], Take.SHARE: []}
    outputs: dict[str, StoredFile] = {}
    nested = _nested(order.outputs)
    for output in order.outputs:
        path = top / output.path
        take = Take.SHARE if output.path in nested else Take.MOVE
        if output.temporary:
            if os.path.lexists(path):
                outputs[output.path] = _keep_here(archive, path, output)
            continue
        _check(path, output)
        if output.folder:
            stored = archive.put_tree(path, take=take)
            outputs[output.path] = StoredFile(
                path=output.path, kind=TREE, address=str(stored.address), size=stored.size
            )
        else:
            files[take].append(output)
    for take, some in files.items():
        stored_files = archive.put([top / file.path for file in some], take=take)
        for file, kept in zip(some, stored_files, strict=True):
            outputs[file.path] = StoredFile(
                path=file.path,
                kind=FILE,
                address=str(kept.address),
                name=kept.name.path,
                size=kept.size,
            )
    return record.replace(
        outputs=[outputs[o.path] for o in order.outputs if o.path in outputs],
        logs=[_keep_log(archive, top, path, mask) for path in _existing(top, order.logs)],
    )


def keep_record(archive: Archive, record: JobRecord) -> None:
    """Write the finished job record under its key. Raises ArchiveError."""
    archive.write_record(record.key, record.run, record.number, record.to_dict())


def _nested(outputs: Iterable[DeclaredOutput]) -> set[str]:
    """Outputs that lie in an output folder of the same job, and such folders: the same file is
    needed twice."""
    folders = {output.path for output in outputs if output.folder}
    paths = set()
    for output in outputs:
        for parent in map(str, Path(output.path).parents):
            if parent in folders:
                paths |= {parent, output.path}
    return paths


def _check(path: Path, output: DeclaredOutput) -> None:
    if not path.exists():
        raise RunError(f"the output {output.path} is not there")
    if path.is_dir() != output.folder:
        expected, actual = ("folder", "file") if output.folder else ("file", "folder")
        raise RunError(f"the output {output.path} is declared as a {expected}, but is a {actual}")


def _keep_here(archive: Archive, path: Path, output: DeclaredOutput) -> StoredFile:
    """Hash a temporary output where it is, and make it read-only for the jobs that use it."""
    if output.folder:
        entries = archive.describe_tree(path)
        for entry in entries:
            if entry.kind == "f" and not (path / entry.path).is_symlink():
                _make_read_only(path / entry.path)
        address = manifests.address(entries, archive.algorithm)
        size = sum(entry.size for entry in entries)
    else:
        if not path.is_symlink():
            _make_read_only(path)
        address, size = hash_file(path, archive.algorithm)
    kind = TREE if output.folder else FILE
    return StoredFile(path=output.path, kind=kind, address=str(address), size=size, temporary=True)


def _make_read_only(path: Path) -> None:
    path.chmod(path.stat().st_mode & 0o555)


def _existing(top: Path, paths: Sequence[str]) -> list[str]:
    return [path for path in paths if (top / path).is_file()]


def _keep_log(archive: Archive, top: Path, path: str, mask: Mask) -> StoredFile:
    data = (top / path).read_bytes()
    clean = mask.all(data)
    if clean != data:
        (top / path).write_bytes(clean)
    kept = archive.put_bytes(clean, name=path)
    return StoredFile(
        path=path, kind=FILE, address=str(kept.address), name=kept.name.path, size=kept.size
    )
