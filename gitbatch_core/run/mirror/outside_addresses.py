"""Addresses of files outside of the repository, with a stamp that tells whether a file was changed
since it was hashed, so that a start need not read again what the last one has read.

They lie in one file in the git folder, for this host. If it is missing, everything is read again.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path

from gitbatch_core.errors import GitbatchError
from gitbatch_core.log import suppressed
from gitbatch_core.model import documents

_FORMAT, _VERSION = "gitbatch-hashed", 1
_MOST = 200_000
_SETTLED_NS = 2 * 10**9
"""What was changed so shortly before could be changed again without another time."""

Stamp = tuple[int, ...]
"""Of `fs.stamp`."""


@dataclass(kw_only=True)
class HashedBefore:
    """By absolute path."""

    path: Path | None = None
    """Where it is kept; None: nowhere."""
    _files: dict[str, tuple[Stamp, str]] = field(default_factory=dict)
    _is_new: bool = False

    @classmethod
    def read(cls, path: Path) -> HashedBefore:
        """As far as it can be read."""
        files = {}
        with suppressed(GitbatchError, OSError, KeyError, ValueError, TypeError):
            entries = documents.read(path, format=_FORMAT, version=_VERSION)["files"]
            files = {
                name: (tuple(stamp), str(address)) for name, (stamp, address) in entries.items()
            }
        return cls(path=path, _files=files)

    def find(self, name: str, stamp: Stamp, algorithm: str) -> str | None:
        """The address of the file, if it was hashed as it is now, by this algorithm."""
        then, address = self._files.get(name, ((), ""))
        return address if then == stamp and address.startswith(f"{algorithm}:") else None

    def add(self, name: str, stamp: Stamp, address: str) -> None:
        """Note what was hashed; `stamp`: from before that."""
        if max(stamp[2:]) + _SETTLED_NS < time.time_ns():
            self._files.pop(name, None)
            self._files[name] = stamp, address
            self._is_new = True

    def write(self) -> None:
        """Write the file if anything is new. Never raises OSError: gitbatch can do without it."""
        if self._is_new and self.path is not None:
            latest = list(self._files.items())[-_MOST:]
            document = {"format": _FORMAT, "version": _VERSION, "files": dict(latest)}
            with contextlib.suppress(OSError):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                documents.write(self.path, document, durable=False)
            self._is_new = False
