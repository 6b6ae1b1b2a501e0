"""Structured output as objects while it streams."""

import asyncio
import copy
import json

import pytest
from pydantic import BaseModel

import inferail as ir
from inferail.core import Delta
from inferail.testing import ScriptedModel


class Ticket(BaseModel):
    category: str
    urgent: bool


PIECES = ['{"cat', 'egory": "ou', "tage", '", "urgent": tr', "ue}"]
GROWN = [
    {},
    {"category": "ou"},
    {"category": "outage"},
    {"category": "outage"},
    {"category": "outage", "urgent": True},
]


def model(pieces, reason="stop"):
    """Each piece comes in a list of its own, between pieces that are no text."""
    around = [Delta("reasoning", text="hm")]
    texts = [Delta("text", block=1, text=piece) for piece in pieces]
    return ScriptedModel([[*around, *texts, Delta("finish", reason=reason)]])


@pytest.fixture(params=["sync", "async"])
def read(request):
    """What `objects` gives of a model's answer, copied; and the stream."""

    def run(answering):
        seen = []
        if request.param == "sync":
            with ir.Client(answering) as client, client.stream("Go", output=Ticket) as stream:
                seen = [copy.deepcopy(value) for value in stream.objects()]
            return seen, stream

        async def main():
            async with ir.AsyncClient(answering) as client, client.stream("Go", output=Ticket) as stream:
                seen.extend([copy.deepcopy(value) async for value in stream.objects()])
            return stream

        return seen, asyncio.run(main())

    return run


def test_objects_grow_with_the_text_and_the_response_is_typed(read):
    """Serves R22."""
    seen, stream = read(model(PIECES))

    assert seen == GROWN
    assert stream.response.output == Ticket(category="outage", urgent=True)


def test_objects_are_one_that_grows():
    with ir.Client(model(PIECES)) as client, client.stream("Go") as stream:
        values = list(stream.objects())

    assert all(value is values[0] for value in values)
    assert values[0] == GROWN[-1]


def test_objects_raise_with_the_text_when_it_is_not_json():
    """Serves R93, R189."""
    answering = model(["[1, ", "CANARY", "]"])

    with (
        ir.Client(answering) as client,
        client.stream("Go") as stream,
        pytest.raises(ir.OutputValidationError) as caught,
    ):
        list(stream.objects())

    assert caught.value.text == "[1, CANARY"
    assert caught.value.errors == (("", "invalid JSON at byte 4"),)
    assert "CANARY" not in str(caught.value) + repr(caught.value)


def test_objects_of_a_cut_off_answer_come_before_the_error():
    """Serves R93."""
    seen = []

    with (
        ir.Client(model(PIECES[:3], reason="length")) as client,
        client.stream("Go", output=Ticket) as stream,
        pytest.raises(ir.OutputValidationError, match="length") as caught,
    ):
        for value in stream.objects():
            seen.append(copy.deepcopy(value))  # noqa: PERF401 - kept also where the loop raises

    assert seen == GROWN[:3]
    assert caught.value.partial == GROWN[2]


def test_objects_come_before_the_error_when_the_stream_breaks():
    """Serves R88, R93."""
    answer = [Delta("text", text=piece) for piece in PIECES[:2]]
    seen = []

    with (
        ir.Client(ScriptedModel([answer])) as client,
        pytest.raises(ir.StreamError) as caught,
        client.stream("Go") as stream,
    ):
        for value in stream.objects():
            seen.append(copy.deepcopy(value))  # noqa: PERF401 - kept also where the loop raises

    assert seen == GROWN[:2]
    assert caught.value.partial.text == "".join(PIECES[:2])


def test_objects_are_none_where_the_answer_has_no_text(read):
    seen, stream = read(ScriptedModel([[Delta("tool_start", id="c", name="f"), Delta("finish", reason="tool_calls")]]))

    assert seen == []
    assert json.loads(stream.response.tool_calls[0].arguments) == {}
