"""Anthropic's codec: what is sent in both API versions, and what is read back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inferail import errors
from inferail.core import Delta
from inferail.providers import codec
from inferail.providers.codec import Endpoint
from inferail.providers.native.anthropic import DEFAULT_MAX_TOKENS, DEFAULT_VERSION
from inferail.types.accumulate import Accumulator
from inferail.types.message import (
    Audio,
    File,
    Image,
    Message,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    assistant,
    system,
    tool_result,
    user,
)
from inferail.types.request import OutputSchema, Request, Sampling
from inferail.types.response import Response
from inferail.types.tools import Tool
from inferail.types.usage import Usage

ANTHROPIC = codec("anthropic")
BASE = "https://api.anthropic.com"
ENDPOINT = Endpoint("claude-sonnet-4-5", BASE, "sk-ant-secret")
OLD = Endpoint("claude-sonnet-4-5", BASE, "sk-ant-secret", api_version="2023-06-01")
WEATHER = Tool("weather", "Weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}})
SCHEMA = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}


def sent(request: Request, endpoint: Endpoint = ENDPOINT, *, stream: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(ANTHROPIC.encode(request, endpoint, stream=stream).wire.body)
    return body


def read(body: object) -> Response[Any]:
    return ANTHROPIC.decode({"request-id": "req_1"}, json.dumps(body).encode())


def message(*blocks: dict[str, Any], **more: Any) -> dict[str, Any]:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-1", "stop_reason": "end_turn"}
    return {**head, "content": list(blocks), **more}


def test_encode_sends_plain_prompt_with_the_default_limit() -> None:
    encoded = ANTHROPIC.encode(Request((user("Hello"),)), ENDPOINT, stream=False)

    assert encoded.wire.url == "https://api.anthropic.com/v1/messages"
    assert encoded.wire.headers["anthropic-version"] == DEFAULT_VERSION == "2026-10-21"
    assert encoded.wire.headers["authorization"] == "Bearer sk-ant-secret"
    assert "x-api-key" not in encoded.wire.headers
    assert json.loads(encoded.wire.body) == {
        "model": "claude-sonnet-4-5",
        "max_tokens": DEFAULT_MAX_TOKENS,
        "messages": [{"role": "user", "content": "Hello"}],
    }


def test_encode_sends_key_in_its_own_header_to_the_old_version() -> None:
    headers = ANTHROPIC.encode(Request((user("Hello"),)), OLD, stream=False).wire.headers

    assert headers["anthropic-version"] == "2023-06-01"
    assert headers["x-api-key"] == "sk-ant-secret"
    assert "authorization" not in headers


def test_encode_sends_no_key_when_there_is_none() -> None:
    headers = ANTHROPIC.encode(Request((user("Hello"),)), Endpoint("m", BASE), stream=False).wire.headers

    assert not {"authorization", "x-api-key"} & headers.keys()


def test_encode_does_not_double_the_version_in_the_path() -> None:
    wire = ANTHROPIC.encode(Request((user("Hello"),)), Endpoint("m", "http://127.0.0.1:8000/v1"), stream=False).wire

    assert wire.url == "http://127.0.0.1:8000/v1/messages"


def test_encode_puts_system_prompt_beside_the_messages() -> None:
    """Serves R8."""
    body = sent(Request((system("Be brief."), user("Hi"), assistant("Hello."), user("Who are you?"))))

    assert body["system"] == "Be brief."
    assert body["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Who are you?"},
    ]


def test_encode_sends_several_system_messages_as_blocks() -> None:
    """Serves R8."""
    body = sent(Request((system("Be brief."), system(""), system("Be kind."), user("Hi"))))

    assert body["system"] == [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}]


def test_encode_asks_for_a_stream() -> None:
    assert sent(Request((user("Hi"),)), stream=True)["stream"] is True


def test_encode_writes_tools_and_their_results() -> None:
    call = ToolCall("toolu_a", "weather", '{"city":"Bern"}')
    other = ToolCall("toolu_b", "weather", "")
    request = Request(
        (
            user("Weather in Bern and Rome?"),
            Message("assistant", (Text("Let me look."), call, other)),
            tool_result(call, "sunny"),
            tool_result(other, "no such city", is_error=True),
            user("And now?"),
        ),
        tools=(WEATHER, Tool("clock", strict=True)),
        tool_choice="weather",
    )

    body = sent(request)

    assert body["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Let me look."},
                {"type": "tool_use", "id": "toolu_a", "name": "weather", "input": {"city": "Bern"}},
                {"type": "tool_use", "id": "toolu_b", "name": "weather", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_a", "content": "sunny"},
                {"type": "tool_result", "tool_use_id": "toolu_b", "content": "no such city", "is_error": True},
                {"type": "text", "text": "And now?"},
            ],
        },
    ]
    assert body["tools"] == [
        {"name": "weather", "description": "Weather of a city.", "input_schema": dict(WEATHER.parameters)},
        {"name": "clock", "input_schema": {"type": "object", "properties": {}}, "strict": True},
    ]
    assert body["tool_choice"] == {"type": "tool", "name": "weather"}


@pytest.mark.parametrize(("choice", "written"), [("auto", "auto"), ("none", "none"), ("required", "any")])
def test_encode_writes_tool_choice(choice: str, written: str) -> None:
    assert sent(Request((user("Hi"),), tools=(WEATHER,), tool_choice=choice))["tool_choice"] == {"type": written}


@pytest.mark.parametrize("arguments", ["{brok", "[1]", "null", '"text"'])
def test_encode_sends_broken_arguments_under_a_name_and_says_so(arguments: str) -> None:
    call = ToolCall("toolu_a", "weather", arguments)
    request = Request((user("Hi"), Message("assistant", (call,)), tool_result(call, "not JSON", is_error=True)))

    encoded = ANTHROPIC.encode(request, ENDPOINT, stream=False)

    block = json.loads(encoded.wire.body)["messages"][1]["content"][0]
    assert block["input"] == {"INVALID_JSON": arguments}
    assert "INVALID_JSON" in encoded.warnings[0]
    assert arguments not in encoded.warnings[0]


def test_encode_writes_output_schema() -> None:
    body = sent(Request((user("6 x 7?"),), output=OutputSchema(SCHEMA)))

    assert body["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}


def test_encode_writes_media_parts() -> None:
    parts = user(
        "Look:",
        Image(b"\x89PNG"),
        Image(url="https://example.com/cat.jpg"),
        Image(url="data:image/webp;base64,AAAA"),
        File(b"%PDF", name="a.pdf"),
        File(b"text", media_type="text/plain"),
        File(url="https://example.com/a.pdf"),
        File(file_id="file_1"),
    )

    assert sent(Request((parts,)))["messages"][0]["content"] == [
        {"type": "text", "text": "Look:"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/cat.jpg"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": "AAAA"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
            "title": "a.pdf",
        },
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "text"}},
        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
    ]


def test_encode_sends_signed_reasoning_back_and_leaves_out_other_reasoning() -> None:
    call = ToolCall("toolu_a", "clock")
    said = Message("assistant", (Reasoning("Hmm.", "sig"), Reasoning(redacted="xyz"), Reasoning("of others"), call))

    assert sent(Request((user("Hi"), said, tool_result(call, "noon"))))["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Hmm.", "signature": "sig"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "tool_use", "id": "toolu_a", "name": "clock", "input": {}},
    ]


def test_encode_sends_refusal_as_text() -> None:
    said = Message("assistant", (Refusal("No."),))

    assert sent(Request((user("Hi"), said, user("Why?"))))["messages"][1] == {"role": "assistant", "content": "No."}


def test_encode_leaves_out_empty_texts_and_messages() -> None:
    said = Message("assistant", (Text(""), Reasoning("of others")))

    assert sent(Request((user("", "Hi"), said, user("Well?"))))["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "user", "content": "Well?"},
    ]


def test_encode_refuses_request_of_which_nothing_is_left() -> None:
    with pytest.raises(errors.ConfigError, match="anthropic"):
        ANTHROPIC.encode(Request((user(""),)), ENDPOINT, stream=False)


def test_encode_maps_sampling_in_the_old_version() -> None:
    """Serves R5, R26."""
    sampling = Sampling(temperature=0.5, top_p=0.9, top_k=5, max_tokens=7, stop=("END",))

    body = sent(Request((user("Hi"),), sampling=sampling), OLD)

    del body["model"], body["messages"]
    assert body == {"max_tokens": 7, "temperature": 0.5, "top_p": 0.9, "top_k": 5, "stop_sequences": ["END"]}


@pytest.mark.parametrize(
    ("endpoint", "what", "words"),
    [
        pytest.param(ENDPOINT, Sampling(temperature=0.5), "temperature", id="temperature"),
        pytest.param(ENDPOINT, Sampling(top_p=1.0), "top_p", id="top_p"),
        pytest.param(ENDPOINT, Sampling(top_k=5), "top_k", id="top_k"),
        pytest.param(OLD, Sampling(temperature=1.5), "temperature above 1", id="hot"),
        pytest.param(OLD, Sampling(seed=1), "seed", id="seed"),
        pytest.param(OLD, Sampling(presence_penalty=0.0), "presence_penalty", id="presence"),
        pytest.param(OLD, Sampling(frequency_penalty=0.1), "frequency_penalty", id="frequency"),
        pytest.param(ENDPOINT, user("Hi", Audio(b"x")), "Audio", id="audio"),
        pytest.param(ENDPOINT, user("Hi", Image(b"x", detail="low")), "detail", id="detail"),
        pytest.param(ENDPOINT, user("Hi", File(b"x", media_type="text/csv")), "text/csv", id="csv"),
    ],
)
def test_encode_refuses_what_it_cannot_send_or_drops_it_with_a_warning(
    endpoint: Endpoint, what: Sampling | Message, words: str
) -> None:
    """Serves R26."""
    request = Request((what,)) if isinstance(what, Message) else Request((user("Hi"),), sampling=what)
    dropping = Endpoint("m", BASE, api_version=endpoint.api_version, unsupported="drop")

    with pytest.raises(errors.ConfigError, match=words) as caught:
        ANTHROPIC.encode(request, endpoint, stream=False)
    encoded = ANTHROPIC.encode(request, dropping, stream=False)

    assert "anthropic" in str(caught.value)
    assert [words in warning and "anthropic" in warning for warning in encoded.warnings] == [True]


def test_encode_names_the_version_that_takes_a_temperature() -> None:
    """Serves R26."""
    request = Request((user("Hi"),), sampling=Sampling(temperature=0.0))

    with pytest.raises(errors.ConfigError, match='api_version="2023-06-01"'):
        ANTHROPIC.encode(request, ENDPOINT, stream=False)


def test_encode_merges_provider_options_verbatim() -> None:
    """Serves R20, R23."""
    options = {
        "cache_control": {"type": "ephemeral", "ttl": "1h"},
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "max_tokens": 9,
    }
    request = Request((user("Hi"),), provider_options={"anthropic": options, "openai": {"verbosity": "low"}})

    encoded = ANTHROPIC.encode(request, ENDPOINT, stream=False)
    body = json.loads(encoded.wire.body)

    assert {name: body[name] for name in options} == options
    assert "verbosity" not in body
    assert encoded.warnings == ()


def test_encode_keeps_the_schema_when_an_effort_is_given() -> None:
    """Serves R20."""
    options = {"anthropic": {"output_config": {"effort": "low"}}}
    request = Request((user("Hi"),), output=OutputSchema(SCHEMA), provider_options=options)

    assert sent(request)["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "low"}


def test_decode_reads_every_kind_of_block_in_order() -> None:
    citation = {"type": "char_location", "cited_text": "x"}
    answer = read(
        message(
            {"type": "thinking", "thinking": "Hmm", "signature": "sig"},
            {"type": "redacted_thinking", "data": "xyz"},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            {"type": "text", "text": "Hi", "citations": [citation]},
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Bern"}},
            {"type": "a_new_block"},
            stop_reason="tool_use",
        )
    )

    assert answer.message.parts == (
        Reasoning("Hmm", "sig"),
        Reasoning(redacted="xyz"),
        Text("Hi"),
        ToolCall("toolu_1", "weather", '{"city":"Bern"}'),
    )
    assert (answer.finish_reason, answer.raw_finish_reason) == ("tool_calls", "tool_use")
    assert [json.loads(item) for item in answer.citations] == [citation]
    assert (answer.id, answer.model, answer.request_id) == ("msg_1", "claude-1", "req_1")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("pause_turn", "pause"),
        ("refusal", "content_filter"),
        ("a_new_word", "unknown"),
        (None, "unknown"),
    ],
)
def test_decode_normalises_finish_reason(raw: str | None, reason: str) -> None:
    """Serves R170."""
    answer = read(message({"type": "text", "text": "Hi"}, stop_reason=raw))

    assert (answer.finish_reason, answer.raw_finish_reason) == (reason, raw)


def test_decode_reads_refusal() -> None:
    """Serves R81."""
    details = {"type": "refusal", "category": "x", "explanation": "I can't help with that."}

    answer = read(message(stop_reason="refusal", stop_details=details))

    assert (answer.finish_reason, answer.refusal) == ("content_filter", "I can't help with that.")


def test_decode_normalises_usage() -> None:
    """Serves R96, R110."""
    usage = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 200,
        "cache_read_input_tokens": 3000,
        "output_tokens": 50,
        "output_tokens_details": {"thinking_tokens": 20},
        "cache_creation": {"ephemeral_5m_input_tokens": 120, "ephemeral_1h_input_tokens": 80},
        "service_tier": "batch",
    }

    answer = read(message({"type": "text", "text": "Hi"}, usage=usage))

    assert answer.usage == Usage(
        3210, 50, 3000, 200, reasoning_tokens=20, cache_write_1h_tokens=80, service_tier="batch"
    )


@pytest.mark.parametrize(
    ("block", "parts"),
    [
        ({"type": "text", "text": None}, ()),
        ({"type": "tool_use"}, (ToolCall("", "", "{}"),)),
        ({"type": "tool_use", "id": "a", "name": "f", "input": "{x"}, (ToolCall("a", "f", "{x"),)),
        ({"type": "thinking", "signature": "s"}, (Reasoning("", "s"),)),
        ({"type": ["text"]}, ()),
        ({}, ()),
    ],
)
def test_decode_tolerates_block(block: dict[str, Any], parts: tuple[object, ...]) -> None:
    assert read(message(block)).message.parts == parts


def test_decode_agrees_with_the_stream_decoder() -> None:
    """Serves R7."""
    blocks: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": "Hmm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "text", "text": "Hi"},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Bern"}},
    ]
    usage = {
        "input_tokens": 5,
        "cache_read_input_tokens": 7,
        "cache_creation_input_tokens": 2,
        "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 1},
        "service_tier": "priority",
        "output_tokens": 9,
    }
    stop = {"stop_reason": "refusal", "stop_details": {"explanation": "No."}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {"id": "msg_1", "usage": usage}}]
    for index, block in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events.append({"type": "content_block_stop", "index": index})
    events += [{"type": "message_delta", "delta": stop, "usage": {"output_tokens": 9}}, {"type": "message_stop"}]
    decoder, accumulator = ANTHROPIC.stream_decoder(ENDPOINT), Accumulator()

    for event in events:
        data = json.dumps(event, separators=(",", ":")).encode()
        accumulator.add(decoder.feed(b"event: " + event["type"].encode() + b"\ndata: " + data + b"\n\n"))

    answer = read(message(*blocks, usage=usage, **stop))
    assert decoder.finish() is None
    assert accumulator.message() == answer.message
    assert accumulator.finish_reason == answer.finish_reason
    assert accumulator.usage == answer.usage
    assert (answer.usage.cache_write_1h_tokens, answer.usage.service_tier) == (1, "priority")


ERRORS = [
    pytest.param(400, "invalid_request_error", "messages: bad", errors.InvalidRequestError, id="invalid"),
    pytest.param(
        400, "invalid_request_error", "prompt is too long: 9 tokens > 8", errors.ContextLengthError, id="too-long"
    ),
    pytest.param(401, "authentication_error", "invalid x-api-key", errors.AuthenticationError, id="key"),
    pytest.param(402, "billing_error", "no credit", errors.PermissionDeniedError, id="billing"),
    pytest.param(403, "permission_error", "no", errors.PermissionDeniedError, id="permission"),
    pytest.param(404, "not_found_error", "model: x", errors.NotFoundError, id="not-found"),
    pytest.param(409, "conflict_error", "busy", errors.InvalidRequestError, id="conflict"),
    pytest.param(413, "request_too_large", "too large", errors.ContextLengthError, id="too-large"),
    pytest.param(429, "rate_limit_error", "slow down", errors.RateLimitError, id="rate"),
    pytest.param(500, "api_error", "oops", errors.ServerError, id="api"),
    pytest.param(504, "timeout_error", "late", errors.ServerError, id="timeout"),
    pytest.param(529, "overloaded_error", "Overloaded", errors.OverloadedError, id="overloaded"),
]


@pytest.mark.parametrize(("status", "name", "words", "kind"), ERRORS)
def test_decode_error_maps_error_body(status: int, name: str, words: str, kind: type[errors.ProviderError]) -> None:
    """Serves R24."""
    body = {"type": "error", "error": {"type": name, "message": words}, "request_id": "req_2"}

    error = ANTHROPIC.decode_error(status, {}, json.dumps(body).encode())

    assert type(error) is kind
    assert (error.status_code, error.code, error.request_id, error.detail) == (status, name, "req_2", words)


@pytest.mark.parametrize(("status", "name", "words", "kind"), ERRORS)
def test_decode_stream_error_maps_the_same_errors(
    status: int, name: str, words: str, kind: type[errors.ProviderError]
) -> None:
    """Serves R24."""
    event = {"type": "error", "error": {"type": name, "message": words}}
    (delta,) = ANTHROPIC.stream_decoder(ENDPOINT).feed(b"event: error\ndata: " + json.dumps(event).encode() + b"\n\n")

    error = ANTHROPIC.decode_stream_error(delta)

    assert type(error) is kind
    assert (error.status_code, error.code) == (status, name)


def test_decode_error_does_not_call_a_spent_limit_a_rate_limit() -> None:
    """Serves R24."""
    details = {"error_code": "workspace_spend_limit_reached"}
    body = {"type": "error", "error": {"type": "rate_limit_error", "message": "limit", "details": details}}

    error = ANTHROPIC.decode_error(429, {"retry-after": "3"}, json.dumps(body).encode())

    assert type(error) is errors.PermissionDeniedError
    assert not error.retryable


def test_decode_stream_error_without_status_is_judged_by_name() -> None:
    error = ANTHROPIC.decode_stream_error(Delta("error", name="overloaded_error", text="Overloaded"))

    assert type(error) is errors.OverloadedError
    assert error.status_code == 529


def test_encode_joins_results_given_in_one_message() -> None:
    calls = (ToolCall("a", "weather"), ToolCall("b", "weather"))
    results = Message("tool", (ToolResult("a", "sunny"), ToolResult("b", "rain")))

    body = sent(Request((user("Hi"), Message("assistant", calls), results)))

    assert [block["tool_use_id"] for block in body["messages"][2]["content"]] == ["a", "b"]
