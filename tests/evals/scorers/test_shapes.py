"""The scorer of data."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from inferail.errors import ConfigError
from inferail.evals import Case, Conforms
from inferail.types.response import Response, text_message


class Ticket(BaseModel):
    category: Literal["billing", "outage"]
    urgent: bool


class Row(TypedDict):
    a: int


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}


@pytest.mark.parametrize(
    ("schema", "output", "value", "note"),
    [
        pytest.param(Ticket, '{"category": "billing", "urgent": true}', 1.0, "", id="text"),
        pytest.param(Ticket, {"category": "billing", "urgent": True}, 1.0, "", id="data"),
        pytest.param(Ticket, Ticket(category="outage", urgent=False), 1.0, "", id="object"),
        pytest.param(Ticket, '{"category": "C4N4RY", "urgent": true}', 0.0, "category: literal_error", id="wrong"),
        pytest.param(Ticket, "C4N4RY", 0.0, "not JSON", id="not-json"),
        pytest.param(Row, '{"a": 1}', 1.0, "", id="typed-dict"),
        pytest.param(list[int], "[1, 2]", 1.0, "", id="list"),
        pytest.param(SCHEMA, '{"n": 2}', 1.0, "", id="json-schema"),
        pytest.param(SCHEMA, '{"n": 0}', 0.0, "$.n: minimum", id="json-schema-wrong"),
        pytest.param(SCHEMA, Response(text_message('{"n": 1}'), "stop"), 1.0, "", id="response"),
    ],
)
def test_conforms_says_whether_and_where(schema, output, value, note):
    score = asyncio.run(Conforms(schema).score(Case("q"), output))

    assert (score.value, score.note) == (value, note)


def test_conforms_refuses_what_is_no_schema():
    with pytest.raises(ConfigError, match="schema"):
        Conforms(42)
