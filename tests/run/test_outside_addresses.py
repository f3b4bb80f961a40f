"""What was hashed need not be read again, until it may have changed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gitbatch_core import fs
from gitbatch_core.archive.store import Archive
from gitbatch_core.run.mirror.outside_addresses import HashedBefore
from gitbatch_core.run.mirror.outside_inputs import OutsideInputs


def test_a_file_is_read_once_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive.create(tmp_path / "archive", "xxh3")
    kept = tmp_path / "git" / "hashed.json"
    data = tmp_path / "data"
    data.write_text("one\n")

    def address() -> str:
        outside = OutsideInputs(archive=archive, before=HashedBefore.read(kept))
        found = outside.bring(data, str(data))
        outside.tell()
        return found

    first = address()
    assert not kept.exists()  # it could still be changed within the same tick of the clock
    later = time.time_ns() + 10**11
    monkeypatch.setattr(time, "time_ns", lambda: later)
    assert address() == first and kept.exists()
    stamp = fs.stamp(data)
    assert HashedBefore.read(kept).find(str(data), stamp, "xxh3") == first
    assert HashedBefore.read(kept).find(str(data), stamp, "blake3") is None
    # The same size and mtime: only the change's own time tells.
    times = data.stat().st_mtime_ns
    data.write_text("two\n")
    os.utime(data, ns=(times, times))
    assert address() != first
    kept.write_text("{")
    assert address() != first
