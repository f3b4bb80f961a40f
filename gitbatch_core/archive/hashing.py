"""The hash algorithms: of files in big blocks, of bytes.

blake3 is an optional extra and is imported only for an archive that uses it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

import xxhash

from gitbatch_core.archive.layout import DIGEST_LENGTHS, Address
from gitbatch_core.errors import FormatError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

BLOCK = 1 << 20
"""Bytes that are read at once: calls cost nothing, and the block stays in the cache."""


class Hasher(Protocol):
    """A running hash."""

    def update(self, data: bytes | bytearray | memoryview, /) -> object:
        """Take in more bytes."""
        ...

    def hexdigest(self) -> str:
        """The digest of what was taken in so far, lower case hex."""
        ...


def new(algorithm: str) -> Hasher:
    """A hasher for one of layout.DIGEST_LENGTHS.

    Raises FormatError for an algorithm that is not known, UsageError for one that is not installed.
    """
    if algorithm == "xxh3":
        return xxhash.xxh3_128()
    if algorithm == "blake3":
        try:
            import blake3
        except ImportError as error:
            raise UsageError(
                "This archive uses blake3, but the Python package blake3 is not installed.",
                hint="Install it, also on the machines that run jobs: pip install blake3",
            ) from error
        return blake3.blake3()
    raise FormatError(
        f"Unknown hash algorithm {algorithm!r}. Choose one of: {', '.join(DIGEST_LENGTHS)}."
    )


def hash_bytes(data: bytes, algorithm: str) -> Address:
    """The address of `data`."""
    hasher = new(algorithm)
    hasher.update(data)
    return Address(algorithm=algorithm, digest=hasher.hexdigest())


def hash_descriptor(descriptor: int, algorithm: str) -> tuple[Address, int]:
    """Address and size, in bytes, of the open file, read from its beginning to its end.

    Does not move the descriptor's position. Raises OSError.
    """
    hasher = new(algorithm)
    # One byte more than the file has, so that a small file needs no big buffer.
    buffer = memoryview(bytearray(min(BLOCK, os.fstat(descriptor).st_size + 1)))
    offset = 0
    while count := os.preadv(descriptor, [buffer], offset):
        hasher.update(buffer[:count])
        offset += count
    return Address(algorithm=algorithm, digest=hasher.hexdigest()), offset


def hash_file(path: Path, algorithm: str) -> tuple[Address, int]:
    """Address and size, in bytes, of the file (links are followed). Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return hash_descriptor(descriptor, algorithm)
    finally:
        os.close(descriptor)
