"""Keeps Snakemake's own chmod from reaching objects through links.

`protected()` outputs lose their write permission when a job ends, also with `--touch`, where this
executor has no part in it. On Linux chmod follows a link: what would change is the object.
"""

from __future__ import annotations

import os
from typing import Any

from snakemake import io

from gitbatch_core.archive.layout import linked_object


def install() -> None:
    """Have Snakemake's chmod pass over links into an archive, and nothing else."""
    original = io.lchmod

    def lchmod(path: Any, mode: int) -> None:
        try:
            if linked_object(os.readlink(path)) is not None:
                return
        except OSError:  # no link
            pass
        original(path, mode)

    io.lchmod = lchmod
