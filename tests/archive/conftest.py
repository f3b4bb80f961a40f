"""A work tree that uses the archive."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitbatch_core.archive import layout
from gitbatch_core.archive.store import Archive

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def top(tmp_path: Path, archive: Archive) -> Path:
    """A work tree whose `.gitbatch/archive` leads to the archive."""
    folder = tmp_path / "work tree"
    (folder / ".gitbatch").mkdir(parents=True)
    (folder / layout.LINK_PATH).symlink_to(archive.root)
    return folder


@pytest.fixture(autouse=True)
def removable(tmp_path: Path) -> Iterator[None]:
    """Folders that a test made read-only can be removed."""
    yield
    for folder, _, _ in os.walk(tmp_path):
        Path(folder).chmod(0o755)
