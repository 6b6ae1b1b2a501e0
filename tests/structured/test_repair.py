"""Repair never changes what is valid, and mends what was done to it."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferail.structured import Repaired, repair

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.text(), VALUES, min_size=1, max_size=4)
PLAIN_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\"'\\`“”‘’"))
PLAIN_KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
PLAIN_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | PLAIN_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PLAIN_KEYS, inner, max_size=4),
    max_leaves=12,
)
PLAIN_OBJECTS = st.dictionaries(PLAIN_KEYS, PLAIN_VALUES, min_size=1, max_size=4)


@given(VALUES, st.sampled_from([None, 1, "\t"]), st.booleans(), st.text(" \t\r\n"), st.text(" \t\r\n"))
def test_repair_never_changes_valid_json(value, indent, ascii_only, before, behind):
    """Serves R146."""
    text = before + json.dumps(value, indent=indent, ensure_ascii=ascii_only) + behind

    assert repair(text) == Repaired(text)


@given(st.text() | st.text("{}[]\",:'\\ntrue0.-/#` "))
def test_repair_gives_valid_json_or_nothing_for_any_text(text):
    found = repair(text)

    if found is not None:
        json.loads(found.text)
        assert repair(found.text) == Repaired(found.text)


@given(
    OBJECTS, st.sampled_from(["```json\n{}\n```", "```\n{}```", "Here you are: {}", "{}\nThat is all.", "<a>{}</a>"])
)
def test_what_stands_around_json_is_taken_away(value, frame):
    """Serves R146."""
    text = frame.replace("{}", json.dumps(value))

    found = repair(text)

    assert found
    assert json.loads(found.text) == value
    assert not found.closed


def spoilt(value, trailing, quote, names, literals):
    """`value` as JSON, written carelessly."""
    if isinstance(value, dict):
        inner = [
            f"{name if names else quote + name + quote}: {spoilt(item, trailing, quote, names, literals)}"
            for name, item in value.items()
        ]
        return "{" + ", ".join(inner) + ("," if trailing and inner else "") + "}"
    if isinstance(value, list):
        items = [spoilt(item, trailing, quote, names, literals) for item in value]
        return "[" + ", ".join(items) + ("," if trailing and items else "") + "]"
    if isinstance(value, str):
        return quote + json.dumps(value)[1:-1] + quote
    return str(value) if literals or not (value is None or isinstance(value, bool)) else json.dumps(value)


def test_fence_inside_the_fenced_answer_does_not_end_it():
    value = {"code": "```py\nx = [1]\n```", "note": "{"}

    found = repair(f"```json\n{json.dumps(value)}\n```")

    assert found
    assert json.loads(found.text) == value


@given(PLAIN_OBJECTS, st.booleans(), st.sampled_from("\"'"), st.booleans(), st.booleans())
def test_careless_json_is_repaired_to_its_value(value, trailing, quote, names, literals):
    """Serves R146."""
    found = repair(spoilt(value, trailing, quote, names, literals))

    assert found
    assert json.loads(found.text) == value


@given(OBJECTS, st.data())
def test_json_that_is_cut_anywhere_is_a_part_of_it_and_told(value, data):
    """Serves R93, R146."""
    text = json.dumps(value)
    cut = text[: data.draw(st.integers(1, len(text) - 1))]

    found = repair(cut)

    assert found
    assert found.closed
    assert is_part(json.loads(found.text), value)


def is_part(part, whole):
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(name in whole and is_part(part[name], whole[name]) for name in part)
    if isinstance(part, list):
        return isinstance(whole, list) and len(part) <= len(whole) and all(map(is_part, part, whole))
    if isinstance(part, str):
        return isinstance(whole, str) and whole.startswith(part)
    return part == whole or (isinstance(whole, int | float) and isinstance(part, int | float))


@pytest.mark.parametrize(
    ("text", "closed", "cut"),
    [
        ('{"a": [1, 2]', True, False),
        ('{"a": "x"', True, False),
        ('{"a": "x', True, True),
        ('{"a": 12', True, True),
        ('{"a": 1,', True, True),
        ("{", True, True),
        ('{"a": 1,}', False, False),
    ],
)
def test_repair_says_whether_the_text_was_cut_off(text, closed, cut):
    found = repair(text)

    assert found
    assert (found.closed, found.cut) == (closed, cut)


def test_repair_of_a_long_hopeless_text_ends_soon():
    for text in (
        "{" * 200_000,
        "[" * 200_000,
        '{"a": ' * 50_000,
        "{x} " * 100_000,
        '"' * 200_000,
        '{"a": "' + '"x' * 100_000,
    ):
        started = time.perf_counter()
        repair(text)
        assert time.perf_counter() - started < 5


test_repair_gives_valid_json_or_nothing_for_any_text = settings(max_examples=500)(
    test_repair_gives_valid_json_or_nothing_for_any_text
)
