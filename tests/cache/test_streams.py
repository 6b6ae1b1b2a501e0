"""A hit streams as the answer did, and a stream is kept only once it has come to its end."""

import asyncio
import dataclasses
import re
from typing import Any

import pytest
from tests.cache.answers import CALL, REQUEST, answer, drive
from tests.store.driving import RUNNERS

import inferail as ir
from inferail.cache.policy import CacheHit
from inferail.core import Delta, StreamDecoder
from inferail.providers.codec import Incoming
from inferail.providers.facade import ChatCompletionsFacade, GenerateContentFacade, MessagesFacade, ResponsesFacade
from inferail.replay import can_stream, deltas_of
from inferail.testing import Breaks, FaultyModel, ScriptedModel, Truncates
from inferail.testing.streams import deltas_of as words_of
from inferail.types.accumulate import Accumulator
from inferail.types.message import Image, Reasoning, Text

FACADES = [ChatCompletionsFacade, MessagesFacade, GenerateContentFacade, ResponsesFacade]
ANSWERS = {
    "text": answer("You have twenty five days."),
    "two-texts": answer("You have ", "twenty five."),
    "tools": answer("Let me see.", CALL, dataclasses.replace(CALL, id="call_2", name="other"), finish="tool_calls"),
    "tool-alone": answer(dataclasses.replace(CALL, arguments="{}"), finish="tool_calls"),
    "reasoning": answer(Reasoning("Hm hm.", "sig"), Reasoning(redacted="sealed"), "Twenty five."),
    "sealed": answer(Text("Twenty five.", "seal"), dataclasses.replace(CALL, signature="seal"), finish="tool_calls"),
    "no-usage": answer(usage=ir.Usage()),
}


async def read(model: ir.Cached, request: ir.Request = REQUEST) -> tuple[list[list[Delta]], ir.Response]:
    async with model.stream(request) as stream:
        lists = [deltas async for deltas in stream]
        return lists, await stream.final()


def accumulated(lists: list[list[Delta]]) -> Accumulator:
    accumulator = Accumulator()
    for deltas in lists:
        accumulator.add(deltas)
    return accumulator


@pytest.mark.parametrize("run", RUNNERS)
@pytest.mark.parametrize("name", ANSWERS)
def test_hit_streams_as_the_answer_did(name, run):
    """Serves R102."""
    model = ir.Cached(ScriptedModel([ANSWERS[name]]), ir.ExactCache())

    async def work():
        return await read(model), await read(model)

    (fresh, first), (replayed, second) = run(work())

    assert (first.cache, second.cache.kind) == (None, "exact")
    assert second.message == first.message
    whole, again = accumulated(fresh), accumulated(replayed)
    assert again.message() == whole.message()
    assert (again.usage, again.finish_reason, again.raw_finish_reason) == (
        whole.usage and whole.usage.with_cost(0.0),
        whole.finish_reason,
        whole.raw_finish_reason,
    )
    assert (again.id, again.model) == (whole.id, whole.model)
    assert all(replayed)
    assert [delta.kind for delta in replayed[-1]][-1] == "finish"


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("facade", FACADES)
def test_hit_gives_a_reader_of_any_shape_the_same_answer_as_a_fresh_stream(facade, name):
    """Serves R102."""
    response = ANSWERS[name]
    grammar: Any = {
        ChatCompletionsFacade: "openai_chat",
        MessagesFacade: "anthropic",
        GenerateContentFacade: "gemini",
        ResponsesFacade: "openai_responses",
    }[facade]

    def written(lists) -> tuple[Any, ...]:
        encoder = facade().stream_encoder(Incoming("m", REQUEST, stream=True))
        data = b"".join(encoder.feed(deltas) for deltas in lists) + encoder.finish(response)
        decoder = StreamDecoder(grammar)
        accumulator = accumulated([decoder.feed(re.sub(rb"_[0-9a-f]{32}", b"_id", data))])  # ids are made up
        assert decoder.finish() is None
        return accumulator.message(), accumulator.usage, accumulator.finish_reason

    assert written(deltas_of(response)) == written(words_of(response))


def test_whole_answer_and_stream_share_what_is_kept():
    model = ir.Cached(ScriptedModel([answer()]), ir.ExactCache())

    whole = drive(model.generate(REQUEST))
    lists, streamed = drive(read(model))

    assert streamed.message == whole.message
    assert streamed.cache is not None
    assert accumulated(lists).message().text == whole.text


def test_stream_is_kept_at_its_terminal_event_and_leaves_one_record_per_hit():
    """Serves R102."""
    model = ir.Cached(ScriptedModel([answer()]), ir.ExactCache())

    with ir.Client(model) as client:
        with client.stream("Hello") as first:
            text = "".join(first.text())
        with client.stream("Hello") as second:
            assert "".join(second.text()) == text == first.response.text

    found = second.response.cache
    assert first.response.cache is None
    assert found is not None
    assert second.response.cache == dataclasses.replace(CacheHit("exact", 0.0, 0.002), age=found.age)
    assert (second.attempts, second.response.total_cost_usd) == ((), 0.0)
    assert [(record.reason, record.streamed) for record in client.records] == [("cache", True)]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Truncates(2), id="without-terminal-event"),
        pytest.param(Breaks(1, ir.StreamError("broke")), id="broken"),
        pytest.param(ir.OverloadedError("busy"), id="refused"),
    ],
)
def test_stream_that_fails_is_not_kept(fault):
    """Serves R102."""
    model = ir.Cached(FaultyModel(ScriptedModel([answer(), answer()]), [fault]), ir.ExactCache())

    with pytest.raises(ir.RequestError):
        drive(read(model))

    assert len(model._turns._flights) == 0
    assert drive(read(model))[1].cache is None
    assert model.stats().stored == 1


@pytest.mark.parametrize("lists", [0, 1, 3])
def test_stream_that_is_left_is_not_kept(lists):
    """Serves R102."""
    model = ir.Cached(ScriptedModel([answer(), answer()]), ir.ExactCache())

    async def leave() -> None:
        async with model.stream(REQUEST) as stream:
            for _ in range(lists):
                await anext(stream)

    drive(leave())

    assert len(model._turns._flights) == 0
    assert drive(read(model))[1].cache is None
    assert drive(read(model))[1].cache is not None


def test_stream_of_a_truncated_answer_is_not_kept():
    model = ir.Cached(ScriptedModel([answer(finish="length"), answer()]), ir.ExactCache())

    assert drive(read(model))[1].truncated
    assert not drive(read(model))[1].truncated


def test_final_alone_reads_and_keeps_the_stream():
    model = ir.Cached(ScriptedModel([answer()]), ir.ExactCache())

    async def final() -> ir.Response:
        async with model.stream(REQUEST) as stream:
            first = await stream.final()
            assert await stream.final() is first
            return first

    assert drive(final()).cache is None
    assert drive(final()).cache is not None


def test_partial_of_a_replay_is_what_was_shown():
    model = ir.Cached(ScriptedModel([answer("One. ", "Two.")]), ir.ExactCache())
    drive(model.generate(REQUEST))

    async def work() -> None:
        stream = model.stream(REQUEST)
        assert stream.partial.text == ""
        async with stream:
            await anext(stream)
            await anext(stream)
            assert stream.partial.text == "One. "
            assert (await stream.final()).text == "One. Two."
            assert stream.partial.text == "One. Two."

    drive(work())


def test_stream_says_what_is_wrong_with_how_it_is_used():
    model = ir.Cached(ScriptedModel([answer(), answer()]), ir.ExactCache())

    async def unentered() -> None:
        await anext(model.stream(REQUEST))

    async def entered_twice() -> None:
        stream = model.stream(REQUEST)
        async with stream:
            await stream.__aenter__()

    async def left() -> None:
        async with model.stream(REQUEST) as stream:
            pass
        await stream.final()

    with pytest.raises(ir.ConfigError, match="not been entered"):
        drive(unentered())
    with pytest.raises(ir.ConfigError, match="entered once"):
        drive(entered_twice())
    with pytest.raises(ir.StreamError):
        drive(left())


def test_replay_that_was_left_says_so():
    model = ir.Cached(ScriptedModel([answer()]), ir.ExactCache())
    drive(model.generate(REQUEST))

    async def left() -> ir.Response:
        async with model.stream(REQUEST) as stream:
            pass
        return await stream.final()

    with pytest.raises(ir.StreamError, match="left before its end"):
        drive(left())


def test_answer_that_no_stream_can_say_is_asked_for_again_as_one():
    drawn = answer("Here: ", Image(data=b"png"))
    model = ir.Cached(ScriptedModel([drawn, answer("No picture.")]), ir.ExactCache())
    drive(model.generate(REQUEST))

    assert not can_stream(drawn)
    assert drive(read(model))[1].text == "No picture."
    assert drive(model.generate(REQUEST)).message == drawn.message


def test_scope_of_a_stream_is_the_one_in_which_it_was_made():
    model = ir.Cached(ScriptedModel([answer("mine"), answer("yours")]), ir.ExactCache())
    with ir.scope(labels={"tenant": "mine"}):
        mine = model.stream(REQUEST)
    with ir.scope(labels={"tenant": "yours"}):
        yours = model.stream(REQUEST)

    async def texts() -> list[str]:
        said = []
        for stream in (mine, yours):
            async with stream:
                said.append((await stream.final()).text)
        return said

    assert asyncio.run(texts()) == ["mine", "yours"]
