from __future__ import annotations

import enum
import json
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.core import dump_json, load_json

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | FLOATS | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5), max_leaves=20
)
PIECES = st.sampled_from(
    [
        *'{}[],:"0-é \n\t\x00',
        '"a"',
        '"\\u00e9"',
        '"\\ud83d\\ude00"',
        '"\\x"',
        "1.5",
        "1e3",
        "01",
        "-0",
        "1.",
        ".5",
        "true",
        "false",
        "null",
        "nul",
        "NaN",
        "Infinity",
        "9" * 19,
    ]
)


class Named(enum.StrEnum):
    """A string of a class of its own."""

    ONE = "one"


def _python(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _refuse(word: str) -> None:
    raise ValueError(word)


@given(VALUES)
def test_load_json_reads_what_python_writes(value):
    text = json.dumps(value)
    expected = json.loads(text)

    found = load_json(text.encode("utf-8"))

    assert repr(found) == repr(_without_lone_surrogates(expected))


@given(st.lists(PIECES, max_size=12).map("".join))
def test_load_json_agrees_with_python_about_what_is_json(text):
    try:
        expected = json.loads(text, parse_constant=_refuse)
    except ValueError:
        with pytest.raises(ValueError):
            load_json(text.encode())
        return

    try:
        found = load_json(text.encode())
    except ValueError:
        assert "9" * 19 in text  # whole numbers beyond 64 bits are left to Python
    else:
        assert repr(found) == repr(expected)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xef\xbb\xbf{}", id="byte-order-mark"),
        pytest.param(b'"\xff"', id="not-utf8"),
        pytest.param(b"[NaN]", id="nan"),
        pytest.param(b"[" * 200 + b"]" * 200, id="too-deep"),
        pytest.param(b"123456789012345678901234567890", id="large-number"),
        pytest.param(b"{} {}", id="two-values"),
        pytest.param(b"{'a': 1}", id="single-quotes"),
    ],
)
def test_load_json_raises_value_error_when_a_text_is_unusual(data):
    with pytest.raises(ValueError):
        load_json(data)


def test_load_json_takes_the_last_of_equal_keys():
    assert load_json(b'{"a": 1, "b": 2, "a": 3}') == {"a": 3, "b": 2}


def test_load_json_reads_half_a_surrogate_pair_as_the_replacement_character():
    assert load_json(b'"a\\ud83d"') == "a\ufffd"


@given(VALUES)
def test_dump_json_writes_the_bytes_of_python(value):
    try:
        expected: bytes | None = _python(value)
    except (ValueError, UnicodeEncodeError):
        expected = None

    assert dump_json(value) == expected


def test_dump_json_writes_tuples_as_lists():
    assert dump_json({"stop": ("a", "b"), "none": ()}) == b'{"stop":["a","b"],"none":[]}'


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({1: "a"}, id="key-of-another-type"),
        pytest.param({"a": {1}}, id="set"),
        pytest.param([Named.ONE], id="subclass-of-str"),
        pytest.param(MappingProxyType({"a": 1}), id="mapping"),
        pytest.param([float("nan")], id="nan"),
        pytest.param([float("inf")], id="infinity"),
        pytest.param(2**64, id="large-number"),
        pytest.param("\ud800", id="half-a-surrogate-pair"),
        pytest.param({"\ud800": 1}, id="half-a-surrogate-pair-in-a-key"),
    ],
)
def test_dump_json_gives_none_when_something_is_not_plainly_json(value):
    assert dump_json(value) is None


def test_dump_json_gives_none_when_a_value_holds_itself():
    value: list[Any] = []
    value.append(value)

    assert dump_json(value) is None


def _without_lone_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        return [_without_lone_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_lone_surrogates(key): _without_lone_surrogates(item) for key, item in value.items()}
    return value
