"""From a failure to its replay, over real connections: kept when it fails, sent again, compared."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import trio
from tests.replaying.payloads import asked, kept
from tests.telemetry.payloads.redactor import WordRedactor

import inferail as ir
from inferail.errors import ConfigError, OverloadedError, RequestError, ServerError
from inferail.replaying import areplay, replay
from inferail.server import create_app, running
from inferail.telemetry.payloads import FailedPayload, FailedPayloads, Keeping
from inferail.telemetry.sinks import MemorySink
from inferail.testing import ScriptedModel
from inferail.testing.sandbox import Sandbox
from inferail.testing.transport import ScriptedReply, ScriptedTransport
from inferail.types.embedding import EmbeddingRequest, Embeddings
from inferail.types.message import Message, Text, ToolCall, user
from inferail.types.request import OutputSchema, Request, Sampling
from inferail.types.response import Response
from inferail.types.tools import Tool
from inferail.types.usage import Usage

QUESTION = "What does a Fallback do? Write to ann@example.com."
SCHEMA = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}
WEATHER = Tool("weather", "Weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}})


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def recorder() -> Keeping:
    return Keeping(FailedPayloads(redactor=WordRedactor()), MemorySink())


def target(sandbox: Sandbox, provider: str, model: str) -> ir.Target:
    return ir.Target(f"{provider}:{model}", base_url=sandbox.base_url(provider), api_key="C4N4RY-key", retries=0)


def failed(
    sandbox: Sandbox, recorder: Keeping, provider: str, fault: str, *, stream: bool, **options: Any
) -> FailedPayload:
    """The payload of a call that fails."""
    with (
        ir.Client(target(sandbox, provider, f"docs@{fault}"), recorder=recorder) as client,
        pytest.raises(RequestError),
    ):
        if stream:
            with client.stream(QUESTION, **options) as answer:
                answer.final()
        else:
            client.complete(QUESTION, **options)
    (record,) = recorder.records
    assert record.payload_id == record.id
    return recorder.payloads.get(record.id)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "openai_responses", "cohere"])
def test_failed_call_succeeds_at_another_server(sandbox, recorder, provider, stream) -> None:
    """Serves R163, R164."""
    payload = failed(sandbox, recorder, provider, "429-20", stream=stream)
    first = sandbox.requests[-1]

    same = replay(payload, base_url=sandbox.base_url(provider), api_key="another", vault=recorder.payloads._redactor)

    again = sandbox.requests[-1]
    assert (again.method, again.path, again.body) == (first.method, first.path, first.body)
    assert b"ann@example.com" in again.body
    assert b"ann@example.com" not in payload.body
    assert [outcome.error for outcome in same.outcomes] == ["RateLimitError"]
    assert same.rescued == ()

    other = replay(payload, target(sandbox, provider, "docs"))

    (outcome,) = other.outcomes
    assert (other.recorded.error, other.recorded.status_code) == ("RateLimitError", 429)
    assert (outcome.how, outcome.error, outcome.status_code) == ("re-encoded", None, 200)
    assert outcome.finish_reason == "stop"
    assert outcome.output_tokens > 0
    assert (outcome.first_token is not None) is stream
    assert "Sources: " in (outcome.text or "")
    assert other.rescued == (f"{provider}:docs",)


@pytest.mark.parametrize("fault", ["500", "cut-3", "error-2", "early-2", "malformed-2", "html"])
def test_stream_that_breaks_anywhere_is_kept_and_replayed(sandbox, recorder, fault) -> None:
    """Serves R163."""
    payload = failed(sandbox, recorder, "openai", fault, stream=True)

    comparison = replay(payload, target(sandbox, "anthropic", "docs"))

    assert payload.stream
    assert comparison.rescued == ("anthropic:docs",)
    assert comparison.recorded.error == recorder.records[0].error


class Full:
    """An embedder whose server has no capacity left."""

    name = "full"

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        raise OverloadedError("no capacity", status_code=503)


def test_failed_embedding_is_kept_and_replayed(sandbox, recorder) -> None:
    """Serves R163, R164."""
    with running(create_app(ScriptedModel(["x"]), embedders=Full())) as address:
        options: dict[str, Any] = {"base_url": f"{address}/v1", "api_key": "k", "retries": 0}
        with (
            ir.Embedder("openai:words", recorder=recorder, **options) as embedder,
            pytest.raises(OverloadedError),
        ):
            embedder.embed(["one", "two"])
        payload = recorder.payloads.get(recorder.records[0].id)
        same = replay(payload, api_key="k")

    other = replay(payload, "openai:inferail-words", base_url=sandbox.base_url("openai"), api_key="k")

    assert [outcome.how for outcome in (*same.outcomes, *other.outcomes)] == ["verbatim", "re-encoded"]
    assert [same.recorded.error, same.outcomes[0].error] == ["OverloadedError", "OverloadedError"]
    assert other.outcomes[0].vectors is not None
    assert other.outcomes[0].vectors[0] == 2
    assert other.rescued == ("openai:inferail-words",)


def test_several_models_are_asked_at_once_and_compared_in_order(sandbox, recorder) -> None:
    payload = failed(sandbox, recorder, "openai", "503", stream=False)
    names = [("openai", "docs"), ("anthropic", "docs@500"), ("gemini", "docs"), ("cohere", "docs")]
    sink = MemorySink()

    comparison = replay(payload, [target(sandbox, *name) for name in names], at_once=2, recorder=sink)

    assert [outcome.model for outcome in comparison.outcomes] == [f"{provider}:{model}" for provider, model in names]
    assert [outcome.error for outcome in comparison.outcomes] == [None, "ServerError", None, None]
    assert comparison.rescued == ("openai:docs", "gemini:docs", "cohere:docs")
    assert {record.labels["replay_of"] for record in sink.records} == {payload.id}
    assert len(sink.records) == 4


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_replay_under_an_event_loop_is_the_same(sandbox, recorder, loop) -> None:
    payload = failed(sandbox, recorder, "openai", "503", stream=True)
    models = [target(sandbox, "openai", "docs"), target(sandbox, "gemini", "docs")]

    async def run() -> Any:
        return await areplay(payload, models)

    comparison = asyncio.run(run()) if loop == "asyncio" else trio.run(run)

    assert comparison.rescued == ("openai:docs", "gemini:docs")


def test_what_another_provider_cannot_take_is_dropped_and_said(sandbox, recorder) -> None:
    """Serves R164."""
    options = {
        "sampling": Sampling(seed=7, presence_penalty=0.5),
        "provider_options": {"openai": {"service_tier": "flex"}},
    }
    payload = failed(sandbox, recorder, "openai", "503", stream=False, **options)

    comparison = replay(payload, "anthropic:docs", base_url=sandbox.base_url("anthropic"), api_key="k")

    assert comparison.rescued == ("anthropic:docs",)
    assert comparison.outcomes[0].changes == (
        "service_tier was dropped: an option of openai",
        "seed was dropped: anthropic cannot take it",
        "presence_penalty was dropped: anthropic cannot take it",
    )
    assert "service_tier" not in json.loads(sandbox.requests[-1].body)


def payload_of(request: Request) -> FailedPayload:
    return kept(asked("openai", request), "openai")


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ('{"answer": 42}', ()),
        ('{"answer": "C4N4RY"}', ("$.answer: type",)),
        ("{}", ("$: required answer",)),
        ("C4N4RY", ("not JSON",)),
    ],
)
def test_answer_is_held_against_the_schema_that_was_asked_for(text, problems) -> None:
    comparison = replay(payload_of(Request((user("6 x 7?"),), output=OutputSchema(SCHEMA))), ScriptedModel([text]))

    assert comparison.outcomes[0].schema == problems
    assert comparison.outcomes[0].succeeded is not bool(problems)
    assert "C4N4RY" not in repr(comparison) + json.dumps(comparison.as_dict())
    assert comparison.as_dict(show_text=True)["outcomes"][0]["text"] == text


@pytest.mark.parametrize(
    ("calls", "choice", "problems"),
    [
        ([ToolCall("a", "weather", '{"city": "Bern"}')], None, ()),
        ([], None, ()),
        ([], "required", ("no call, although one was required",)),
        ([ToolCall("a", "weather", '{"city": 7}')], None, ("call 0: $.city: type",)),
        ([ToolCall("a", "C4N4RY", "{}")], None, ("call 0: a tool that was not offered",)),
        ([ToolCall("a", "weather", "{")], "weather", ("call 0: arguments that are not JSON",)),
        ([ToolCall("a", "weather", "{}")], "none", ("a call, although none was allowed",)),
    ],
)
def test_calls_are_held_against_the_tools_that_were_offered(calls, choice, problems) -> None:
    request = Request((user("Weather?"),), tools=(WEATHER,), tool_choice=choice)
    answer = Response(
        Message("assistant", tuple(calls) or (Text("Sunny."),)), "tool_calls" if calls else "stop", Usage(3, 4)
    )

    comparison = replay(payload_of(request), ScriptedModel([answer]))

    assert comparison.outcomes[0].tools == problems
    assert (comparison.outcomes[0].input_tokens, comparison.outcomes[0].output_tokens) == (3, 4)
    assert "C4N4RY" not in repr(comparison)


def test_error_of_a_replay_is_an_outcome() -> None:
    model = ScriptedModel([ServerError("broken", status_code=500), ValueError("a bug: C4N4RY")])
    payload = payload_of(Request((user("Hi"),)))

    errors = [replay(payload, model).outcomes[0].error for _ in range(2)]

    assert errors == ["ServerError", "ValueError"]


def test_replay_of_several_attempts_adds_up_what_they_cost() -> None:
    answer = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 5}}
    replies = [ScriptedReply([b"{}"], status=503), ScriptedReply([json.dumps(answer).encode()])]
    transport = ScriptedTransport(replies, blocking=True)
    payload = kept(asked("openai", Request((user("Hi"),)), model="gpt-5-mini"), "openai", "gpt-5-mini")

    comparison = replay(payload, transport=transport, api_key="k", retries=2)

    assert comparison.outcomes[0].error is None
    assert comparison.outcomes[0].input_tokens == 5
    assert len(transport.wires) == 2
    assert transport.wires[0].body == transport.wires[1].body == payload.body
    assert transport.open_replies == 0
    assert not transport.closed


@pytest.mark.parametrize(
    ("models", "options", "message"),
    [
        ([], {}, "name at least one model"),
        ("nobody:m", {}, "unknown provider 'nobody'"),
        (["openai:a", "openai:b"], {"api_key": "k"}, "api_key belong to one model"),
        (7, {}, "is replayed by a Model"),
        ("openai:gpt-5", {"at_once": 0, "api_key": "k"}, "at_once must be a number"),
        ("openai:gpt-5", {"timeout": -1, "api_key": "k"}, "timeout must be"),
    ],
)
def test_wrong_replay_is_refused_before_anything_is_sent(models, options, message) -> None:
    with pytest.raises(ConfigError, match=message):
        replay(payload_of(Request((user("Hi"),))), models, **options)


def test_replay_without_content_says_why_not() -> None:
    payload = replace(payload_of(Request((user("Hi"),))), content=False, body=b"")

    with pytest.raises(ConfigError, match=r"cannot be replayed: its body was not kept \(content=False\)"):
        replay(payload, ScriptedModel(["x"]))


def test_cancelled_and_successful_calls_are_not_kept(sandbox, recorder) -> None:
    with ir.Client(target(sandbox, "openai", "docs"), recorder=recorder) as client:
        client.complete(QUESTION)
        with client.stream(QUESTION) as stream:
            next(stream.text())

    assert [record.payload_id for record in recorder.records] == [None, None]
    assert recorder.payloads.ids() == []
