"""gitbatch archive cat: the bytes of an object, on standard output."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from gitbatch_core.cli.archive import resolve
from gitbatch_core.errors import UsageError
from gitbatch_core.wording import typed

if TYPE_CHECKING:
    import argparse

    from gitbatch_core.archive.store import Archive


def cat(archive: Archive, arguments: argparse.Namespace) -> int:
    """Write an object's bytes to standard output."""
    address = resolve(archive, arguments, arguments.what).address
    if archive.has_tree(address) and not archive.variants(address):
        raise UsageError(
            f"{arguments.what} is a tree, which has no bytes of its own.",
            hint=f"gitbatch archive tree --archive {typed(archive.root)} {address}",
        )
    with archive.open_object(address) as file:
        shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
    return 0
