"""Schemas of every kind, with values that are valid and values that are not."""

from __future__ import annotations

from typing import Any, NamedTuple


class Case(NamedTuple):
    """A schema; properties of the valid values come in its order."""

    schema: Any
    valid: list[Any]
    invalid: list[Any]


PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "email": {"type": "string", "format": "email"},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 5}, "maxItems": 3},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}
TREE = {
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}, "maxItems": 2},
            },
            "required": ["value"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/Node",
}
PETS = {
    "$defs": {
        "Cat": {
            "type": "object",
            "properties": {"kind": {"const": "cat"}, "lives": {"type": "integer", "minimum": 1, "maximum": 9}},
            "required": ["kind", "lives"],
            "additionalProperties": False,
        },
        "Dog": {
            "type": "object",
            "properties": {"kind": {"enum": ["dog", "wolf"]}, "good": {"type": "boolean"}},
            "required": ["kind"],
            "additionalProperties": False,
        },
    },
    "oneOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}],
}
CLOSED = {"additionalProperties": False, "type": "object"}

CASES: dict[str, Case] = {
    "anything": Case({}, [None, 1, -2.5e3, "x", [1, [2]], {"a": {"b": []}}], []),
    "true": Case(True, [0, "", []], []),
    "null": Case({"type": "null"}, [None], [0, ""]),
    "boolean": Case({"type": "boolean"}, [True, False], [0, "true"]),
    "string": Case({"type": "string"}, ["", 'a\n"b\\c\t', "naïve 日本 😀"], [1]),
    "string-length": Case(
        {"type": "string", "minLength": 2, "maxLength": 4}, ["ab", "日本語😀", "a\nb"], ["a", "abcde"]
    ),
    "string-pattern": Case(
        {"type": "string", "pattern": "^[A-Z]{2}-\\d{2,4}$"}, ["AB-12", "ZZ-0000"], ["AB-1", "ab-12"]
    ),
    "string-search": Case({"type": "string", "pattern": "b+c", "maxLength": 9}, ["abbc", "bc."], ["b", ""]),
    "string-classes": Case({"type": "string", "pattern": "^[\\w&.]+\\s[^\\d]$"}, ["a_1& x"], ["a 1", "~ x"]),
    "pattern-and-length": Case(
        {"type": "string", "pattern": "^(ab)*$", "minLength": 3, "maxLength": 6}, ["abab"], ["ab"]
    ),
    "date": Case({"type": "string", "format": "date"}, ["2024-02-29", "1999-12-31"], ["2023-02-29", "2024-13-01"]),
    "date-time": Case(
        {"type": "string", "format": "date-time"},
        ["2024-02-29T12:00:00Z", "2001-01-01T00:00:00.25+01:30"],
        ["2024-02-29", "2024-02-30T12:00:00Z"],
    ),
    "time": Case({"type": "string", "format": "time"}, ["23:59:59Z", "00:00:00.5-08:00"], ["24:00:00Z", "12:00"]),
    "ipv4": Case({"type": "string", "format": "ipv4"}, ["127.0.0.1", "255.255.255.0"], ["256.1.1.1", "1.2.3"]),
    "ipv6": Case({"type": "string", "format": "ipv6"}, ["::1", "fe80::1:2", "1:2:3:4:5:6:7:8", "::"], ["1:2", ":::"]),
    "uuid": Case({"type": "string", "format": "uuid"}, ["123e4567-e89b-12d3-a456-426614174000"], ["123e4567"]),
    "email": Case({"type": "string", "format": "email"}, ["a.b@example.com"], ["a@", "@b"]),
    "uri": Case({"type": "string", "format": "uri"}, ["https://example.com/a?b=c#d", "urn:x:y"], ["example", "a b:c"]),
    "duration": Case({"type": "string", "format": "duration"}, ["P1Y2M", "PT36H", "P4W"], ["1Y", "P"]),
    "integer": Case({"type": "integer"}, [0, -1, 12345678901], [1.5, "1"]),
    "integer-bounds": Case({"type": "integer", "minimum": -5, "exclusiveMaximum": 105}, [-5, 0, 99, 104], [-6, 105]),
    "integer-multiple": Case({"type": "integer", "multipleOf": 7, "minimum": 0}, [0, 7, 49, 70007], [1, 8]),
    "number": Case({"type": "number"}, [0, -1.5, 1e10, 3.25e-7], ["1"]),
    "number-bounds": Case({"type": "number", "minimum": 0.5, "maximum": 2.75}, [0.5, 1, 2.25, 2.75], [0.4, 3, 2.8]),
    "number-multiple": Case({"type": "number", "multipleOf": 0.5}, [0.5, 2, -1.5], [0.25]),
    "enum": Case({"enum": ["red", 'gr"een', 3, None, {"a": [1]}]}, ["red", 'gr"een', 3, None, {"a": [1]}], ["blue", 4]),
    "const": Case({"const": {"x": [True, "y"]}}, [{"x": [True, "y"]}], [{"x": [True]}, {}]),
    "nullable": Case({"type": ["string", "null"], "maxLength": 3}, ["abc", None], ["abcd", 1]),
    "array": Case(
        {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3}, [[1], [1, 2, 3]], [[], [1] * 4]
    ),
    "tuple": Case(
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False, "minItems": 2},
        [["a", 1]],
        [["a"], ["a", 1, 2], [1, "a"]],
    ),
    "tuple-draft-7": Case(
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "array",
            "items": [{"type": "null"}],
            "additionalItems": {"type": "boolean"},
        },
        [[], [None], [None, True, False]],
        [[None, 1], [1]],
    ),
    "object": Case(
        PERSON,
        [{"name": "Ann", "age": 3}, {"name": "Bo", "age": 44, "email": "b@x.org", "tags": ["a", "b"]}],
        [{"name": "Ann"}, {"name": "", "age": 1}, {"name": "A", "age": 1, "x": 1}],
    ),
    "object-open": Case(
        {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": {"type": "string"}},
        [{}, {"a": 1}, {"b": "x"}, {"a": 1, "b": "x", "c": "y"}],
        [{"a": "x"}, {"b": 1}],
    ),
    "object-any": Case(
        {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["b"]},
        [{"b": 1}, {"a": 1, "b": [], "c": {}}],
        [{}, {"a": "x", "b": 1}],
    ),
    "object-of-numbers": Case(
        {"type": "object", "additionalProperties": {"type": "number"}}, [{}, {"x": 1.5}], [{"x": "y"}]
    ),
    "object-counts": Case(
        {"type": "object", "minProperties": 1, "maxProperties": 2}, [{"a": 1}, {"a": 1, "b": 2}], [{}]
    ),
    "pattern-properties": Case(
        {**CLOSED, "patternProperties": {"^s_": {"type": "string"}, "^i_": {"type": "integer"}}},
        [{}, {"s_a": "x", "i_b": 3}],
        [{"s_a": 3}, {"x": 1}],
    ),
    "property-names": Case(
        {"type": "object", "propertyNames": {"enum": ["north", "south"]}, "additionalProperties": {"type": "integer"}},
        [{}, {"north": 1, "south": 2}],
        [{"east": 1}, {"north": "x"}],
    ),
    "dependent-required": Case(
        {
            **CLOSED,
            "properties": {"card": {"type": "integer"}, "address": {"type": "string"}},
            "dependentRequired": {"card": ["address"]},
        },
        [{}, {"address": "x"}, {"card": 1, "address": "x"}],
        [{"card": 1}],
    ),
    "any-of": Case(
        {"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 2}, {"const": [1]}]},
        [5, "ab", [1]],
        ["abc", [2]],
    ),
    "all-of": Case(
        {
            "allOf": [
                {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                {"properties": {"b": {"type": "boolean"}}, "required": ["b"]},
            ]
        },
        [{"a": 1, "b": True}],
        [{"a": 1}, {"b": True}, {"a": 1, "b": 2}],
    ),
    "one-of-types": Case(
        {"oneOf": [{"type": "integer"}, {"type": "array", "items": {"type": "null"}}]}, [1, [None]], ["x", [1]]
    ),
    "one-of-tags": Case(
        PETS, [{"kind": "cat", "lives": 9}, {"kind": "wolf", "good": False}], [{"kind": "cow"}, {"lives": 1}]
    ),
    "not-types": Case({"not": {"type": ["object", "array", "string"]}}, [1, None, True], [{}, [], "x"]),
    "recursion": Case(
        TREE,
        [{"value": 1}, {"value": 1, "children": [{"value": 2, "children": []}]}],
        [{"children": []}, {"value": 1, "children": [1]}],
    ),
    "root-recursion": Case({"type": "array", "items": {"$ref": "#"}, "maxItems": 2}, [[], [[], [[]]]], [[1], 1]),
    "escaped-reference": Case({"$ref": "#/$defs/a~1b%20c", "$defs": {"a/b c": {"type": "boolean"}}}, [True], [1]),
    "unicode-names": Case(
        {**CLOSED, "properties": {"größe": {"const": "日本"}, 'q"': {"type": "null"}}},
        [{"größe": "日本", 'q"': None}],
        [{"grosse": 1}],
    ),
    "unevaluated": Case(
        {"type": "object", "properties": {"a": {}}, "unevaluatedProperties": False}, [{}, {"a": 1}], [{"b": 1}]
    ),
}
