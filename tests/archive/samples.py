"""Folders, names and records that are hard to store."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from faults import write

ODD_NAMES = [
    "with space.csv",
    "quote'\".csv",
    "new\nline.csv",
    "tab\t.csv",
    "$(touch x).csv",
    "-rf.csv",
    "ünï.csv",
    "b\\ack.csv",
    os.fsdecode(b"\xff\xfe.csv"),
    "x" * 251 + ".csv",
]
KEY = "0123456789abcdef" * 2
RECORD = {"format": "gitbatch-record", "version": 1, "rule": "a"}


def make_folder(folder: Path) -> Path:
    write(folder / "a.csv", "a")
    write(folder / "deep" / "b c.txt", "b")
    write(folder / "run", "run").chmod(0o755)
    write(folder / ".snakemake_timestamp", "")
    (folder / "empty").mkdir()
    (folder / "link").symlink_to("deep/b c.txt")
    for name in ODD_NAMES:
        write(folder / "odd" / name, name.encode(errors="surrogateescape"))
    return folder


@contextlib.contextmanager
def open_elsewhere(path: Path) -> Iterator[None]:
    """Another process has the file open for writing."""
    code = "import sys; f = open(sys.argv[1], 'ab'); print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        yield
        process.communicate()
