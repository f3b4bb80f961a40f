"""Plain data about files that are put into an archive: how to take them, and what was stored."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from gitbatch_core.archive.layout import Address, ObjectName


class Take(enum.Enum):
    """What becomes of the source. What cannot be moved or shared safely is copied, and stays."""

    MOVE = "move"
    """The file itself becomes the object; it is gone from its place."""
    SHARE = "share"
    """The file itself becomes the object and keeps its place too, until the caller puts the link
    there. So a kill in between never leaves the place empty."""
    COPY = "copy"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """One file that is in the archive now, safe from a power cut."""

    source: Path
    name: ObjectName
    size: int
    """Bytes."""
    mtime_ns: int
    """Of the source before it was published; of the link itself where it was one."""
    mode: int
    """Permission bits of the source before it was published."""
    new: bool
    """False where the archive had this object already."""

    @property
    def address(self) -> Address:
        return self.name.address

    @property
    def executable(self) -> bool:
        return self.name.executable
