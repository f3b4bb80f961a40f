"""Local copies of what lies in other storages, as inputs of jobs: hashed and linked, not archived.

Snakemake puts them into its own folder in the user's, and removes them when no job needs them any
more. They may be links into the archive; then nothing is left to be done.
"""

from __future__ import annotations

import os

from gitbatch_core import fs
from gitbatch_core.archive import hashing
from gitbatch_core.archive.walk import files_below
from gitbatch_core.errors import RunError
from gitbatch_core.run.mirror.paths import Mirror


def bring(mirror: Mirror, path: str) -> None:
    """See to it that the worktree has the local copy `path`, a file or a folder, as it is now.

    Raises RunError where it cannot be read, ArchiveError.
    """
    relative, here = mirror.relative(path), mirror.here(path)
    if relative is None or relative in mirror.outputs:
        return
    try:
        if here.is_dir():
            mirror.remove(mirror.there(path))
            mirror.forget_address(relative)
            mirror.there(path).mkdir(parents=True)
            for inner in files_below(here):
                _bring_file(mirror, str(inner.relative_to(mirror.top)))
        else:
            _bring_file(mirror, relative)
    except OSError as error:
        raise RunError(f"The local copy {path} cannot be read: {error.strerror}.") from error


def refer(mirror: Mirror, path: str, address: str) -> None:
    """Note what stands for an input that is not to be copied, and that the job reads elsewhere."""
    mirror.note_address(mirror.relative(path) or str(mirror.here(path)), address)


def _bring_file(mirror: Mirror, relative: str) -> None:
    here, there = mirror.top / relative, mirror.worktree / relative
    if (name := mirror.archive.object_at(here)) is not None:
        mirror.link(there, name, here.lstat().st_mtime_ns)
        mirror.note_address(relative, str(name.address))
        return
    target = here.resolve()
    before, mtime_ns = fs.stamp(target), here.lstat().st_mtime_ns
    if mirror.copies.get(relative) != before or relative not in mirror.addresses:
        address, _ = hashing.hash_file(target, mirror.archive.algorithm)
        mirror.note_copy(relative, str(address), before)
    mirror.replace(there, lambda place: os.symlink(target, place))
    os.utime(there, ns=(mtime_ns, mtime_ns), follow_symlinks=False)
