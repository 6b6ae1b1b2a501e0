"""The small validator against `jsonschema`, which knows all of JSON Schema."""

from __future__ import annotations

from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferail.replaying.conformity import misfits

NAMES = st.sampled_from(["a", "b", "c"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, -2.0]) | st.text("ab0", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
kinds = st.sampled_from(["object", "array", "string", "boolean", "null", "number", "integer"])
plain: dict[str, st.SearchStrategy[Any]] = {
    "type": kinds | st.lists(kinds, min_size=1, max_size=3, unique=True),
    "enum": st.lists(values, min_size=1, max_size=3),
    "const": values,
    "required": st.lists(NAMES, max_size=2, unique=True),
    "minLength": st.integers(0, 3),
    "maxLength": st.integers(0, 3),
    "pattern": st.sampled_from(["^a", "b$", "[0-9]+", "^$"]),
    "minimum": st.integers(-3, 3),
    "maximum": st.integers(-3, 3),
    "exclusiveMinimum": st.integers(-3, 3),
    "exclusiveMaximum": st.integers(-3, 3),
    "minItems": st.integers(0, 3),
    "maxItems": st.integers(0, 3),
    "description": st.just("says nothing"),
}


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            **plain,
            "properties": st.dictionaries(NAMES, inner, max_size=3),
            "additionalProperties": inner,
            "items": inner,
            "prefixItems": several,
            "anyOf": several,
            "oneOf": several,
            "allOf": several,
        },
    )


schemas = st.recursive(st.booleans() | st.fixed_dictionaries({}, optional=plain), nested, max_leaves=5)


@settings(max_examples=60)
@given(value=values, schema=schemas)
def test_value_fits_where_jsonschema_says_so(value: Any, schema: Any) -> None:
    known = jsonschema.Draft202012Validator(schema)

    assert (next(misfits(value, schema), None) is None) is known.is_valid(value)


TREE = {
    "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}, "required": ["value"]}},
    "$ref": "#/$defs/node",
}


@pytest.mark.parametrize(
    ("value", "problems"),
    [
        ({"value": 1, "next": {"value": 2, "next": {"value": 3}}}, []),
        ({"value": 1, "next": {"value": 2, "next": {}}}, ["$.next.next: required value"]),
        ([], ["$: type"]),
    ],
)
def test_references_are_followed(value: Any, problems: list[str]) -> None:
    assert list(misfits(value, TREE)) == problems
    assert jsonschema.Draft202012Validator(TREE).is_valid(value) is not bool(problems)


@pytest.mark.parametrize(
    "schema", [{"$ref": "#"}, {"$ref": "#/nowhere"}, {"$ref": "https://example.com"}, {"pattern": "("}, 7]
)
def test_odd_schema_ends_and_refuses_nothing(schema: Any) -> None:
    assert list(misfits("x", schema)) == []


def test_problem_shows_no_word_of_the_answer() -> None:
    schema = {"type": "object", "properties": {"a": {"enum": ["x"]}}, "additionalProperties": False}

    assert list(misfits({"a": "C4N4RY", "C4N4RY": 1}, schema)) == ["$.a: enum", "$: additionalProperties"]
