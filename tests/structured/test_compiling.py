"""From a JSON Schema to what each provider takes."""

from __future__ import annotations

import json

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from tests.structured.shapes import City, Colour, Line, Node, Order, Pet, Point, Refund, Ticket, YesNo

import inferail as ir
from inferail.structured import Output, OutputType
from inferail.structured.checking import subschemas
from inferail.structured.compiling import Inexpressible, compile_schema
from inferail.structured.modes import plan
from inferail.structured.subsets import PROVIDERS


class Chain(BaseModel):
    links: list[Chain]


SUBSETS = {name: provider.subset for name, provider in PROVIDERS.items() if provider.subset is not None}
KINDS = [Ticket, Order, Line, City, Point, Colour, YesNo, Pet, Ticket | Refund, list[Line], int | None, list[list[int]]]
ALLOWED = {
    # What each provider's page lists, besides the notes.
    "openai": {
        "type", "enum", "const", "anyOf", "properties", "required", "additionalProperties", "items", "$ref", "$defs",
        "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems",
        "maxItems",
    },
    "anthropic": {
        "type", "enum", "const", "anyOf", "properties", "required", "additionalProperties", "items", "$ref", "$defs",
        "pattern", "format", "minItems",
    },
    "gemini": {
        "type", "enum", "anyOf", "properties", "required", "additionalProperties", "items", "prefixItems", "$ref", "$defs",
        "format", "minimum", "maximum", "minItems", "maxItems",
    },
    "groq": {
        "type", "enum", "const", "anyOf", "properties", "required", "additionalProperties", "items", "$ref", "$defs",
    },
}  # fmt: skip


def schema_of(kind):
    schema = OutputType.of(kind).schema
    assert schema
    return schema.schema


def planned(kind, provider, model="a-model", **more):
    return plan(ir.Request((ir.user("?"),), output=OutputType.of(kind).schema, **more), provider, model)


@pytest.mark.parametrize("provider", sorted(SUBSETS))
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_compiled_schema_keeps_to_the_subset(kind, provider):
    """Serves R144."""
    subset = SUBSETS[provider]

    compiled = compile_schema(schema_of(kind), subset).schema

    jsonschema.Draft202012Validator.check_schema(compiled)
    assert compiled["type"] == "object"
    for _, rules in subschemas(compiled):
        used = rules.keys() - {"title", "description"}
        assert used <= ALLOWED.get(subset.name, used)
        if subset.closed and "object" in rules.get("type", ""):
            assert rules["additionalProperties"] is False
        if subset.required and "properties" in rules:
            assert set(rules["required"]) == set(rules["properties"])
        if "$ref" in rules:
            assert subset.references
            assert subset.siblings or rules.keys() == {"$ref"}
        if subset.min_items is not None:
            assert rules.get("minItems", 0) <= subset.min_items


@pytest.mark.parametrize("provider", sorted(SUBSETS))
@pytest.mark.parametrize("kind", [*KINDS, Node], ids=str)
def test_compiled_schema_is_compiled_to_itself(kind, provider):
    try:
        once = compile_schema(schema_of(kind), SUBSETS[provider]).schema
    except Inexpressible:
        return

    twice = compile_schema(once, SUBSETS[provider])

    assert json.dumps(twice.schema) == json.dumps(once)
    assert not twice.left_out


LINES = st.fixed_dictionaries(
    {"sku": st.from_regex("[A-Z]{3}", fullmatch=True), "count": st.integers(1, 99), "note": st.none() | st.text()}
)
ORDERS = st.fixed_dictionaries(
    {
        "id": st.integers(),
        "when": st.dates().map(str),
        "lines": st.lists(LINES, min_size=1, max_size=3),
        "kind": st.sampled_from(["new", "old"]),
        "first": st.none() | LINES,
    }
)


@pytest.mark.parametrize("provider", sorted(SUBSETS))
@given(ORDERS)
def test_compiled_schema_allows_every_valid_answer(provider, order):
    """Serves R144."""
    compiled = compile_schema(schema_of(Order), SUBSETS[provider]).schema

    assert jsonschema.Draft202012Validator(compiled).is_valid(order)


def test_what_is_left_out_is_said_in_the_description_and_listed():
    compiled = compile_schema(schema_of(Line), SUBSETS["anthropic"])

    assert compiled.schema["properties"]["count"] == {"type": "integer", "description": "(maximum: 99; minimum: 1)"}
    assert set(compiled.left_out) == {"maximum at count", "minimum at count"}


def test_optional_property_may_be_null_where_all_are_required():
    compiled = compile_schema(schema_of(Point), SUBSETS["openai"]).schema

    assert compiled["properties"]["y"] == {"type": ["number", "null"], "description": "(default: 0.0)"}
    assert OutputType.of(Point).reader.read('{"x": 1, "y": null}') == Point(1.0)


def test_schema_that_fits_is_sent_byte_for_byte():
    schema = {"required": ["b", "a"], "type": "object", "properties": {"a": {"type": "string"}, "b": {"enum": [1]}},
              "additionalProperties": False, "title": "T"}  # fmt: skip

    request = plan(ir.Request((ir.user("?"),), output=ir.OutputSchema(schema)), "openai", "gpt-5").request

    assert request.output
    assert request.output.schema is schema


def test_compiling_is_done_once():
    schema = schema_of(Order)

    assert compile_schema(schema, SUBSETS["openai"]) is compile_schema(dict(schema), SUBSETS["openai"])


def test_one_of_with_a_discriminator_becomes_alternatives():
    compiled = compile_schema(schema_of(Pet), SUBSETS["openai"]).schema

    assert compiled["properties"]["answer"] == {"anyOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]}


def test_all_of_is_merged():
    schema = {
        "type": "object",
        "allOf": [
            {"$ref": "#/$defs/a"},
            {"type": "object", "properties": {"y": {"type": "integer"}}, "required": ["y"]},
        ],
        "$defs": {"a": {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}},
    }

    compiled = compile_schema(schema, SUBSETS["openai"]).schema

    assert compiled["properties"].keys() == {"x", "y"}
    assert compiled["required"] == ["x", "y"]
    assert "allOf" not in compiled


@pytest.mark.parametrize(
    ("schema", "provider", "feature"),
    [
        pytest.param(schema_of(Node), "anthropic", "recursive schema", id="recursion"),
        pytest.param(schema_of(dict[str, int]), "openai", "map", id="map"),
        pytest.param({"type": "object", "properties": {"a": {}}}, "openai", "any type", id="any"),
        pytest.param(schema_of(tuple[int, str]), "openai", "schema for each place", id="tuple"),
        pytest.param({"type": "object", "properties": {"a": False}}, "openai", "nothing fits", id="false"),
        pytest.param(
            {"type": "object", "properties": {}, "patternProperties": {"a": {}}}, "anthropic", "map", id="patterns"
        ),
        pytest.param(
            {"type": "object", "allOf": [{"type": "object"}, {"type": "string"}]}, "openai", "allOf", id="all-of"
        ),
    ],
)
def test_what_native_mode_cannot_say_is_refused_by_name_where_it_was_asked_for(schema, provider, feature):
    """Serves R144."""
    request = ir.Request((ir.user("?"),), output=ir.OutputSchema(schema, mode="native"))

    with pytest.raises(ir.ConfigError, match=feature) as caught:
        plan(request, provider, "claude-sonnet-4-5")

    assert provider in str(caught.value)


def test_references_that_branch_without_end_are_refused():
    definitions = {f"d{n}": {"type": "object", "properties": {
        "a": {"$ref": f"#/$defs/d{n + 1}"}, "b": {"$ref": f"#/$defs/d{n + 1}"}}} for n in range(30)}  # fmt: skip
    definitions["d30"] = {"type": "object", "properties": {"a": {"type": "string"}}}

    with pytest.raises(Inexpressible, match="size"):
        compile_schema({"$ref": "#/$defs/d0", "$defs": definitions}, SUBSETS["cohere"])


def test_schema_that_is_no_json_is_a_config_error():
    with pytest.raises(ir.ConfigError, match="not JSON"):
        compile_schema({"type": "object", "x": object()}, SUBSETS["openai"])


@pytest.mark.parametrize(
    ("provider", "model", "kind", "more", "mode"),
    [
        ("openai", "gpt-5-mini", Ticket, {}, "native"),
        ("openai", "gpt-3.5-turbo", Ticket, {}, "tool"),
        ("openai", "gpt-4-turbo", Ticket, {}, "tool"),
        ("openai", "gpt-4o", Ticket, {}, "native"),
        ("openai", "o1-mini", Ticket, {}, "prompt"),
        ("openai", "gpt-5", Node, {}, "native"),
        ("anthropic", "claude-sonnet-4-5", Ticket, {}, "native"),
        ("anthropic", "claude-3-5-haiku-latest", Ticket, {}, "tool"),
        ("anthropic", "claude-opus-4-20250514", Ticket, {}, "tool"),
        ("anthropic", "claude-opus-4-1", Ticket, {}, "native"),
        ("anthropic", "claude-sonnet-4-5", Node, {}, "tool"),
        ("anthropic", "claude-sonnet-4-5", dict[str, int], {}, "tool"),
        ("gemini", "gemini-2.5-flash", Ticket, {}, "native"),
        ("gemini", "gemini-2.5-flash", Ticket, {"tools": (ir.Tool("f"),)}, "tool"),
        ("gemini", "gemini-3-pro", Ticket, {"tools": (ir.Tool("f"),)}, "native"),
        ("gemini", "gemini-3-pro", Node, {}, "native"),
        ("gemini", "gemini-3-pro", Chain, {}, "tool"),
        ("gemini", "gemma-3-27b-it", Ticket, {}, "prompt"),
        ("groq", "openai/gpt-oss-20b", Ticket, {}, "native"),
        ("groq", "llama-3.1-8b-instant", Ticket, {}, "json"),
        ("deepseek", "deepseek-chat", Ticket, {}, "json"),
        ("qwen", "qwen-plus", Ticket, {}, "json"),
        ("qwen", "qwen-plus", Output(Ticket, mode="native"), {}, "native"),
        ("mistral", "mistral-small-latest", Ticket, {}, "native"),
        ("vllm", "anything", Node, {}, "native"),
        ("of-another-package", "anything", Node, {}, "native"),
    ],
)
def test_mode_is_chosen_by_what_the_model_has(provider, model, kind, more, mode):
    """Serves R144."""
    assert planned(kind, provider, model, **more).mode == mode


def test_reader_that_knows_no_nulls_is_not_given_any():
    """A server in another provider's format cannot tell its callers that null means "left out"."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}

    found = plan(ir.Request((ir.user("?"),), output=ir.OutputSchema(schema)), "openai", "gpt-5")

    assert found.request.output
    assert found.request.output.schema == schema
    assert not found.strict
    assert "a property that may be left out at a" in found.title


def test_openai_is_sent_what_it_cannot_enforce_without_strict():
    output = planned(dict[str, int], "openai").request.output

    assert output
    assert not output.strict


@pytest.mark.parametrize(("provider", "mode"), [("anthropic", "json"), ("deepseek", "native"), ("tgi", "json")])
def test_mode_that_a_provider_does_not_have_is_refused(provider, mode):
    with pytest.raises(ir.ConfigError, match=f"{provider} has no {mode} mode"):
        planned(Output(Ticket, mode=mode), provider)


def test_tool_mode_keeps_the_tools_of_the_caller():
    request = planned(Output(Ticket, mode="tool"), "openai", tools=(ir.Tool("Ticket"),)).request

    assert [tool.name for tool in request.tools] == ["Ticket", "answer_Ticket"]
    assert request.tool_choice == "required"
    assert request.output is None
