"""The model that answers from documents, and the filling of schemas."""

import asyncio
import json
from typing import Any

import pytest
from pydantic import BaseModel, Field

from inferail.core import Delta
from inferail.errors import ConfigError, InvalidRequestError
from inferail.testing import Corpus, DocumentModel
from inferail.testing.filling import Filler
from inferail.types.message import Message, assistant, tool_result, user
from inferail.types.request import OutputSchema, Request, Sampling
from inferail.types.response import Response
from inferail.types.tools import Tool

GUIDE = """# Guide

## Leave

Every employee has 30 days of leave in a year. Unused leave ends in March of the next year!
Ask your manager before you book a journey.

```
leave leave leave leave leave leave
```

| leave | table leave leave leave |

## Expenses

- The company pays for trains in [second class](https://example.com).
- Taxis are paid for after 22 o'clock only.
"""
STATUS = Tool("order_status", "Status of an order.", {
    "type": "object",
    "properties": {"order_id": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["order_id"],
})  # fmt: skip
WEATHER = Tool("getWeather", parameters={"type": "object", "properties": {"city": {"type": "string"}}})


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> DocumentModel:
    folder = tmp_path_factory.mktemp("documents")
    (folder / "guide.md").write_text(GUIDE, encoding="utf-8")
    (folder / "other.md").write_text(
        "# Other\n\nNothing of this has to do with trains or journeys.\n", encoding="utf-8"
    )
    return DocumentModel(folder=folder)


def ask(model: DocumentModel, *messages: str | Message, **fields: Any) -> Response:
    said = tuple(user(message) if isinstance(message, str) else message for message in messages)
    return asyncio.run(model.generate(Request(said, **fields)))


async def stream(model: DocumentModel, request: Request) -> tuple[list[list[Delta]], Response]:
    async with model.stream(request) as opened:
        lists = [deltas async for deltas in opened]
        return lists, await opened.final()


def test_answer_has_the_sentences_of_the_question_and_its_source(model):
    answer = ask(model, "How many days of leave do I have?")

    assert "Every employee has 30 days of leave in a year." in answer.text
    assert "leave leave" not in answer.text
    assert answer.text.endswith("Sources: guide.md")
    assert (answer.model, answer.finish_reason) == ("inferail-docs", "stop")


def test_answer_says_when_the_documents_say_nothing(model):
    assert ask(model, "Quantum chromodynamics?").text == "The documents say nothing about that."


def test_answer_is_the_same_whole_streamed_and_again(model):
    request = Request((user("Who pays for trains?"),))

    lists, final = asyncio.run(stream(model, request))
    whole = asyncio.run(model.generate(request))

    assert (final.message, final.usage, final.id) == (whole.message, whole.usage, whole.id)
    assert all(len(deltas) == 1 for deltas in lists[1:-1])
    assert whole.usage.output_tokens == len(whole.text.split())
    assert whole.usage.input_tokens == 4
    assert not whole.usage.estimated


def test_markup_is_left_out(model):
    assert "trains in second class." in ask(model, "Who pays for trains?").text


def test_prefill_is_continued(model):
    whole = ask(model, "How many days of leave do I have?").text

    answer = ask(model, "How many days of leave do I have?", assistant("Every employee has"))

    assert "Every employee has" + answer.text == whole


@pytest.mark.parametrize("limit", [1, 3])
def test_answer_ends_at_max_tokens(model, limit):
    answer = ask(model, "Who pays for trains?", sampling=Sampling(max_tokens=limit))

    assert (len(answer.text.split()), answer.finish_reason, answer.usage.output_tokens) == (limit, "length", limit)


def test_stop_string_ends_the_answer_and_is_withheld(model):
    answer = ask(model, "Who pays for trains?", sampling=Sampling(stop=("in second", "zzz")))

    assert answer.text.endswith("trains ")
    assert (answer.finish_reason, answer.raw_finish_reason) == ("stop", "stop_sequence")


@pytest.mark.parametrize(
    ("question", "arguments"),
    [
        pytest.param("What is the status of order A-1234?", {"order_id": "A-1234", "count": 0}, id="words-of-the-name"),
        pytest.param('Call order_status for "77 b", 3 times', {"order_id": "77 b", "count": 3}, id="name-and-quote"),
    ],
)
def test_tool_is_called_when_the_question_names_it(model, question, arguments):
    answer = ask(model, question, tools=(WEATHER, STATUS))

    assert answer.finish_reason == "tool_calls"
    assert [call.name for call in answer.tool_calls] == ["order_status"]
    assert json.loads(answer.tool_calls[0].arguments) == arguments


def test_tools_are_called_in_parallel_when_both_are_named(model):
    answer = ask(model, "Get weather in Oslo and order status of 5", tools=(WEATHER, STATUS))

    assert [call.name for call in answer.tool_calls] == ["getWeather", "order_status"]


@pytest.mark.parametrize(
    ("choice", "called"), [("none", []), ("required", ["getWeather"]), ("order_status", ["order_status"]), ("auto", [])]
)
def test_tool_choice_is_obeyed(model, choice, called):
    answer = ask(model, "Who pays for trains?", tools=(WEATHER, STATUS), tool_choice=choice)

    assert [call.name for call in answer.tool_calls] == called


def test_tool_result_is_relayed(model):
    first = ask(model, "order status of 5?", tools=(STATUS,))

    answer = ask(
        model, "order status of 5?", first.message, tool_result(first.tool_calls[0], "shipped"), tools=(STATUS,)
    )

    assert answer.text == "order_status says: shipped"


def test_output_schema_is_filled_and_streams(model):
    class Ticket(BaseModel):
        category: str = Field(min_length=3)
        urgent: bool
        days: int = Field(ge=1, le=50)

    schema = Ticket.model_json_schema()
    request = Request((user("How many days of leave, 12?"),), output=OutputSchema(schema))

    _, final = asyncio.run(stream(model, request))

    ticket = Ticket.model_validate_json(final.text)
    assert (ticket.days, ticket.urgent) == (12, True)
    assert "leave" in ticket.category


SCHEMAS: dict[str, dict[str, Any]] = {
    "plain-string": {"type": "string"},
    "empty": {},
    "true": {"type": "object", "properties": {"a": True}},
    "const": {"const": 7},
    "enum": {"enum": ["a", "b"]},
    "nullable": {"type": ["null", "integer"], "minimum": 4},
    "any-of": {"anyOf": [{"type": "null"}, {"type": "array", "items": {"type": "boolean"}, "minItems": 3}]},
    "one-of-joined": {"type": "object", "required": ["a"], "oneOf": [{"properties": {"a": {"type": "number"}}}]},
    "all-of": {"allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"required": ["b"]}]},
    "lengths": {"type": "string", "minLength": 900, "maxLength": 901},
    "short": {"type": "string", "maxLength": 2},
    "bounds": {"type": "number", "exclusiveMinimum": 3, "maximum": 3.5},
    "integer-bounds": {"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5},
    "multiple": {"type": "integer", "minimum": 10, "multipleOf": 7},
    "negative": {"type": "integer", "maximum": -3},
    "unique": {"type": "array", "items": {"enum": ["x", "y", "z"]}, "minItems": 3, "uniqueItems": True},
    "unique-strings": {"type": "array", "items": {"type": "string"}, "minItems": 4, "uniqueItems": True},
    "tuple": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
    "pattern": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
    "format": {"type": "string", "format": "uuid"},
    "min-properties": {"type": "object", "minProperties": 2, "additionalProperties": {"type": "integer"}},
    "refs": {
        "$defs": {"a/b": {"type": "integer"}, "list": {"type": "array", "items": {"$ref": "#/$defs/a~1b"}}},
        "$ref": "#/$defs/list",
    },
    "tree": {
        "$defs": {"node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            },
            "required": ["name", "children"],
            "additionalProperties": False,
        }},
        "$ref": "#/$defs/node",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("sentences", [(), ("One sentence.", "Another one.")])
def test_filled_value_is_valid(needs, name, sentences):
    schema = SCHEMAS[name]

    value = Filler(schema, 'Is "x" in Oslo 42 or -7.5?', sentences).value()

    needs("jsonschema").Draft202012Validator(schema).validate(value)


@pytest.mark.parametrize(
    ("schema", "error"),
    [
        pytest.param({"type": "string", "pattern": "^q{9}z$"}, InvalidRequestError, id="pattern"),
        pytest.param({"type": "integer", "minimum": 3, "maximum": 2}, InvalidRequestError, id="bounds"),
        pytest.param({"$ref": "#/$defs/missing"}, ConfigError, id="ref"),
        pytest.param({"$ref": "#"}, ConfigError, id="circle"),
        pytest.param(
            {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, InvalidRequestError, id="endless"
        ),
    ],
)
def test_filler_says_what_it_cannot_do(schema, error):
    with pytest.raises(error):
        Filler(schema, "x").value()


def test_own_documents_are_found_without_a_folder():
    corpus = Corpus.load()

    assert len(corpus.sentences) > 5
    assert {sentence.source for sentence in corpus.sentences if sentence.source.endswith(".md")}


def test_folder_without_documents_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"\.md"):
        DocumentModel(folder=tmp_path)
    (tmp_path / "empty.md").write_text("# Only a heading\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="no text"):
        DocumentModel(folder=tmp_path)
