"""A model that says what a script tells it."""

import asyncio

import pytest

from inferail.core import Delta
from inferail.errors import RateLimitError, StreamError
from inferail.testing import ScriptedModel
from inferail.types.message import Message, Reasoning, Text, ToolCall, user
from inferail.types.model import Model
from inferail.types.request import Request
from inferail.types.response import Response
from inferail.types.usage import Usage

REQUEST = Request((user("Hello you"),))


async def lists_of(model: Model) -> list[list[Delta]]:
    async with model.stream(REQUEST) as stream:
        return [deltas async for deltas in stream]


def test_answers_come_in_their_order_and_requests_are_kept():
    model = ScriptedModel(["One.", "Two."])

    first, second = asyncio.run(model.generate(REQUEST)), asyncio.run(model.generate(REQUEST))

    assert isinstance(model, Model)
    assert (first.text, second.text) == ("One.", "Two.")
    assert model.requests == [REQUEST, REQUEST]
    assert first.usage == Usage(2, 1)


def test_text_streams_word_by_word_and_ends_with_finish():
    lists = asyncio.run(lists_of(ScriptedModel(["One two\nthree."])))

    assert [deltas[0].text for deltas in lists[1:-1]] == ["One ", "two\n", "three."]
    assert lists[-1][-1].kind == "finish"
    assert all(lists)


def test_response_is_the_same_whole_and_streamed():
    parts = (Reasoning("Hm hm.", "sig"), Text("Hi there."), ToolCall("c", "f", '{"a": 1}'))
    answer: Response = Response(Message("assistant", parts), "tool_calls", Usage(3, 4), id="r1", model="m")
    model = ScriptedModel([answer, answer])

    async def streamed() -> Response:
        async with model.stream(REQUEST) as stream:
            return await stream.final()

    whole, final = asyncio.run(model.generate(REQUEST)), asyncio.run(streamed())

    assert whole is answer
    assert (final.message, final.finish_reason, final.usage, final.id) == (
        answer.message,
        "tool_calls",
        Usage(3, 4),
        "r1",
    )


def test_exception_is_raised_with_its_attempt():
    async def enter() -> None:
        async with ScriptedModel([RateLimitError("slow", retry_after=1.0)]).stream(REQUEST):
            pass

    with pytest.raises(RateLimitError) as caught:
        asyncio.run(enter())

    assert [attempt.error for attempt in caught.value.attempts] == ["RateLimitError"]
    assert caught.value.attempts[0].retry_after == 1.0
    assert caught.value.partial is None


def test_deltas_without_a_finish_are_a_stream_error_with_what_came():
    """Serves R88, R93."""
    model = ScriptedModel([[Delta("text", text="One "), Delta("text", text="two")]])

    with pytest.raises(StreamError) as caught:
        asyncio.run(lists_of(model))

    assert caught.value.partial.text == "One two"


def test_script_fails_loudly_at_its_end():
    model = ScriptedModel(["One."])
    asyncio.run(model.generate(REQUEST))

    with pytest.raises(AssertionError, match="call 2"):
        asyncio.run(model.generate(REQUEST))


def test_script_begins_again_when_it_cycles():
    model = ScriptedModel(["One."], cycles=True)

    assert [asyncio.run(model.generate(REQUEST)).text for _ in range(3)] == ["One."] * 3


def test_stream_that_was_left_has_a_partial_and_no_final():
    async def leave() -> tuple[str, str]:
        stream = ScriptedModel(["One two three."]).stream(REQUEST)
        async with stream:
            await anext(stream)
            await anext(stream)
        with pytest.raises(StreamError):
            await stream.final()
        return stream.partial.text, "left"

    assert asyncio.run(leave()) == ("One ", "left")
