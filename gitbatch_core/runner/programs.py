"""Which programs a job's command found, and what they were."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from gitbatch_core.archive.hashing import hash_file
from gitbatch_core.model.documents import Document


def describe(names: Iterable[str], *, search: str, worktree: str, algorithm: str) -> Document:
    """Name -> path and address of those of `names` that are programs, by the search path `search`.

    `real_path` where the path leads through links; no address where the file cannot be read. The
    worktree's own programs are part of the commit and left out, as are relative paths.
    """
    tools = {}
    own = os.path.realpath(worktree) + os.sep
    for name in names:
        if os.sep in name and not os.path.isabs(name):
            continue
        path = shutil.which(name, path=search)
        if path is None or not os.path.isabs(path):
            continue
        real = os.path.realpath(path)
        if real.startswith(own) or path.startswith((own, worktree + os.sep)):
            continue
        tool = {"path": path}
        if real != path:
            tool["real_path"] = real
        with contextlib.suppress(OSError):
            tool["address"] = str(hash_file(Path(real), algorithm)[0])
        tools[name] = tool
    return tools
