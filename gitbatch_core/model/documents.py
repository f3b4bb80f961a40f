"""Versioned JSON documents: read with a check, written by rename so that no reader sees half.

Every document carries `format` and `version`. Unknown fields are kept, not refused; an unknown
format or a later major version is a FormatError.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Self

from gitbatch_core import fs
from gitbatch_core.errors import FormatError
from gitbatch_core.model.data import Data

Document = dict[str, Any]

# One encoder each: to make it takes as long as to encode a small object.
_LINE = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode
_ASCII_LINE = json.JSONEncoder(sort_keys=True).encode
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode

_LEVELS = 2
"""Of lists and mappings that are written with a line for each entry."""


def dumps(document: Any) -> bytes:
    """Readable JSON with sorted keys, UTF-8, one newline at the end: a line for each entry of the
    lists and mappings in `document`, so that of thousands git shows the ones that differ.

    File names that are not UTF-8 (surrogate escapes) are written as JSON escapes.
    """
    try:
        return (_lines(document, to_ascii=False) + "\n").encode()
    except UnicodeEncodeError:
        return (_lines(document, to_ascii=True) + "\n").encode()


def _lines(value: Any, *, to_ascii: bool, level: int = 0) -> str:
    line = _ASCII_LINE if to_ascii else _LINE
    if level < _LEVELS and isinstance(value, (dict, list)) and value:
        if isinstance(value, dict):
            first, last, named = "{", "}", [(line(k) + ": ", v) for k, v in sorted(value.items())]
        else:
            first, last, named = "[", "]", [("", v) for v in value]
        indent = "\n" + " " * level
        entries = (
            f"{indent} {name}{_lines(entry, to_ascii=to_ascii, level=level + 1)}"
            for name, entry in named
        )
        return f"{first}{','.join(entries)}{indent}{last}"
    return line(value)


def canonical(value: Any) -> bytes:
    """The one byte string for a JSON value: sorted keys, no spaces, ASCII. For digests.

    Raises TypeError or ValueError where the value has no JSON form (NaN, objects).
    """
    return _CANONICAL(value).encode()


def spellings(text: str) -> set[bytes]:
    """How documents may spell a text that is a value: to look for it without parsing."""
    plain = json.dumps(text, ensure_ascii=False).encode(errors="replace")
    return {plain, json.dumps(text).encode()}


def loads(data: bytes, *, format: str, version: int, source: str) -> Document:
    """The document in `data`; FormatError where it is not a `format` of at most `version`."""
    try:
        document = json.loads(data)
    except ValueError as error:
        raise FormatError(f"{source} is not JSON: {error}.") from error
    if not isinstance(document, dict) or document.get("format") != format:
        raise FormatError(f"{source} is not a {format} document.")
    its_version = document.get("version")
    if not isinstance(its_version, int) or its_version > version:
        raise FormatError(
            f"{source} has version {its_version!r} of {format}; "
            f"this gitbatch reads up to {version}.",
            hint="Install a newer gitbatch to read it.",
        )
    return document


def read(path: Path, *, format: str, version: int) -> Document:
    """The document in the file `path`. Raises FileNotFoundError, FormatError."""
    return loads(path.read_bytes(), format=format, version=version, source=str(path))


def write(path: Path, document: Document, *, mode: int = 0o644, durable: bool = True) -> None:
    """Write by rename within the folder of `path`; nothing half-written is ever seen there.

    Without `durable` the document may be lost with the machine's power.
    """
    fs.replace_with_bytes(path, dumps(document), mode=mode, durable=durable)


class StoredDocument(Data):
    """A typed document that is stored by itself, so with a format and a version."""

    FORMAT: ClassVar[str]
    VERSION: ClassVar[int]

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self._json.update(format=self.FORMAT, version=self.VERSION)

    @classmethod
    def from_bytes(cls, data: bytes, *, source: str) -> Self:
        """The document in `data`, which came from `source`. Raises FormatError."""
        return cls.from_dict(loads(data, format=cls.FORMAT, version=cls.VERSION, source=source))

    @classmethod
    def read(cls, path: Path) -> Self:
        """The document in a file. Raises FileNotFoundError, FormatError."""
        return cls.from_bytes(path.read_bytes(), source=str(path))

    def to_bytes(self) -> bytes:
        """As it is stored."""
        return dumps(self._json)

    def write(self, path: Path, *, mode: int = 0o644, durable: bool = True) -> None:
        """See the function `write`."""
        write(path, self._json, mode=mode, durable=durable)
