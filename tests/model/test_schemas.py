"""The JSON Schemas say what the classes say, real documents keep to them, and a damaged one does
not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import make_schemas
import pytest

from gitbatch_core.model import schemas

NAMES = sorted(make_schemas.STORED)
[GOLDEN] = Path(__file__).parents[1].glob("archive/golden/v1/records/*/*/*.json")
RECORD = json.loads(GOLDEN.read_bytes())
OUTPUT = {"path": "a", "kind": "file", "address": "xxh3:0", "size": 1}
JOB = {"number": 1, "members": [{"rule": "r", "inputs": [{"path": "x"}], "threads": 2}]}
RUN = {"format": "gitbatch-run", "version": 1, "run": "r", "jobs": {"r-1": JOB}}


@pytest.mark.parametrize("name", NAMES)
def test_schemas_are_those_of_the_classes(name: str) -> None:
    assert schemas.text(name) == make_schemas.schemas()[f"{name}.json"], (
        "python tools/make_schemas.py"
    )


@pytest.mark.parametrize("name", NAMES)
def test_schemas_are_valid(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(schemas.text(name)))


@pytest.mark.parametrize(
    ("name", "document", "where"),
    [
        ("job-record", RECORD, None),
        ("job-record", {**RECORD, "new": {"field": [1]}}, None),
        ("job-record", {**RECORD, "outputs": "x"}, ".outputs is not of type array"),
        ("job-record", {**RECORD, "outputs": [OUTPUT, 1]}, ".outputs[1] is not of type object"),
        ("job-record", {**RECORD, "outputs": [{"path": "a"}]}, ".outputs[0] lacks 'address'"),
        ("job-record", {**RECORD, "number": True}, ".number is not of type integer"),
        ("job-record", {**RECORD, "version": 2}, ".version is above 1"),
        ("job-record", {**RECORD, "format": "x"}, ".format is not 'gitbatch-record'"),
        ("job-record", {**RECORD, "tools": {"sh": {"path": 1}}}, ".tools.sh.path is not of type"),
        ("job-record", {**RECORD, "code": None}, None),
        ("job-record", [], " is not of type object"),
        ("run", {**RUN, "outputs": [OUTPUT]}, None),
        ("run", {**RUN, "undeclared": {"a.log": ["rule"]}}, None),
        ("run", {**RUN, "undeclared": 1}, ".undeclared is not of type array"),
        ("run", {**RUN, "jobs": {"r-1": {**JOB, "rule": 1}}}, ".jobs.r-1.rule is not of type"),
    ],
)
def test_what_breaks_a_schema(name: str, document: Any, where: str | None) -> None:
    problem = schemas.violation(name, document)
    assert problem is None if where is None else (problem or "").startswith(where)
    checked = jsonschema.Draft202012Validator(json.loads(schemas.text(name)))
    assert checked.is_valid(document) == (where is None)
