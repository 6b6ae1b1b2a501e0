"""Cohere's codec: what is sent, and what is read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import inferail as ir
from inferail import errors
from inferail.providers import codec
from inferail.providers.codec import Endpoint
from inferail.testing import ScriptedReply, ScriptedTransport
from inferail.types.message import (
    Audio,
    File,
    Image,
    Message,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    assistant,
    system,
    tool_result,
    user,
)
from inferail.types.request import OutputSchema, Request, Sampling
from inferail.types.response import Response
from inferail.types.tools import Tool
from inferail.types.usage import Usage

COHERE = codec("cohere")
BASE = "https://api.cohere.com"
ENDPOINT = Endpoint("command-a-03-2025", BASE, "co-secret")
WIRE = Path(__file__).parent.parent / "wire" / "cohere"
WEATHER = Tool("weather", "Weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}})
SCHEMA = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}


def sent(request: Request, endpoint: Endpoint = ENDPOINT, *, stream: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(COHERE.encode(request, endpoint, stream=stream).wire.body)
    return body


def read(message: dict[str, Any], **more: Any) -> Response[Any]:
    body = {"id": "m1", "finish_reason": "COMPLETE", "message": {"role": "assistant", **message}, **more}
    return COHERE.decode({"x-request-id": "req_1"}, json.dumps(body).encode())


def test_encode_sends_plain_prompt() -> None:
    wire = COHERE.encode(Request((user("Hello"),)), ENDPOINT, stream=False).wire

    assert (wire.url, wire.headers["authorization"]) == ("https://api.cohere.com/v2/chat", "Bearer co-secret")
    assert json.loads(wire.body) == {
        "model": "command-a-03-2025",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": False,
    }


@pytest.mark.parametrize("base_url", [f"{BASE}/v2", f"{BASE}/v1", f"{BASE}/"])
def test_encode_does_not_double_the_version_in_the_path(base_url: str) -> None:
    wire = COHERE.encode(Request((user("Hello"),)), Endpoint("m", base_url), stream=True).wire

    assert wire.url == "https://api.cohere.com/v2/chat"
    assert wire.headers["accept"] == "text/event-stream"
    assert "authorization" not in wire.headers


def test_encode_writes_a_whole_conversation() -> None:
    """Serves R8, R22."""
    call, other = ToolCall("weather_a", "weather", '{"city":"Bern"}'), ToolCall("clock_b", "clock", "")
    request = Request(
        (
            system("Be brief."),
            user("Look:", Image(b"\x89PNG"), Image(url="https://example.com/a.png", detail="low")),
            Message("assistant", (Reasoning("I will look."), Text("Wait."), call, other)),
            tool_result(call, "sunny"),
            tool_result(other, "noon"),
            Message("assistant", (Reasoning("Hm."), Refusal("No."))),
            user("Why?"),
        ),
        tools=(WEATHER, Tool("clock")),
        tool_choice="required",
    )

    body = sent(request)

    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
            ],
        },
        {
            "role": "assistant",
            "content": "Wait.",
            "tool_calls": [
                {
                    "id": "weather_a",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city":"Bern"}'},
                },
                {"id": "clock_b", "type": "function", "function": {"name": "clock", "arguments": "{}"}},
            ],
            "tool_plan": "I will look.",
        },
        {"role": "tool", "tool_call_id": "weather_a", "content": "sunny"},
        {"role": "tool", "tool_call_id": "clock_b", "content": "noon"},
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "No."}],
        },
        {"role": "user", "content": "Why?"},
    ]
    assert body["tools"][0] == {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Weather of a city.",
            "parameters": dict(WEATHER.parameters),
        },
    }
    assert (body["tool_choice"], "strict_tools" in body) == ("REQUIRED", False)


@pytest.mark.parametrize(("choice", "written"), [(None, None), ("auto", None), ("none", "NONE")])
def test_encode_writes_tool_choice(choice: str | None, written: str | None) -> None:
    assert sent(Request((user("Hi"),), tools=(WEATHER,), tool_choice=choice)).get("tool_choice") == written


def test_encode_asks_for_strict_tools_when_all_of_them_are() -> None:
    assert sent(Request((user("Hi"),), tools=(Tool("a", strict=True),)))["strict_tools"] is True


def test_encode_writes_schema_and_sampling() -> None:
    sampling = Sampling(temperature=0.0, top_p=0.5, top_k=3, max_tokens=7, stop=("END",), seed=1)

    body = sent(Request((user("6 x 7?"),), output=OutputSchema(SCHEMA), sampling=sampling))

    assert body["response_format"] == {"type": "json_object", "json_schema": SCHEMA}
    wanted = {"temperature": 0.0, "p": 0.5, "k": 3, "max_tokens": 7, "stop_sequences": ["END"], "seed": 1}
    assert {name: body[name] for name in wanted} == wanted


def test_encode_merges_provider_options_verbatim() -> None:
    """Serves R20, R22."""
    options = {
        "documents": ["Rails are steel."],
        "citation_options": {"mode": "FAST"},
        "thinking": {"type": "disabled"},
    }

    body = sent(Request((user("Hi"),), provider_options={"cohere": options, "openai": {"verbosity": "low"}}))

    assert {name: body[name] for name in options} == options
    assert "verbosity" not in body


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (Sampling(top_p=1.0), "top_p outside 0.01 to 0.99"),
        (Sampling(presence_penalty=-0.5), "presence_penalty outside 0 to 1"),
        (Sampling(stop=("a", "b", "c", "d", "e", "f")), "more than 5 stop strings"),
        (user("Hi", Audio(b"RIFF")), "Audio in a message of role user"),
        (user("Hi", File(b"%PDF")), "File in a message of role user"),
    ],
)
def test_encode_refuses_what_it_cannot_send_or_drops_it_with_a_warning(what: Sampling | Message, words: str) -> None:
    """Serves R26."""
    request = Request((what,)) if isinstance(what, Message) else Request((user("Hi"),), sampling=what)

    with pytest.raises(errors.ConfigError, match=words):
        COHERE.encode(request, ENDPOINT, stream=False)
    encoded = COHERE.encode(request, Endpoint("m", BASE, unsupported="drop"), stream=False)

    assert [words in warning for warning in encoded.warnings] == [True]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request((user("Hi"),), tools=(WEATHER,), tool_choice="weather"), "the choice of one tool"),
        (Request((user("Hi"),), tools=(WEATHER, Tool("b", strict=True))), "strict for some of the tools"),
    ],
)
def test_encode_refuses_tools_it_cannot_describe(request_: Request, words: str) -> None:
    """Serves R26."""
    with pytest.raises(errors.ConfigError, match=words):
        COHERE.encode(request_, ENDPOINT, stream=False)


def test_encode_says_that_a_failed_result_lost_its_flag() -> None:
    call = ToolCall("a", "weather")
    request = Request((user("Hi"), assistant(call), tool_result(call, "no such city", is_error=True)))

    assert "error flag" in COHERE.encode(request, ENDPOINT, stream=False).warnings[0]


def test_encode_refuses_messages_of_which_nothing_is_left() -> None:
    with pytest.raises(errors.ConfigError, match="nothing is left"):
        sent(Request((system("Be brief."), user(""))))


def test_decode_reads_every_kind_of_part() -> None:
    """Serves R22, R28, R30."""
    citation = {"start": 0, "end": 2, "text": "Hi", "sources": []}
    answer = read(
        {
            "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Hi"}, {"type": "new"}],
            "tool_plan": "I will look.",
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}},
                {"id": "b", "type": "function", "function": {"name": "clock", "arguments": {"zone": "CET"}}},
                {"id": "c", "function": {"name": "clock"}},
            ],
            "citations": [citation],
        },
        finish_reason="TOOL_CALL",
        usage={
            "billed_units": {"input_tokens": 3.0},
            "tokens": {"input_tokens": 66.0, "output_tokens": 4.0},
            "cached_tokens": 32.0,
        },
    )

    assert answer.message.parts == (
        Reasoning("Hm."),
        Text("Hi"),
        Reasoning("I will look."),
        ToolCall("a", "weather", '{"city":"Bern"}'),
        ToolCall("b", "clock", '{"zone":"CET"}'),
        ToolCall("c", "clock", "{}"),
    )
    assert [json.loads(text) for text in answer.citations] == [citation]
    assert (answer.finish_reason, answer.raw_finish_reason) == ("tool_calls", "TOOL_CALL")
    assert answer.usage == Usage(input_tokens=66, output_tokens=4, cache_read_tokens=32)
    assert (answer.id, answer.request_id) == ("m1", "req_1")


def test_decode_takes_billed_tokens_where_there_are_no_others() -> None:
    """Serves R30."""
    assert read({}, usage={"billed_units": {"input_tokens": 3, "output_tokens": 2}}).usage == Usage(3, 2)


def test_decode_raises_for_an_error_in_a_200() -> None:
    with pytest.raises(errors.ServerError) as caught:
        COHERE.decode({}, b'{"id":"x","message":"the secret prompt is bad"}')

    assert caught.value.detail == "the secret prompt is bad"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (401, "invalid api token", errors.AuthenticationError),
        (404, "model 'nope' not found", errors.NotFoundError),
        (400, "too many tokens: total number of tokens in the prompt exceeds the limit", errors.ContextLengthError),
        (429, "You are past the per minute request limit", errors.RateLimitError),
        (498, "blocked input", errors.InvalidRequestError),
        (503, "unavailable", errors.OverloadedError),
    ],
)
def test_error_answers_are_told_apart(status: int, message: str, kind: type[errors.ProviderError]) -> None:
    """Serves R24."""
    error = COHERE.decode_error(status, {}, json.dumps({"message": message}).encode())

    assert (type(error), error.detail) == (kind, message)


def streamed(name: str) -> ir.Client:
    reply = ScriptedReply([(WIRE / f"{name}.sse").read_bytes()], headers={"content-type": "text/event-stream"})
    transport = ScriptedTransport([reply], blocking=True)
    return ir.Client("cohere:command-a-03-2025", api_key="k", retries=0, transport=transport)


def test_stream_gives_calls_in_the_shape_of_every_provider() -> None:
    """Serves R22, R28, R30."""
    with streamed("tools_parallel").stream("Weather in Zürich, and the time?") as stream:
        response = stream.final()

    assert response.message.parts == (
        Reasoning("I will look up both."),
        ToolCall("weather_a1b2", "weather", '{\n    "city": "Zürich"\n}'),
        ToolCall("clock_c3d4", "clock", "{}"),
    )
    assert response.finish_reason == "tool_calls"
    assert response.usage.cost_usd is not None


def test_stream_raises_the_error_at_its_end_and_keeps_what_came() -> None:
    """Serves R24, R93."""
    with pytest.raises(errors.ServerError) as caught, streamed("error_message_end").stream("Hi") as stream:
        stream.final()

    assert caught.value.partial is not None
    assert (caught.value.partial.text, caught.value.detail) == ("Half an", "The generation failed.")
