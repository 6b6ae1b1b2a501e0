"""Our check of plain data against a JSON Schema says what the `jsonschema` library says."""

from __future__ import annotations

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import inferail as ir
from inferail.structured.checking import Checker

NAMES = st.sampled_from(["a", "b", "c"])
SCALARS = st.sampled_from([None, True, False, 0, 1, 2, 3, 1.0, 1.5, 2.5, "", "a", "ab", "abc", "1"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
TYPES = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object"])


def schemas(inner):
    counts = st.integers(0, 3)
    several = st.lists(inner, min_size=1, max_size=3)
    keywords = {
        "type": TYPES | st.lists(TYPES, min_size=1, max_size=2, unique=True),
        "enum": st.lists(VALUES, min_size=1, max_size=3),
        "const": VALUES,
        "minimum": counts,
        "maximum": counts,
        "exclusiveMinimum": counts,
        "exclusiveMaximum": counts,
        "multipleOf": st.sampled_from([1, 2, 0.5]),
        "minLength": counts,
        "maxLength": counts,
        "pattern": st.sampled_from(["a", "^a", "b$", "^[0-9]$"]),
        "minItems": counts,
        "maxItems": counts,
        "uniqueItems": st.booleans(),
        "minProperties": counts,
        "maxProperties": counts,
        "required": st.lists(NAMES, max_size=2, unique=True),
        "properties": st.dictionaries(NAMES, inner, max_size=2),
        "patternProperties": st.dictionaries(st.sampled_from(["^a", "b|c"]), inner, max_size=2),
        "additionalProperties": inner,
        "propertyNames": inner,
        "items": inner,
        "prefixItems": several,
        "contains": inner,
        "minContains": counts,
        "maxContains": counts,
        "allOf": several,
        "anyOf": several,
        "oneOf": several,
        "not": inner,
        "if": inner,
        "then": inner,
        "else": inner,
        "dependentRequired": st.dictionaries(NAMES, st.lists(NAMES, max_size=2, unique=True), max_size=2),
        "dependentSchemas": st.dictionaries(NAMES, inner, max_size=2),
        "$ref": st.sampled_from(["#/$defs/x", "#/$defs/y"]),
    }
    return st.dictionaries(st.sampled_from(list(keywords)), st.none(), max_size=4).flatmap(
        lambda chosen: st.fixed_dictionaries({name: keywords[name] for name in chosen})
    )


SCHEMAS = st.recursive(st.booleans() | st.builds(dict), schemas, max_leaves=5)
DEFINED = {"x": {"type": "integer"}, "y": {"type": "array", "items": {"$ref": "#/$defs/y"}}}


@settings(max_examples=400)
@given(schemas(SCHEMAS), VALUES)
def test_check_agrees_with_the_library(schema, value):
    """Serves R147."""
    whole = {**schema, "$defs": DEFINED}
    expected = jsonschema.Draft202012Validator(whole).is_valid(value)

    problems = Checker(whole).problems(value)

    assert (not problems) == expected
    assert Checker(whole).is_valid(value, whole) == expected


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"required": ["a"]}, {}, [("a", "missing")]),
        ({"properties": {"a": {"items": {"type": "string"}}}}, {"a": ["x", 1]}, [("a.1", "type")]),
        ({"additionalProperties": False, "properties": {"a": True}}, {"b": 1}, [("*", "additionalProperties")]),
        ({"multipleOf": 0.1}, 0.3, []),
        ({"multipleOf": 0.1}, 0.35, [("", "multipleOf")]),
        (
            {"anyOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"type": "null"}]},
            {"a": 1},
            [("a", "type")],
        ),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 1, [("", "anyOf")]),
        ({"items": [{"type": "string"}], "additionalItems": False}, ["a", 1], [("1", "forbidden")]),
        ({"$ref": "#/definitions/a", "definitions": {"a": {"enum": [1]}}}, 2, [("", "enum")]),
    ],
)
def test_problems_say_where_and_what(schema, value, expected):
    assert [(problem.path, problem.kind) for problem in Checker(schema).problems(value)] == expected


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/none"},
        {"$ref": "other.json"},
        {"properties": {"a": {"$ref": "#/properties/a"}}},
        {"pattern": "(?<"},
        {"patternProperties": {"(": True}},
        {"$dynamicRef": "#a"},
        {"items": {"unevaluatedItems": False}},
    ],
)
def test_schema_that_cannot_be_checked_is_a_config_error(schema):
    with pytest.raises(ir.ConfigError):
        Checker(schema)


def test_nulls_of_optional_properties_are_left_out_wherever_they_are():
    node = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "note": {"type": "string"},
            "maybe": {"type": ["string", "null"]},
            "inner": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
            "list": {"type": "array", "items": {"$ref": "#"}},
        },
        "required": ["name"],
    }
    value = {
        "name": "a",
        "note": None,
        "maybe": None,
        "inner": {"name": "b", "note": None},
        "list": [{"name": "c", "list": None}],
    }

    found = Checker(node).without_nulls(value)

    assert found == {"name": "a", "maybe": None, "inner": {"name": "b"}, "list": [{"name": "c"}]}
