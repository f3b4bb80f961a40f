"""Local copies of what lies in other storages, as inputs of jobs: hashed and linked, not archived.

Snakemake puts them into its own folder in the user's, and removes them when no job needs them any
more. They may be links into the archive; then nothing is left to be done.
"""

from __future__ import annotations

import os

from gitbatch_core import fsutil
from gitbatch_core.archive import hashing
from gitbatch_core.errors import RunError
from gitbatch_core.runs.twin import Twin
from gitbatch_core.runs.walk import files_below


def bring(twin: Twin, path: str) -> None:
    """See to it that the worktree has the local copy `path`, a file or a folder, as it is now.

    Raises RunError where it cannot be read, ArchiveError.
    """
    relative, here = twin.relative(path), twin.here(path)
    if relative is None or relative in twin.made:
        return
    try:
        if here.is_dir():
            twin.remove(twin.there(path))
            twin.addresses.pop(relative, None)
            twin.there(path).mkdir(parents=True)
            for inner in files_below(here):
                _bring_file(twin, str(inner.relative_to(twin.top)))
        else:
            _bring_file(twin, relative)
    except OSError as error:
        raise RunError(f"The local copy {path} cannot be read: {error.strerror}.") from error


def refer(twin: Twin, path: str, address: str) -> None:
    """Note what stands for an input that is not to be copied, and that the job reads elsewhere."""
    twin.addresses[twin.relative(path) or str(twin.here(path))] = address


def _bring_file(twin: Twin, relative: str) -> None:
    here, there = twin.top / relative, twin.worktree / relative
    if (name := twin.archive.object_at(here)) is not None:
        twin.link(there, name, here.lstat().st_mtime_ns)
        twin.addresses[relative] = str(name.address)
        return
    target = here.resolve()
    before, mtime_ns = fsutil.stamp(target), here.lstat().st_mtime_ns
    if twin.copies.get(relative) != before or relative not in twin.addresses:
        twin.addresses[relative] = str(hashing.hash_file(target, twin.archive.algorithm)[0])
        twin.copies[relative] = before
    twin.replace(there, lambda place: os.symlink(target, place))
    os.utime(there, ns=(mtime_ns, mtime_ns), follow_symlinks=False)
