"""Conversations: turns, streams, forks, JSON, stores and two writers."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, cast

import pytest
from tests.store.servers import redis_server

import inferail as ir
from inferail.providers.codec import Endpoint
from inferail.providers.native.anthropic import AnthropicCodec
from inferail.providers.native.gemini import GeminiCodec
from inferail.store.memory import MemoryStore
from inferail.store.sqlite import SQLiteStore
from inferail.testing import ScriptedModel
from inferail.testing.clock import run_virtual
from inferail.testing.recipes import sandbox_model
from inferail.testing.sandbox import Sandbox

SEALED = ir.Message(
    "assistant",
    (
        ir.Reasoning("Let me think.", signature="sealed=="),
        ir.Text("I look it up.", signature="text-seal"),
        ir.ToolCall("call_1", "weather", '{"city": "Zürich\\ud800"}', signature="call-seal"),
    ),
    provider="anthropic",
)
RESULT = ir.Message("tool", (ir.ToolResult("call_1", "18 °C", "weather", is_error=True),), cache="1h")
PICTURE = ir.user("What is this?", ir.Image(data=b"\x89PNG\x00", detail="low"), cache=True)
EVERYTHING = (
    PICTURE,
    SEALED,
    RESULT,
    ir.assistant("18 °C", ir.Refusal("no more")),
    ir.user(ir.Audio(b"RIFF"), ir.File(file_id="f_1", name="a.pdf"), ir.Image(url="https://example.com/a.png")),
    ir.Message("assistant", (ir.Reasoning(redacted="hidden"), ir.Text("Done.")), provider="openai"),
)


def _conversation(*answers, **options):
    model = ScriptedModel(list(answers))
    return ir.Conversation(ir.Client(model), **options), model


def _wire(request, codec, model):
    endpoint = Endpoint(model=model, base_url="https://example.com", api_key="k")
    return codec.encode(request, endpoint, stream=False).ready().body


def test_conversation_appends_each_turn_and_sends_them_all():
    """Serves R124."""
    conversation, model = _conversation("Hello Ada.", "Your name is Ada.", system="Be brief.")

    conversation.say("I am Ada.")
    reply = conversation.say("Who am I?")

    assert reply.text == "Your name is Ada."
    assert [message.text for message in model.requests[1].messages] == [
        "Be brief.",
        "I am Ada.",
        "Hello Ada.",
        "Who am I?",
    ]
    assert [message.role for message in conversation.messages] == ["user", "assistant"] * 2


def test_failed_turn_leaves_the_history_as_it_was():
    conversation, _ = _conversation("One.", ir.OverloadedError("busy"), "Two.")
    conversation.say("1")
    before = conversation.messages

    with pytest.raises(ir.OverloadedError):
        conversation.say("2")

    assert conversation.messages == before
    assert conversation.say("2").text == "Two."


def test_tool_results_go_on_with_the_turn():
    call = ir.ToolCall("c1", "weather", '{"city":"Bern"}')
    answer = ir.Response(ir.Message("assistant", (call,)), "tool_calls")
    conversation, model = _conversation(answer, "18 degrees.")

    asked = conversation.say("Weather in Bern?").message.tool_calls[0]
    reply = conversation.say(ir.tool_result(asked, "18"))

    assert reply.text == "18 degrees."
    assert [message.role for message in model.requests[1].messages] == ["user", "assistant", "tool"]


def test_stream_is_kept_when_it_has_ended_and_not_before():
    conversation, _ = _conversation("Hello there", "Never read to its end")

    with conversation.stream("Hi") as stream:
        pieces = list(stream.text())
        assert stream.final().text == "Hello there"
    with conversation.stream("And?") as stream:
        next(iter(stream.text()))

    assert "".join(pieces) == "Hello there"
    assert [message.text for message in conversation.messages] == ["Hi", "Hello there"]


def test_broken_stream_is_not_kept_and_says_what_arrived():
    conversation, _ = _conversation(["Hel", ir.StreamError("broke")])

    with pytest.raises(ir.StreamError), conversation.stream("Hi") as stream:
        list(stream.text())

    assert stream.partial.text == "Hel"
    assert conversation.messages == ()


def test_async_conversation_says_and_streams():
    async def talk():
        client = ir.AsyncClient(ScriptedModel(["One.", "Two."]))
        conversation = ir.AsyncConversation(client, system="Be brief.")
        await conversation.say("1")
        async with conversation.stream("2") as stream:
            pieces = [piece async for piece in stream.text()]
        fork = await conversation.fork(at=2)
        return pieces, [m.text for m in conversation.messages], [m.text for m in fork.messages]

    pieces, said, forked = asyncio.run(talk())

    assert "".join(pieces) == "Two."
    assert said == ["1", "One.", "2", "Two."]
    assert forked == ["1", "One."]


def test_json_holds_everything_and_comes_back_equal():
    """Serves R124."""
    conversation, _ = _conversation(system=ir.system("Be brief.", cache="1h"), messages=EVERYTHING)
    conversation.pin(0)
    conversation.remember("Ada is 36.")

    again = ir.Conversation.from_json(conversation.to_json(), conversation.client)

    assert again.messages == conversation.messages
    assert [(m.provider, m.cache) for m in again.messages] == [(m.provider, m.cache) for m in EVERYTHING]
    assert again.system is not None
    assert (again.system, again.system.cache) == (conversation.system, "1h")
    assert (again.pinned, again.facts) == ((PICTURE,), ("Ada is 36.",))
    assert again.to_json() == conversation.to_json()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{", id="no-json"),
        pytest.param("[]", id="no-object"),
        pytest.param('{"version": 2}', id="newer"),
        pytest.param('{"version": 1, "messages": [{"role": "robot", "parts": []}]}', id="role"),
        pytest.param('{"version": 1, "messages": [{"role": "user", "parts": [{"kind": "smell"}]}]}', id="kind"),
        pytest.param(
            '{"version": 1, "messages": [{"role": "user", "parts": [{"kind": "text", "text": 7}]}]}', id="type"
        ),
        pytest.param(
            '{"version": 1, "messages": [{"role": "user", "parts": [{"kind": "image", "data": "CANARY!"}]}]}',
            id="base64",
        ),
        pytest.param('{"version": 1, "messages": [], "pinned": [3]}', id="pin"),
        pytest.param('{"version": 1, "messages": [], "summarised": 3}', id="summary"),
        pytest.param('{"version": 1, "extra": 1}', id="field"),
    ],
)
def test_broken_json_is_a_format_error_that_quotes_nothing(text):
    conversation, _ = _conversation()

    with pytest.raises(ir.FormatError) as caught:
        ir.Conversation.from_json(text, conversation.client)

    assert "CANARY" not in str(caught.value)


def test_reasoning_and_signatures_go_back_to_who_sealed_them_only():
    """Serves R124."""
    turns = (ir.user("Weather?"), SEALED, ir.tool_result("call_1", "18"))
    conversation, model = _conversation("18.", messages=turns)

    again = ir.Conversation.from_json(conversation.to_json(), conversation.client)
    again.say()
    request = model.requests[0]
    to_anthropic = _wire(request, AnthropicCodec(), "claude-sonnet-4-5")
    to_gemini = _wire(request, GeminiCodec(), "gemini-2.5-pro")

    assert to_anthropic == _wire(ir.Request(turns), AnthropicCodec(), "claude-sonnet-4-5")
    assert b"sealed==" in to_anthropic
    assert b"seal" not in to_gemini
    assert b"Let me think" not in to_gemini


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_store_keeps_a_conversation_for_the_next_process(kind, tmp_path):
    store = MemoryStore() if kind == "memory" else SQLiteStore(tmp_path / "talk.db")
    conversation, _ = _conversation("One.", "Two.", store=store, id="ada", messages=EVERYTHING)
    conversation.say("1")
    conversation.pin(-1)
    conversation.remember("A fact.")

    again = ir.Conversation(conversation.client, store=store, id="ada")

    assert again.messages == conversation.messages
    assert again.facts == ("A fact.",)
    assert [message.text for message in again.pinned] == ["One."]
    assert again.say("2").text == "Two."


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory):
    pytest.importorskip("redis")
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


def test_redis_keeps_a_conversation(redis_url):
    conversation, _ = _conversation("One.", store=redis_url, id="ada")
    conversation.say("1")

    again = ir.Conversation(conversation.client, store=redis_url, id="ada")
    other = ir.Conversation(conversation.client, store=redis_url, id="ada")
    again.append(ir.user("2"))

    assert [message.text for message in again.messages] == ["1", "One.", "2"]
    with pytest.raises(ir.ConflictError):
        other.append(ir.user("3"))


def test_second_writer_gets_an_error_before_anything_is_sent():
    store = MemoryStore()
    first, _ = _conversation("First.", store=store, id="x")
    second, model = _conversation("Second.", store=store, id="x")
    first.say("1")

    with pytest.raises(ir.ConflictError):
        second.say("2")

    assert model.requests == []
    second.reload()
    assert second.say("2").text == "Second."
    first.reload()
    assert first.messages == second.messages
    assert [message.text for message in first.messages] == ["1", "First.", "2", "Second."]


def test_writer_that_loses_the_race_keeps_its_answer_in_the_error():
    store = MemoryStore()
    winner, _ = _conversation("Won.", store=store, id="x")

    class Late(ScriptedModel):
        async def generate(self, request):
            winner.say("in between")
            return await super().generate(request)

    loser = ir.Conversation(ir.Client(Late(["Lost."])), store=store, id="x")

    with pytest.raises(ir.ConflictError) as caught:
        loser.say("mine")

    assert "mine" not in str(caught.value)
    assert [message.text for message in caught.value.messages] == ["mine", "Lost."]
    assert loser.messages == ()
    loser.reload()
    loser.append(*caught.value.messages)
    assert [message.text for message in loser.messages] == ["in between", "Won.", "mine", "Lost."]


def test_many_writers_lose_nothing_and_read_the_same():
    store = MemoryStore()
    written: list[str] = []

    def write(name):
        conversation, _ = _conversation(store=store, id="x")
        for number in range(10):
            while True:
                try:
                    conversation.append(f"{name}-{number}")
                except ir.ConflictError:
                    conversation.reload()
                else:
                    written.append(f"{name}-{number}")
                    break

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    read = [message.text for message in _conversation(store=store, id="x")[0].messages]
    assert sorted(read) == sorted(written)
    assert len(read) == 40


def test_two_questions_at_once_are_a_conflict_and_neither_is_mixed_up():
    async def ask():
        conversation = ir.AsyncConversation(ir.AsyncClient(ScriptedModel(["A", "B"])))
        return conversation, await asyncio.gather(conversation.say("1"), conversation.say("2"), return_exceptions=True)

    conversation, ended = asyncio.run(ask())

    assert len(conversation.messages) == 2 + 2 * sum(isinstance(one, ir.Response) for one in ended[1:])
    assert all(isinstance(one, ir.Response | ir.ConflictError) for one in ended)


def test_async_conversation_says_that_it_has_not_been_read():
    async def read():
        store = MemoryStore()
        client = ir.AsyncClient(ScriptedModel(["One."]))
        await ir.AsyncConversation(client, store=store, id="x").say("1")
        conversation = ir.AsyncConversation(client, store=store, id="x")
        with pytest.raises(ir.ConfigError, match="reload"):
            _ = conversation.messages
        await conversation.reload()
        return conversation.messages

    assert len(asyncio.run(read())) == 2


def test_explain_is_what_the_provider_receives():
    """Serves R124."""
    with Sandbox() as sandbox, ir.Client(sandbox_model(sandbox)) as client:
        conversation = ir.Conversation(client, system="Be brief.", messages=[ir.user("1"), ir.assistant("2")])
        conversation.remember("A fact.")

        explained = conversation.explain("What is a Scope?")
        conversation.say("What is a Scope?")
        streamed = conversation.explain("And a Budget?", stream=True)
        with conversation.stream("And a Budget?") as stream:
            stream.final()

        received = [request.body.decode() for request in sandbox.requests]
    assert explained.endswith(received[0])
    assert streamed.endswith(received[1])


def test_conversation_runs_under_trio(needs):
    trio = needs("trio")

    async def talk():
        conversation = ir.AsyncConversation(ir.AsyncClient(ScriptedModel(["One.", "Two."])), store=MemoryStore())
        await conversation.say("1")
        async with conversation.stream("2") as stream:
            await stream.final()
        return conversation.messages

    assert [message.text for message in trio.run(talk)] == ["1", "One.", "2", "Two."]


def test_cancelled_stream_leaves_the_history_as_it_was():
    async def talk():
        model = ScriptedModel(["One.", ["Tw", 60.0, "o."]])
        conversation = ir.AsyncConversation(ir.AsyncClient(model))
        await conversation.say("1")

        async def listen():
            async with conversation.stream("2") as stream:
                async for _ in stream.text():
                    pass

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(listen(), 5.0)
        return conversation.messages

    assert len(run_virtual(talk())) == 2


def test_scope_is_in_force_for_a_turn():
    conversation, model = _conversation("One.")

    with ir.scope(budget=ir.Budget(tokens=0)), pytest.raises(ir.BudgetError):
        ir.Conversation(ir.Client(ir.Target("openai:gpt-4o", api_key="k"))).say("1")
    with ir.scope(labels={"tenant": "acme"}):
        conversation.say("1")

    assert len(model.requests) == 1


def test_fork_is_its_own_conversation():
    """Serves R124."""
    store = MemoryStore()
    conversation, _ = _conversation("One.", "Two.", "Three.", store=store, id="a", system="S")
    conversation.say("1")

    fork = conversation.fork(id="b")
    fork.say("2")
    elsewhere = conversation.fork(at=1)

    assert len(conversation.messages) == 2
    assert [message.text for message in elsewhere.messages] == ["1"]
    assert ir.Conversation(conversation.client, store=store, id="b").messages == fork.messages
    with pytest.raises(ir.ConflictError):
        conversation.fork(id="b")


def test_store_that_was_opened_here_is_closed_here(tmp_path):
    client = ir.Client(ScriptedModel(["One."]))
    store = SQLiteStore(tmp_path / "own.db")

    with ir.Conversation(client, store=tmp_path / "talk.db", id="x") as conversation:
        conversation.say("1")
    with ir.Conversation(client, store=store, id="x") as conversation:
        conversation.append("1")

    assert len(ir.Conversation(client, store=tmp_path / "talk.db", id="x").messages) == 2
    assert len(ir.Conversation(client, store=store, id="x").messages) == 1


def test_async_conversation_is_read_when_it_is_entered(tmp_path):
    async def talk():
        client = ir.AsyncClient(ScriptedModel(["One."]))
        async with ir.AsyncConversation(client, store=tmp_path / "talk.db", id="x") as conversation:
            assert conversation.messages == ()
            await conversation.say("1")
        async with ir.AsyncConversation(client, store=tmp_path / "talk.db", id="x") as conversation:
            return conversation.messages

    assert len(asyncio.run(talk())) == 2


def test_begun_anew_with_messages_that_the_store_has_is_a_conflict():
    store = MemoryStore()
    _conversation(store=store, id="a", messages=[ir.user("1")])

    with pytest.raises(ir.ConflictError):
        _conversation(store=store, id="a", messages=[ir.user("2")])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "window"),
        ({"window": "big"}, "window"),
        ({"system": ir.user("x")}, "system"),
        ({"messages": [ir.system("x")]}, "system"),
        ({"id": ""}, "id"),
    ],
)
def test_wrong_options_are_config_errors(options, message):
    with pytest.raises(ir.ConfigError, match=message):
        _conversation(**({"store": MemoryStore()} | options))


def test_wrong_kind_of_client_is_told():
    with pytest.raises(ir.ConfigError, match="AsyncConversation"):
        ir.Conversation(ir.AsyncClient(ScriptedModel([])))
    with pytest.raises(ir.ConfigError, match="Conversation"):
        ir.AsyncConversation(ir.Client(ScriptedModel([])))
    with pytest.raises(ir.ConfigError, match="client"):
        ir.Conversation(cast("Any", "openai:gpt-5"))


def test_empty_answer_keeps_the_question():
    conversation, _ = _conversation(ir.Response(ir.Message("assistant", ()), "stop"), "Now.")
    conversation.say("1")

    assert conversation.say("2").text == "Now."
    assert [message.text for message in conversation.messages] == ["1", "2", "Now."]


def test_call_can_have_another_system_text_and_labels():
    conversation, model = _conversation("A", system="S")

    conversation.say("1", system="T", labels={"task": "x"}, sampling=ir.Sampling(max_tokens=9))

    assert model.requests[0].messages[0].text == "T"
    assert model.requests[0].labels == {"task": "x"}


def test_stream_of_a_turn_gives_deltas():
    conversation, _ = _conversation("x")

    with conversation.stream("1") as stream:
        kinds = [delta.kind for delta in stream]

    assert "text" in kinds
    assert len(conversation.messages) == 2
