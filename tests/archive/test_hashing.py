"""The same digests as the reference tools give, in blocks or at once."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gitbatch_core.archive import hashing
from gitbatch_core.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = {
    "xxh3": (b"", "99aa06d3014798d86001c324468d497f"),
    "blake3": (b"", "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
}


@pytest.mark.parametrize("algorithm", KNOWN)
def test_known_digests(algorithm: str) -> None:
    data, digest = KNOWN[algorithm]
    assert hashing.hash_bytes(data, algorithm).digest == digest


@pytest.mark.parametrize("algorithm", KNOWN)
@pytest.mark.parametrize("size", [0, 1, hashing.BLOCK - 1, hashing.BLOCK, 3 * hashing.BLOCK + 7])
def test_files_hash_like_their_bytes(tmp_path: Path, algorithm: str, size: int) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    path = tmp_path / "file"
    path.write_bytes(data[:size])
    assert hashing.hash_file(path, algorithm) == (hashing.hash_bytes(data[:size], algorithm), size)


def test_an_unknown_algorithm() -> None:
    with pytest.raises(FormatError, match="md5"):
        hashing.new("md5")


def test_without_blake3_there_is_a_clear_error() -> None:
    code = (
        "import sys; sys.modules['blake3'] = None\n"
        "from gitbatch_core.archive import hashing, store\n"
        "hashing.new('xxh3')\n"
        "hashing.new('blake3')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "UsageError" in done.stderr
    assert "pip install blake3" in done.stderr
