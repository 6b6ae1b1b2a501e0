"""Typed reading: whatever the shape, a value of the promised type."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.providers import reading


@pytest.mark.parametrize(
    ("value", "number"),
    [(3, 3), (3.9, 3), (-1, 0), (True, 0), (None, 0), ("3", 0), (float("inf"), 0), (float("nan"), 0), (2**60, 2**60)],
)
def test_count_reads_numbers_only(value: object, number: int) -> None:
    assert reading.count(value) == number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        ("é\u2028", "é\u2028"),
        ("a\ud83db", "a\ufffdb"),
        ("\ud83d\ude42", "🙂"),
        (None, ""),
        (3, ""),
        (["a"], ""),
    ],
)
def test_text_reads_text_that_can_be_sent_on(value: object, text: str) -> None:
    assert reading.text(value) == text


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        (b'\r\n\n {"a":NaN}', {"a": None}),
        (b'"\xff"', "\ufffd"),
    ],
)
def test_load_tolerates_body(body: bytes, value: object) -> None:
    assert reading.load(body) == value


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b'{"a":1} x'])
def test_load_refuses_what_is_not_json(body: bytes) -> None:
    with pytest.raises(ValueError):
        reading.load(body)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(JSON)
def test_readers_keep_their_type(value: Any) -> None:
    assert isinstance(reading.text(value), str)
    assert isinstance(reading.count(value), int)
    assert isinstance(reading.mapping(value), dict)
    assert isinstance(reading.entries(value), list)
    assert reading.json_text(value).encode()
