"""`Cached` with a semantic policy: what gets in, and how it comes out again."""

from __future__ import annotations

import pytest
from tests.cache.semantic.conftest import degrees

import inferail as ir
from inferail._sync import drive
from inferail.cache import Cached
from inferail.core import Delta
from inferail.testing import ScriptedModel
from inferail.types.message import Message, Refusal, Text, ToolCall
from inferail.types.response import Response, text_message

ASKED, ALIKE = "how do I reset my password", "what is the way to reset a password"
ANGLES = {ASKED: 0.0, ALIKE: degrees(0.95)}


def hit_of(response):
    assert response.cache is not None
    return response.cache


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(Response(text_message("Click on"), "length"), id="truncated"),
        pytest.param(Response(text_message("Click"), "content_filter"), id="filtered"),
        pytest.param(Response(Message("assistant", (Refusal("I must not."),)), "stop"), id="refused"),
        pytest.param(Response(text_message("Click"), "unknown"), id="unknown-end"),
        pytest.param(Response(text_message(""), "stop"), id="empty"),
    ],
)
def test_bad_answer_is_not_given_to_a_text_that_asks_the_same(make, bad):
    """Serves R102."""
    cache = make(ANGLES)
    model = ScriptedModel([bad, "Click on it."])

    with ir.Client(Cached(model, cache)) as client:
        client.complete(ASKED)
        assert client.complete(ALIKE).text == "Click on it."

    assert len(model.requests) == 2


def test_broken_stream_is_not_given_to_a_text_that_asks_the_same(make):
    """Serves R102."""
    cache = make(ANGLES)
    model = ScriptedModel([[Delta("start"), Delta("text", text="Click")], "Click on it."])

    with ir.Client(Cached(model, cache)) as client:
        with pytest.raises(ir.StreamError), client.stream(ASKED) as stream:
            stream.final()
        assert client.complete(ALIKE).text == "Click on it."


def test_hit_replays_as_a_stream_with_its_tool_calls(make):
    """Serves R103."""
    call = ToolCall("call_1", "reset", '{"user":"me"}')
    response = Response(Message("assistant", (Text("I do it."), call)), "tool_calls")
    model = ScriptedModel([response])

    with ir.Client(Cached(model, make(ANGLES))) as client:
        client.complete(ASKED)
        with client.stream(ALIKE) as stream:
            kinds = [delta.kind for delta in stream.deltas()]
            final = stream.final()

    assert final.text == "I do it."
    assert final.tool_calls == (call,)
    assert hit_of(final).kind == "semantic"
    assert {"text", "finish"} <= set(kinds)


def test_hit_costs_nothing_and_leaves_one_record(make):
    model = ScriptedModel(["Click on it."])

    with ir.Client(Cached(model, make(ANGLES))) as client:
        client.complete(ASKED)
        hit = client.complete(ALIKE)
        records = client.records

    assert hit.total_cost_usd == 0.0
    assert [record.reason for record in records] == ["cache"]


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_cache_serves_both_event_loops(make, anyio_backend):
    model = ScriptedModel(["Click on it."])

    async with ir.AsyncClient(Cached(model, make(ANGLES))) as client:
        first, second = await client.complete(ASKED), await client.complete(ALIKE)

    assert (first.text, hit_of(second).kind) == ("Click on it.", "semantic")


def test_cache_in_a_folder_is_there_again(make, tmp_path, clock):
    """Serves R104. Answers, tags, ages and what was learned."""
    tags = lambda request, response: ["accounts"]  # noqa: E731
    first = make(ANGLES, path=tmp_path, tags=tags)
    with ir.Client(Cached(ScriptedModel(["Click on it."]), first)) as client:
        client.complete(ASKED)
    clock.now += 100.0

    second = make(ANGLES, path=tmp_path, tags=tags)
    with ir.Client(Cached(model := ScriptedModel([]), second)) as client:
        semantic, exact = client.complete(ALIKE), client.complete(ASKED)
        entries = second.stats().entries
        forgotten = drive(second.invalidate("accounts"))

    assert (semantic.text, hit_of(semantic).kind) == ("Click on it.", "semantic")
    assert hit_of(semantic).age == pytest.approx(100.0)
    assert hit_of(exact).kind == "exact"
    assert (entries, forgotten) == (1, 1)
    assert not model.requests


def test_cache_in_a_folder_remembers_what_its_entries_learned(make, tmp_path):
    first = make(ANGLES, path=tmp_path, error_bound=0.05, random=lambda: 0.5)
    with ir.Client(Cached(ScriptedModel(["Click.", "Call us."]), first)) as client:
        client.complete(ASKED)
        client.complete(ALIKE)
    learned = first._library.entries()[0].learned.labels

    second = make(ANGLES, path=tmp_path, error_bound=0.05)

    assert len(learned) == 1
    assert [entry.learned.labels for entry in second._library.entries()] == [learned, []]
    drive(second.aclose())


def test_folder_of_another_embedder_is_refused(make, tmp_path):
    from tests.cache.semantic.conftest import Angles

    first = make(Angles(ANGLES, "one"), path=tmp_path)
    with ir.Client(Cached(ScriptedModel(["Click."]), first)) as client:
        client.complete(ASKED)

    with pytest.raises(ir.ConfigError, match="a folder of its own"):
        make(Angles(ANGLES, "two"), path=tmp_path)


def test_damaged_folder_is_refused(make, tmp_path):
    (tmp_path / "cache.json").write_text("{")

    with pytest.raises(ir.FormatError, match="is damaged"):
        make(ANGLES, path=tmp_path)


def test_folder_bounds_hold_when_it_is_opened_again(make, tmp_path):
    angles = {f"text {letter}": 40.0 * number for number, letter in enumerate("abcde")}
    with ir.Client(Cached(ScriptedModel(["x"], cycles=True), make(angles, path=tmp_path))) as client:
        for text in angles:
            client.complete(text)

    smaller = make(angles, path=tmp_path, max_entries=2)

    assert smaller.stats().entries == 2
    drive(smaller.aclose())
