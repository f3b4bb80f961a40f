"""Values of params as JSON data, and back."""

from __future__ import annotations

import datetime
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitbatch_core.model import documents
from gitbatch_core.model.param_values import FORMS, InexactValueError, decode, encode

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(sorted(FORMS))
    | st.dates()
    | st.datetimes()
)
_KEYS = st.text() | st.sampled_from(sorted(FORMS)) | st.integers() | st.tuples(st.text())
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.sets(st.text() | st.integers())
        | st.dictionaries(_KEYS, inner)
    ),
    max_leaves=8,
)


@given(_VALUES)
def test_a_value_comes_back(value: object) -> None:
    data, exact = encode(value)
    assert exact
    documents.canonical(data)
    again = decode(json.loads(json.dumps(data)))
    assert again == value and type(again) is type(value)


def test_what_is_not_a_number() -> None:
    assert math.isnan(decode(encode(math.nan)[0]))


def test_a_path_comes_back_as_text() -> None:
    assert encode(Path("a/b")) == ({"path": "a/b"}, True)
    assert decode({"path": "a/b"}) == "a/b"


def test_what_json_cannot_say_is_inexact() -> None:
    data, exact = encode({"a": [object()]})
    assert not exact
    with pytest.raises(InexactValueError) as raised:
        decode(data, "outer")
    assert (raised.value.name, raised.value.type) == ("a", "builtins.object")


def test_a_list_and_a_tuple_stay_apart() -> None:
    assert encode([1]) != encode((1,))
    assert encode({1: 2}) != encode({"1": 2})
    assert encode(datetime.date(2026, 1, 1)) != encode("2026-01-01")
