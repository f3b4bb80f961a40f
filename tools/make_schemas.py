#!/usr/bin/env python3
"""Writes the JSON Schemas of the documents from the classes in gitbatch_core/model, with what
stands there of each field: `python tools/make_schemas.py`. A test says when that is to be done."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

MODEL = Path(__file__).parents[1] / "gitbatch_core" / "model"
STORED = {
    "job-record": "JobRecord",
    "run": "RunDocument",
    "ended-run": "EndedRun",
    "reproduction": "Reproduction",
    "name": "StorageName",
    "job-order": "JobOrder",
    "job-result": "JobResult",
}
"""Name of the schema -> class."""
_SIMPLE = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "None": "null"}


def classes() -> dict[str, ast.ClassDef]:
    """All classes of the model, by name."""
    return {
        node.name: node
        for path in sorted(MODEL.glob("*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    }


def schemas() -> dict[str, str]:
    """Text of each schema, by its file's name."""
    known = classes()
    return {f"{name}.json": _document(known, of) for name, of in STORED.items()}


def _document(known: dict[str, ast.ClassDef], of: str) -> str:
    needed: dict[str, dict[str, Any]] = {}
    whole = _object(known, of, needed)
    constants = {
        node.target.id: ast.literal_eval(node.value)
        for node in known[of].body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and node.target.id in ("FORMAT", "VERSION")
        and node.value is not None
    }
    whole["properties"] = {
        "format": {"const": constants["FORMAT"]},
        "version": {
            "type": "integer",
            "maximum": constants["VERSION"],
            "description": "Readers refuse a later version than they know.",
        },
        **whole["properties"],
    }
    whole["required"] = ["format", "version", *whole.get("required", ())]
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": constants["FORMAT"],
        **whole,
        "$defs": dict(sorted(needed.items())),
    }
    return json.dumps(document, indent=2) + "\n"


def _object(
    known: dict[str, ast.ClassDef], name: str, needed: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    node = known[name]
    properties: dict[str, Any] = {}
    required = []
    for number, each in enumerate(node.body):
        if not isinstance(each, ast.AnnAssign) or not isinstance(each.target, ast.Name):
            continue
        if ast.unparse(each.annotation).startswith("ClassVar"):
            continue
        field = each.target.id
        value = "" if each.value is None else ast.unparse(each.value)
        schema = _type(known, each.annotation, needed)
        if "older=" in value:
            schema = {"anyOf": [schema, {"type": "object"}]}
        after = node.body[number + 1] if number + 1 < len(node.body) else None
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            schema["description"] = " ".join(str(after.value.value).split())
        properties[field] = schema
        if not value or ("(" in value and "default=" not in value):
            required.append(field)
    schema = {"description": " ".join((ast.get_docstring(node) or "").split()), "type": "object"}
    return schema | ({"required": required} if required else {}) | {"properties": properties}


def _type(
    known: dict[str, ast.ClassDef], node: ast.expr, needed: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    match node:
        case ast.Name(id="Any"):
            return {}
        case ast.Constant(value=None):
            return {"type": "null"}
        case ast.Name(id=name) if name in _SIMPLE:
            return {"type": _SIMPLE[name]}
        case ast.Name(id=name):
            if name not in needed:
                needed[name] = {}  # it may have itself
                needed[name] = _object(known, name, needed)
            return {"$ref": f"#/$defs/{name}"}
        case ast.BinOp(left=left, right=right):
            options = [_type(known, left, needed), _type(known, right, needed)]
            if all(option.keys() == {"type"} for option in options):
                return {"type": [option["type"] for option in options]}
            return {"anyOf": options}
        case ast.Subscript(value=ast.Name(id="Sequence"), slice=inner):
            return {"type": "array", "items": _type(known, inner, needed)}
        case ast.Subscript(value=ast.Name(id="Mapping"), slice=ast.Tuple(elts=[_, inner])):
            return {"type": "object", "additionalProperties": _type(known, inner, needed)}
    raise ValueError(f"no schema for {ast.unparse(node)}")


if __name__ == "__main__":
    for file, text in schemas().items():
        (MODEL / "schemas" / file).write_text(text)
