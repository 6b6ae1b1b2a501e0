"""Schemas: what comes out is valid, what is valid may come out, and what cannot be enforced is refused. Serves R147."""

from __future__ import annotations

import datetime as dt
import json
from enum import Enum
from typing import Annotated, Literal
from uuid import UUID

import jsonschema  # type: ignore[import-untyped]
import jsonschema.validators  # type: ignore[import-untyped]
import pydantic
import pytest

from inferail.core import Grammar
from inferail.errors import ConfigError, GrammarError
from tests.core.grammar_schemas import CASES, PERSON
from tests.core.grammar_vocabulary import VOCABULARY, accepts, random_text, spellings

CHECKER = jsonschema.FormatChecker(["date", "email", "ipv4", "ipv6", "uuid"])


def has_format(text: str, schema: object) -> bool:
    """The formats that the validator needs other packages for."""
    name = schema.get("format") if isinstance(schema, dict) else None
    try:
        if name == "date-time":
            dt.datetime.fromisoformat(text.upper())
        if name == "time":
            dt.time.fromisoformat(text.upper())
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("name", CASES)
def test_random_logits_under_the_mask_give_valid_values(name):
    schema = CASES[name].schema
    grammar = Grammar.from_schema(schema, VOCABULARY)
    validator = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)(
        schema, format_checker=CHECKER
    )

    for seed in range(12):
        text = random_text(grammar, seed)
        value = json.loads(text)
        validator.validate(value)
        assert not isinstance(value, str) or has_format(value, schema), text


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("whitespace", ["compact", "flexible"])
def test_many_random_logits_under_the_mask_give_valid_values(name, whitespace):
    schema = CASES[name].schema
    grammar = Grammar.from_schema(schema, VOCABULARY, whitespace=whitespace)
    validator = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)(
        schema, format_checker=CHECKER
    )

    for seed in range(100, 250):
        validator.validate(json.loads(random_text(grammar, seed)))


@pytest.mark.parametrize("name", CASES)
def test_every_valid_value_is_accepted_with_and_without_spaces(name):
    case = CASES[name]
    grammar = Grammar.from_schema(case.schema, VOCABULARY)

    refused = [text for value in case.valid for text in spellings(value) if not accepts(grammar, text)]

    assert not refused


@pytest.mark.parametrize("name", CASES)
def test_no_invalid_value_is_accepted(name):
    case = CASES[name]
    grammar = Grammar.from_schema(case.schema, VOCABULARY)

    assert not [text for value in case.invalid for text in spellings(value) if accepts(grammar, text)]


@pytest.mark.parametrize("name", CASES)
def test_flexible_whitespace_takes_indented_values(name):
    case = CASES[name]
    grammar = Grammar.from_schema(case.schema, VOCABULARY, whitespace="flexible")

    texts = [json.dumps(value, ensure_ascii=False, indent=2) for value in case.valid]

    assert not [text for text in texts if not accepts(grammar, text)]


def test_whitespace_is_bounded():
    compact = Grammar.from_schema(PERSON, VOCABULARY)
    flexible = Grammar.from_schema(PERSON, VOCABULARY, whitespace="flexible")

    assert not accepts(compact, '{"name":  "A","age":1}')
    assert accepts(flexible, '{"name":' + " " * 64 + '"A","age":1}')
    assert not accepts(flexible, '{"name":' + " " * 65 + '"A","age":1}')


REFUSED = [
    pytest.param({"not": {"const": 1}}, "not", id="not"),
    pytest.param({"type": "array", "uniqueItems": True}, "uniqueItems", id="unique-items"),
    pytest.param({"contains": {"type": "null"}}, "contains", id="contains"),
    pytest.param({"if": {"type": "null"}, "then": {"const": 1}}, "if", id="if"),
    pytest.param({"oneOf": [{"minimum": 1}, {"maximum": 9}]}, "oneOf", id="one-of"),
    pytest.param({"type": "string", "format": "hair-colour"}, "format: hair-colour", id="format"),
    pytest.param({"type": "string", "format": "unknown"}, "format: unknown", id="format-unknown"),
    pytest.param({"type": "string", "pattern": "^(?=a)"}, "pattern", id="look-around"),
    pytest.param({"type": "string", "pattern": "(a)\\1"}, "pattern", id="backreference"),
    pytest.param({"type": "string", "pattern": "\\bx"}, "pattern", id="word-boundary"),
    pytest.param({"$ref": "https://example.com/schema.json"}, "$ref", id="remote-reference"),
    pytest.param({"$dynamicRef": "#x"}, "$dynamicRef", id="dynamic-reference"),
    pytest.param({"propertyNames": {"maxLength": 3}}, "propertyNames", id="property-names"),
    pytest.param({"allOf": [{}], "unevaluatedProperties": False}, "unevaluatedProperties", id="unevaluated"),
    pytest.param({"dependentSchemas": {c: {} for c in "abcde"}}, "dependentSchemas", id="dependent-schemas"),
    pytest.param({"type": "object", "minProperties": 2}, "minProperties", id="min-properties"),
    pytest.param(
        {"properties": {"a": {}, "b": {}}, "maxProperties": 1, "type": "object"}, "minProperties", id="max-properties"
    ),
    pytest.param(
        {"patternProperties": {"a": {}, "b": {"type": "null"}}}, "patternProperties", id="overlapping-patterns"
    ),
    pytest.param({"maximum": 2**63 - 1}, "maximum", id="beyond-doubles"),
    pytest.param({"const": 2**53 + 1}, "const", id="const-beyond-doubles"),
    pytest.param({"multipleOf": 1e-9}, "multipleOf", id="too-fine"),
    pytest.param({"minLenght": 1}, "minLenght", id="misspelt"),
    pytest.param({"nullable": True}, "nullable", id="openapi"),
    pytest.param({"x-guidance": {"lenient": True}, "not": {"const": 1}}, "x-guidance", id="lenient-from-inside"),
    pytest.param({"allOf": [{"x-guidance": {"lenient": True}}]}, "x-guidance", id="lenient-from-further-inside"),
    pytest.param(False, "unsatisfiable", id="false"),
    pytest.param({"type": "string", "minLength": 3, "maxLength": 2}, "unsatisfiable", id="contradiction"),
    pytest.param({"allOf": [{"type": "string"}, {"type": "null"}]}, "unsatisfiable", id="no-common-type"),
]


@pytest.mark.parametrize(("schema", "feature"), REFUSED)
def test_what_cannot_be_enforced_is_refused_by_name(schema, feature):
    with pytest.raises(GrammarError) as refusal:
        Grammar.from_schema(schema, VOCABULARY)

    assert refusal.value.feature == feature


@pytest.mark.parametrize("feature", ["not", "uniqueItems"])
def test_refusal_says_where_the_feature_is(feature):
    schema = {"properties": {"a/b": {"items": {feature: True if feature == "uniqueItems" else {"const": 1}}}}}

    with pytest.raises(GrammarError, match=f"/properties/a~1b/items/{feature}"):
        Grammar.from_schema(schema, VOCABULARY)


@pytest.mark.parametrize(
    "schema", ["{", "[1]", 3.5, {"type": "text"}, {"minLength": -1}, {"$ref": "#/nowhere"}, {"enum": 1}]
)
def test_what_is_no_schema_is_a_wrong_argument(schema):
    with pytest.raises(ConfigError):
        Grammar.from_schema(json.dumps(schema) if isinstance(schema, float) else schema, VOCABULARY)


def test_annotations_are_no_constraints():
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://example.com/a",
        "title": "T",
        "description": "d",
        "default": 3,
        "examples": [4],
        "deprecated": True,
        "x-order": 1,
        "uniqueItems": False,
        "type": "integer",
    }

    assert accepts(Grammar.from_schema(schema, VOCABULARY), "7")


def test_keywords_are_ignored_when_the_caller_says_so():
    schema = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}

    grammar = Grammar.from_schema(schema, VOCABULARY, ignore=["uniqueItems"])

    assert accepts(grammar, "[1,1]")


def test_listed_property_cannot_be_spelled_in_a_second_way():
    grammar = Grammar.from_schema({"type": "object", "properties": {"a": {"type": "integer"}}}, VOCABULARY)

    assert not accepts(grammar, '{"\\u0061":"x"}')


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Cat(pydantic.BaseModel):
    kind: Literal["cat"] = "cat"
    friend: Pet | None = None


class Dog(pydantic.BaseModel):
    kind: Literal["dog", "wolf"]
    born: dt.date


Pet = Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]


class Order(pydantic.BaseModel):
    identity: UUID
    pets: list[Pet] = pydantic.Field(max_length=2)
    colours: dict[Colour, int]
    price: Annotated[float, pydantic.Field(ge=0, le=100)]
    pair: tuple[int, str]
    note: Annotated[str, pydantic.Field(max_length=8)] | None = None


def test_random_logits_under_the_mask_of_a_model_make_the_model():
    grammar = Grammar.from_schema(Order, VOCABULARY)

    orders = [Order.model_validate_json(random_text(grammar, seed)) for seed in range(20)]

    assert {type(pet) for order in orders for pet in order.pets} == {Cat, Dog}


def test_discriminated_union_of_pydantic_asks_for_its_tag():
    grammar = Grammar.from_schema(Pet, VOCABULARY)

    assert accepts(grammar, '{"kind":"cat","friend":{"kind":"wolf","born":"2024-02-29"}}')
    assert not accepts(grammar, '{"friend":null}')


def test_types_that_pydantic_knows_are_schemas():
    for kind, text in ((list[int], "[1, 2]"), (pydantic.TypeAdapter(int | None), "null"), (Order | None, "null")):
        assert accepts(Grammar.from_schema(kind, VOCABULARY), text)


def test_json_text_is_a_schema():
    assert accepts(Grammar.from_schema('{"const": "é"}', VOCABULARY), '"é"')
