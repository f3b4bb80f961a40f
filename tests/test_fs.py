"""Files are replaced as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitbatch_core import fs


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_replaced(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    before = path.stat().st_ino
    fs.replace_with_bytes(path, b"after", mode=0o400, mtime_ns=10**9, durable=durable)
    status = path.stat()
    assert path.read_bytes() == b"after" and status.st_ino != before
    assert (status.st_mode & 0o777, status.st_mtime_ns) == (0o400, 10**9)
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_replaced_stays(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    with pytest.raises(OSError):
        fs.replace_with_bytes(folder, b"data")
    assert list(tmp_path.iterdir()) == [folder]
