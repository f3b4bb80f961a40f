"""The JSON Schemas of the documents, and whether a document keeps to its schema.

Only what these schemas use is understood, and that fast: of thousands of records `verify` looks at
each, for which the package jsonschema needs milliseconds. Tests compare the two.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

_Check = Callable[[Any], str | None]
"""Where in a value something is wrong, and what; None where all is well."""

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


def text(name: str) -> str:
    """The schema `name`, such as `job-record`."""
    return (Path(__file__).parent / f"{name}.json").read_text()


def violation(name: str, document: Any) -> str | None:
    """Where and how a document breaks the schema `name`: `.outputs[0].size is not of type integer`;
    None where it keeps to it."""
    return _check(name)(document)


@functools.cache
def _check(name: str) -> _Check:
    schema = json.loads(text(name))
    defined: dict[str, _Check] = {}
    for kind, inner in schema["$defs"].items():
        defined[f"#/$defs/{kind}"] = _compiled(inner, defined)
    return _compiled(schema, defined)


def _compiled(schema: dict[str, Any], defined: dict[str, _Check]) -> _Check:
    if "$ref" in schema:
        return lambda value: defined[schema["$ref"]](value)
    if "anyOf" in schema:
        options = [_compiled(option, defined) for option in schema["anyOf"]]

        def any_of(value: Any) -> str | None:
            problems = [option(value) for option in options]
            return None if None in problems else problems[0]

        return any_of
    if "const" in schema:
        const = schema["const"]
        return lambda value: None if value == const else f" is not {const!r}"
    if "type" not in schema:
        return lambda value: None
    names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    match names:
        case ["array"]:
            return _array(_compiled(schema["items"], defined))
        case ["object"]:
            return _object(schema, defined)
    types = tuple(type for name in names for type in _TYPES[name])
    only_bool = "boolean" in names
    wanted = " or ".join(names)
    most = schema.get("maximum")

    def scalar(value: Any) -> str | None:
        if not isinstance(value, types) or (isinstance(value, bool) and not only_bool):
            return f" is not of type {wanted}"
        return None if most is None or value <= most else f" is above {most}"

    return scalar


def _array(item: _Check) -> _Check:
    def array(value: Any) -> str | None:
        if not isinstance(value, list):
            return " is not of type array"
        for number, each in enumerate(value):
            if (problem := item(each)) is not None:
                return f"[{number}]{problem}"
        return None

    return array


def _object(schema: dict[str, Any], defined: dict[str, _Check]) -> _Check:
    required = schema.get("required", ())
    fields = {k: _compiled(v, defined) for k, v in schema.get("properties", {}).items()}
    more = schema.get("additionalProperties")
    other = None if more is None else _compiled(more, defined)

    def object_(value: Any) -> str | None:
        if not isinstance(value, dict):
            return " is not of type object"
        for name in required:
            if name not in value:
                return f" lacks {name!r}"
        for name, each in value.items():
            check = fields.get(name, other)
            if check is not None and (problem := check(each)) is not None:
                return f".{name}{problem}"
        return None

    return object_
