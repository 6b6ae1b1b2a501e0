"""A model that fails on purpose."""

import asyncio
import json

import pytest

from inferail.core import Delta
from inferail.errors import OverloadedError, StreamError
from inferail.testing import Breaks, FaultyModel, Garbles, Lies, Refuses, ScriptedModel, Truncates
from inferail.testing.faulty import ModelFault
from inferail.types.message import user
from inferail.types.model import Model
from inferail.types.request import Request

REQUEST = Request((user("Count."),))


def faulty(*faults: ModelFault | None) -> FaultyModel:
    return FaultyModel(ScriptedModel(["One two three four."], cycles=True), faults)


async def read(model: Model) -> list[Delta]:
    async with model.stream(REQUEST) as stream:
        return [delta async for deltas in stream for delta in deltas]


def both(model: FaultyModel, call: str) -> str:
    """The text of one call, whole or streamed."""
    if call == "generate":
        return asyncio.run(model.generate(REQUEST)).text
    return "".join(delta.text or "" for delta in asyncio.run(read(model)) if delta.kind == "text")


CALLS = pytest.mark.parametrize("call", ["generate", "stream"])


@CALLS
def test_exception_is_raised_before_the_model_is_asked(call):
    """Serves R82."""
    inner = ScriptedModel(["One."])
    model = FaultyModel(inner, [OverloadedError("busy")])

    with pytest.raises(OverloadedError):
        both(model, call)

    assert inner.requests == []


@CALLS
def test_error_after_words_has_them_as_its_partial(call):
    """Serves R82, R93."""
    with pytest.raises(OverloadedError) as caught:
        both(faulty(Breaks(2, OverloadedError("busy"))), call)

    assert caught.value.partial.text == "One two "


@CALLS
@pytest.mark.parametrize("count", [0, 1, 4, 9])
def test_truncated_answer_is_a_stream_error_wherever_it_ends(call, count):
    """Serves R82, R88."""
    with pytest.raises(StreamError) as caught:
        both(faulty(Truncates(count)), call)

    assert len(caught.value.partial.text.split()) == min(count, 4)


@CALLS
def test_refusal_is_an_answer_that_says_so(call):
    """Serves R82."""
    response = asyncio.run(faulty(Refuses("No.")).generate(REQUEST))

    assert both(faulty(Refuses("No.")), call) == ""
    assert (response.refusal, response.finish_reason) == ("No.", "content_filter")


@CALLS
def test_garbled_answer_is_no_json(call):
    """Serves R82."""
    with pytest.raises(json.JSONDecodeError):
        json.loads(both(faulty(Garbles()), call))


@CALLS
def test_lie_replaces_the_answer(call):
    """Serves R82."""
    assert both(faulty(Lies("Paris is in Spain.")), call) == "Paris is in Spain."


@CALLS
def test_calls_without_a_fault_go_through(call):
    model = faulty(None, OverloadedError("busy"))

    assert both(model, call) == "One two three four."
    with pytest.raises(OverloadedError):
        both(model, call)
    assert both(model, call) == "One two three four."
    assert model.calls == 3
    assert model.name == "faulty(scripted)"
