"""Values of params and of the configuration as JSON data, and back.

Types that JSON does not tell apart (a tuple and a list, 1 and "1" as keys) stay apart: an object
with one of the keys in `FORMS` alone stands for what JSON lacks.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from typing import Any

from gitbatch_core.errors import FormatError
from gitbatch_core.model import documents

FORMS = frozenset({"tuple", "set", "mapping", "path", "float", "date", "object"})


class InexactValueError(FormatError):
    """JSON data that says less than there was."""

    def __init__(self, name: str, type: str) -> None:
        super().__init__(f"Of {name or 'a value'} only the type is known: {type}.")
        self.name, self.type = name, type


def encode(value: Any) -> tuple[Any, bool]:
    """`value` as JSON data, and whether that says all of it."""
    if value is None or (isinstance(value, (bool, int, str)) and type(value) in (bool, int, str)):
        return value, True
    if isinstance(value, float):  # numpy's, too
        number = float(value)
        return (number if math.isfinite(number) else {"float": repr(number)}), True
    if isinstance(value, str):
        return str(value), True
    if isinstance(value, (list, tuple)):
        items = [encode(item) for item in value]
        data: Any = [item for item, _ in items]
        if not isinstance(value, list):
            data = {"tuple": data}
        return data, all(exact for _, exact in items)
    if isinstance(value, (set, frozenset)):
        items = [encode(item) for item in value]
        ordered = sorted((item for item, _ in items), key=documents.canonical)
        return {"set": ordered}, all(exact for _, exact in items)
    if isinstance(value, Mapping):
        return _encode_mapping(value)
    if hasattr(value, "__fspath__"):
        return {"path": str(value)}, True
    if type(value) in (datetime.date, datetime.datetime):
        return {"date": value.isoformat()}, True
    if (
        type(value).__module__ == "numpy"
        and hasattr(value, "item")
        and not getattr(value, "shape", ())
    ):
        return encode(value.item())
    return {"object": f"{type(value).__module__}.{type(value).__qualname__}"}, False


def _encode_mapping(value: Mapping[Any, Any]) -> tuple[Any, bool]:
    names = list(value)
    is_form = len(names) == 1 and names[0] in FORMS
    if all(type(name) is str for name in names) and not is_form:
        pairs = {name: encode(item) for name, item in value.items()}
        return {k: v for k, (v, _) in pairs.items()}, all(x for _, x in pairs.values())
    entries = [(encode(name), encode(item)) for name, item in value.items()]
    exact = all(n[1] and i[1] for n, i in entries)
    return {"mapping": [[n[0], i[0]] for n, i in entries]}, exact


def decode(data: Any, name: str = "") -> Any:
    """The value, called `name`, that JSON data stands for; of a path its text. Raises
    InexactValueError where it says less than there was."""
    if isinstance(data, list):
        return [decode(item, name) for item in data]
    if not isinstance(data, dict):
        return data
    if len(data) == 1:
        [(form, inner)] = data.items()
        match form:
            case "tuple":
                return tuple(decode(inner, name))
            case "set":
                return set(decode(inner, name))
            case "mapping":
                return {decode(key, name): decode(item, name) for key, item in inner}
            case "path":
                return inner
            case "float":
                return float(inner)
            case "date":
                return _date(inner)
            case "object":
                raise InexactValueError(name, str(inner))
    return {key: decode(item, key) for key, item in data.items()}


def _date(text: str) -> datetime.date:
    if len(text) == len("2026-01-01"):
        return datetime.date.fromisoformat(text)
    return datetime.datetime.fromisoformat(text)
