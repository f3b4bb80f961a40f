"""Values of secrets, taken out of data and of what programs print."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

REDACTED = "***"
"""Stands for the value of a secret."""

SHORTEST_SECRET = 4
"""Characters; shorter values are not looked for in texts."""


def secret_forms(secret: str) -> set[str]:
    """How texts may hold the value of a secret: as it is, and quoted for a shell, Python or JSON.

    Values of fewer than four characters are too common in any text to be taken out.
    """
    if len(secret) < SHORTEST_SECRET:
        return set()
    quoted = shlex.quote(secret)
    inner = quoted[1:-1] if quoted != secret else secret
    return {secret, quoted, inner, repr(secret)[1:-1], json.dumps(secret)[1:-1]}


def redact(value: Any, secrets: Iterable[str]) -> Any:
    """JSON data without the values of secrets, wherever a string or number holds one."""
    values = sorted(set().union(*map(secret_forms, secrets)), key=len, reverse=True)

    def clean(item: Any) -> Any:
        if isinstance(item, str):
            for secret in values:
                item = item.replace(secret, REDACTED)
            return item
        if isinstance(item, Mapping):
            return {clean(name): clean(inner) for name, inner in item.items()}
        if isinstance(item, (list, tuple)):
            return [clean(inner) for inner in item]
        if isinstance(item, (int, float)) and str(item) in values:
            return REDACTED
        return item

    return clean(value) if values else value


class Mask:
    """Takes the values of secrets out of bytes that pass through in pieces."""

    def __init__(self, secrets: Iterable[str]) -> None:
        values = {os.fsencode(form) for value in secrets for form in secret_forms(value)}
        self._values = sorted(values, key=len, reverse=True)
        self._held = b""

    def all(self, data: bytes) -> bytes:
        """`data` without the values."""
        for value in self._values:
            data = data.replace(value, REDACTED.encode())
        return data

    def piece(self, data: bytes) -> bytes:
        """What can be passed on of all pieces so far; what might begin a value is held back."""
        data = self.all(self._held + data)
        begun = max((_overlap(data, value) for value in self._values), default=0)
        cut = len(data) - begun
        self._held = data[cut:]
        return data[:cut]

    def rest(self) -> bytes:
        """What was held back."""
        rest, self._held = self._held, b""
        return rest


def _overlap(data: bytes, value: bytes) -> int:
    """Length of the longest end of `data` that begins `value`, and is not all of it."""
    for length in range(min(len(data), len(value) - 1), 0, -1):
        if value.startswith(data[-length:]):
            return length
    return 0
