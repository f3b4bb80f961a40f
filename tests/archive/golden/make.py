"""Makes the golden archive of format version 1: `python tests/archive/golden/make.py`.

Run once per format version. What it wrote is committed and must stay readable for ever; modes and
mtimes, which git does not keep, are put right by the test with `verify --repair`.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from gitbatch_core.archive import layout
from gitbatch_core.archive.store import Archive

ROOT = Path(__file__).parent / f"v{layout.VERSION}"
KEY = "00112233445566778899aabbccddeeff"


def main() -> None:
    """Write the archive beside this file."""
    archive = Archive.create(ROOT)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "out"
        for path, data in {
            "a.csv": b"x,y\r\n1,2\r\n",
            "empty": b"",
            "deep/b c.tar.gz": b"not really\n",
            "deep/run.sh": b"#!/bin/sh\necho hello\n",
            "odd/new\nline\ttab\\.txt": b"odd\n",
            os.fsdecode(b"odd/\xff.bin"): bytes(range(256)),
        }.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        (folder / "deep" / "run.sh").chmod(0o755)
        (folder / "nothing").mkdir()
        (folder / "link").symlink_to("deep/run.sh")
        tree = archive.put_tree(folder)
    stored = archive.put_bytes(b"single\n", name="single.txt")
    outputs = [
        {"path": "out", "kind": "tree", "address": str(tree.address), "size": tree.size},
        {
            "path": "single.txt",
            "kind": "file",
            "address": str(stored.address),
            "name": stored.name.path,
            "size": stored.size,
        },
    ]
    record = {
        "format": "gitbatch-record",
        "version": 1,
        "run": "20250101-120000-ab12",
        "number": 1,
        "key": KEY,
        "rule": "make",
        "ended": "2025-01-01T12:00:00Z",
        "outputs": outputs,
    }
    archive.write_record(KEY, "20250101-120000-ab12", 1, record)


if __name__ == "__main__":
    main()
