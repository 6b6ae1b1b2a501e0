"""OpenAI's codec: what is sent, byte for byte in meaning, and what is read back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inferail import errors
from inferail.core import Delta
from inferail.providers import codec
from inferail.providers.codec import Endpoint
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

OPENAI = codec("openai")
ENDPOINT = Endpoint("gpt-5-mini", "https://api.openai.com/v1", "sk-secret")
COMPATIBLE = Endpoint("some-model", "http://127.0.0.1:8000/v1")
WEATHER = Tool("weather", "Weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}})
SCHEMA = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}


def sent(request: Request, endpoint: Endpoint = ENDPOINT, *, stream: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(OPENAI.encode(request, endpoint, stream=stream).wire.body)
    return body


def read(body: object) -> Response[Any]:
    return OPENAI.decode({"x-request-id": "req_1"}, json.dumps(body).encode())


def completion(**message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-5-mini-1", "choices": [choice]}


def test_encode_sends_plain_prompt_as_one_user_message() -> None:
    """Serves R25."""
    encoded = OPENAI.encode(Request((user("Hello"),)), ENDPOINT, stream=False)

    assert encoded.wire.method == "POST"
    assert encoded.wire.url == "https://api.openai.com/v1/chat/completions"
    assert encoded.wire.headers["authorization"] == "Bearer sk-secret"
    assert encoded.wire.headers["content-type"] == "application/json"
    assert encoded.wire.headers["user-agent"].startswith("inferail/")
    assert json.loads(encoded.wire.body) == {
        "model": "gpt-5-mini",
        "messages": [{"role": "user", "content": "Hello"}],
    }
    assert encoded.warnings == ()


def test_encode_sends_no_key_when_there_is_none() -> None:
    encoded = OPENAI.encode(Request((user("Hello"),)), COMPATIBLE, stream=False)

    assert "authorization" not in encoded.wire.headers


def test_encode_puts_system_prompt_first() -> None:
    """Serves R8."""
    request = Request((system("Be brief."), user("Hi"), assistant("Hello."), user("Who are you?")))

    assert sent(request)["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Who are you?"},
    ]


def test_encode_asks_for_usage_in_streams() -> None:
    body = sent(Request((user("Hi"),)), stream=True)

    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert OPENAI.encode(Request((user("Hi"),)), ENDPOINT, stream=True).wire.stream


def test_encode_writes_tools_and_their_results() -> None:
    """Serves R25."""
    call = ToolCall("call_a", "weather", '{"city":"Bern"}')
    request = Request(
        (
            user("Weather in Bern and Rome?"),
            Message("assistant", (Text("Let me look."), call, ToolCall("call_b", "weather", ""))),
            Message("tool", (ToolResult("call_a", "sunny", "weather"), ToolResult("call_b", "rain"))),
        ),
        tools=(WEATHER, Tool("clock", strict=True)),
        tool_choice="weather",
    )

    body = sent(request)

    assert body["messages"][1:] == [
        {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": [
                {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}},
                {"id": "call_b", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "call_a", "content": "sunny"},
        {"role": "tool", "tool_call_id": "call_b", "content": "rain"},
    ]
    assert body["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "description": "Weather of a city.",
                "parameters": dict(WEATHER.parameters),
            },
        },
        {
            "type": "function",
            "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}, "strict": True},
        },
    ]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "weather"}}


@pytest.mark.parametrize("choice", ["auto", "none", "required"])
def test_encode_writes_tool_choice(choice: str) -> None:
    assert sent(Request((user("Hi"),), tools=(WEATHER,), tool_choice=choice))["tool_choice"] == choice


def test_encode_leaves_tool_choice_out_without_tools() -> None:
    assert "tool_choice" not in sent(Request((user("Hi"),), tool_choice="none"))


def test_encode_says_that_error_flag_of_result_is_left_out() -> None:
    """Serves R26."""
    call = ToolCall("call_a", "weather")
    request = Request((user("Hi"), Message("assistant", (call,)), tool_result(call, "no such city", is_error=True)))

    encoded = OPENAI.encode(request, ENDPOINT, stream=False)

    assert json.loads(encoded.wire.body)["messages"][-1]["content"] == "no such city"
    assert "is_error" in encoded.warnings[0]


def test_encode_writes_output_schema() -> None:
    body = sent(Request((user("6 x 7?"),), output=OutputSchema(SCHEMA, "sum")))

    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "sum", "schema": SCHEMA, "strict": True},
    }


def test_encode_writes_media_parts() -> None:
    message = user(
        "Look:",
        Image(b"\x89PNG", detail="low"),
        Image(url="https://example.com/cat.jpg"),
        Audio(b"RIFF", "audio/mpeg"),
        File(b"%PDF", name="a.pdf"),
        File(file_id="file-1"),
    )

    assert sent(Request((message,)))["messages"][0]["content"] == [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw==", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/cat.jpg"}},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "mp3"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ]


def test_encode_leaves_out_reasoning_of_earlier_turns() -> None:
    said = Message("assistant", (Reasoning("Hmm.", "sig"), Reasoning(redacted="xyz"), Text("Hello.", "gemini-sig")))

    assert sent(Request((user("Hi"), said, user("Go on"))))["messages"][1] == {"role": "assistant", "content": "Hello."}


def test_encode_skips_message_of_which_nothing_is_left() -> None:
    thought = Message("assistant", (Reasoning("Hmm."),))

    assert [entry["role"] for entry in sent(Request((user("Hi"), thought, user("Well?"))))["messages"]] == [
        "user",
        "user",
    ]


def test_encode_sends_refusal_in_its_own_field() -> None:
    said = Message("assistant", (Refusal("No."),))

    entry = sent(Request((user("Hi"), said, user("Why?"))))["messages"][1]

    assert entry == {"role": "assistant", "content": None, "refusal": "No."}


SAMPLING = Sampling(
    temperature=0.5, top_p=0.9, max_tokens=7, stop=("END",), seed=1, presence_penalty=0.1, frequency_penalty=-0.1
)


def test_encode_maps_sampling() -> None:
    """Serves R5, R26."""
    body = sent(Request((user("Hi"),), sampling=SAMPLING))

    del body["model"], body["messages"]
    assert body == {
        "temperature": 0.5,
        "top_p": 0.9,
        "max_completion_tokens": 7,
        "stop": ["END"],
        "seed": 1,
        "presence_penalty": 0.1,
        "frequency_penalty": -0.1,
    }


@pytest.mark.parametrize(
    ("base_url", "name"),
    [
        pytest.param("https://api.openai.com/v1", "max_completion_tokens", id="openai"),
        pytest.param("https://eu.api.openai.com/v1/", "max_completion_tokens", id="openai-region"),
        pytest.param("https://api.openai.com.example.org/v1", "max_tokens", id="look-alike"),
        pytest.param("http://127.0.0.1:8000/v1", "max_tokens", id="own-server"),
    ],
)
def test_encode_names_max_tokens_by_host(base_url: str, name: str) -> None:
    """Serves R5, R26."""
    body = sent(Request((user("Hi"),), sampling=Sampling(max_tokens=7)), Endpoint("m", base_url))

    assert body[name] == 7
    assert len({"max_tokens", "max_completion_tokens"} & body.keys()) == 1


@pytest.mark.parametrize(
    ("request_", "parameter"),
    [
        pytest.param(Request((user("Hi"),), sampling=Sampling(top_k=5)), "top_k", id="top_k"),
        pytest.param(Request((user("Hi"),), sampling=Sampling(stop=tuple("abcde"))), "stop", id="stop"),
        pytest.param(Request((user("Hi"), assistant("Sure, "))), "prefill", id="prefill"),
        pytest.param(Request((user("Hi", Audio(b"x", "audio/flac")),)), "audio/flac", id="audio"),
        pytest.param(Request((user("Hi", File(url="https://example.com/a.pdf")),)), "URL", id="file-url"),
        pytest.param(Request((Message("system", (Text("a"), Image(b"x"))), user("Hi"))), "Image", id="system-image"),
        pytest.param(Request((user("a"), assistant("b", Image(b"x")), user("c"))), "Image", id="assistant-image"),
    ],
)
def test_encode_refuses_what_it_cannot_send_or_drops_it_with_a_warning(request_: Request, parameter: str) -> None:
    """Serves R26."""
    dropping = Endpoint("gpt-5", "https://api.openai.com/v1", unsupported="drop")

    with pytest.raises(errors.ConfigError, match=parameter) as caught:
        OPENAI.encode(request_, ENDPOINT, stream=False)
    encoded = OPENAI.encode(request_, dropping, stream=False)

    assert "openai" in str(caught.value)
    assert "unsupported='drop'" in str(caught.value)
    assert [parameter in warning and "openai" in warning for warning in encoded.warnings] == [True]


def test_encode_keeps_prefill_for_other_servers() -> None:
    body = sent(Request((user("Hi"), assistant("Sure, "))), COMPATIBLE)

    assert body["messages"][-1] == {"role": "assistant", "content": "Sure, "}


def test_encode_merges_provider_options_verbatim() -> None:
    """Serves R20."""
    options = {"reasoning_effort": "low", "temperature": 1, "metadata": {"team": "a"}}
    request = Request(
        (user("Hi"),),
        sampling=Sampling(temperature=0.5),
        provider_options={"openai": options, "anthropic": {"thinking": {"type": "adaptive"}}},
    )

    encoded = OPENAI.encode(request, ENDPOINT, stream=False)
    body = json.loads(encoded.wire.body)

    assert {name: body[name] for name in options} == options
    assert "thinking" not in body
    assert encoded.warnings == ()


def test_encode_keeps_asking_for_usage_when_stream_options_are_given() -> None:
    """Serves R20."""
    request = Request((user("Hi"),), provider_options={"openai": {"stream_options": {"include_obfuscation": False}}})

    assert sent(request, stream=True)["stream_options"] == {"include_usage": True, "include_obfuscation": False}


def test_encode_warns_about_options_for_a_provider_that_does_not_exist() -> None:
    """Serves R20."""
    request = Request((user("Hi"),), provider_options={"opneai": {"top_k": 3}})

    encoded = OPENAI.encode(request, ENDPOINT, stream=False)

    assert "top_k" not in json.loads(encoded.wire.body)
    assert "opneai" in encoded.warnings[0]


def test_encode_refuses_option_that_contradicts_the_call() -> None:
    request = Request((user("Hi"),), provider_options={"openai": {"stream": True}})

    with pytest.raises(errors.ConfigError, match="stream"):
        OPENAI.encode(request, ENDPOINT, stream=False)


@pytest.mark.parametrize("scheme", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("stream", [False, True])
def test_encode_gives_same_bytes_for_same_history(scheme: str, stream: bool) -> None:
    """Serves R19."""
    call = ToolCall("call_a", "weather", '{"city":"Bern"}')

    def history() -> Request:
        said = Message("assistant", (Text("Let me look."), call))
        return Request((system("Be brief."), user("Bern?"), said, tool_result(call, "sunny")), tools=(WEATHER,))

    first = codec(scheme).encode(history(), Endpoint("m", "https://example.com"), stream=stream)
    second = codec(scheme).encode(history(), Endpoint("m", "https://example.com"), stream=stream)

    assert first == second
    for text in (b"Be brief.", b"Bern?", b"Let me look.", b"sunny"):
        assert text in first.wire.body


def test_decode_reads_answer() -> None:
    answer = read(completion(content="Hello.", refusal=None, annotations=[{"type": "url_citation", "url": "u"}]))

    assert answer.message == assistant("Hello.")
    assert (answer.finish_reason, answer.raw_finish_reason) == ("stop", "stop")
    assert (answer.id, answer.model, answer.provider) == ("chatcmpl-1", "gpt-5-mini-1", "openai")
    assert answer.request_id == "req_1"
    assert answer.citations == ('{"type":"url_citation","url":"u"}',)
    assert answer.raw is not None
    assert json.loads(answer.raw)["id"] == "chatcmpl-1"


def test_decode_reads_every_kind_of_part_in_order() -> None:
    calls = [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bern"}'}}]

    answer = read(completion(content="Hi", reasoning_content="Hmm", refusal="No", tool_calls=calls))

    assert answer.message.parts == (
        Reasoning("Hmm"),
        Text("Hi"),
        Refusal("No"),
        ToolCall("call_1", "weather", '{"city": "Bern"}'),
    )


def test_decode_normalises_usage() -> None:
    """Serves R96."""
    body = completion(content="Hi")
    body["usage"] = {
        "prompt_tokens": 100.0,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 5, "audio_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 2},
    }

    assert read(body).usage == Usage(100, 50, 40, 5, 30, 3, 2)
    for said, kept in (("flex", "flex"), ("priority", "priority"), ("default", None), (3, None)):
        assert read({**body, "service_tier": said}).usage.service_tier == kept


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
        ("a_new_word", "unknown"),
        (None, "unknown"),
    ],
)
def test_decode_normalises_finish_reason(raw: str | None, reason: str) -> None:
    body = completion(content="Hi")
    body["choices"][0]["finish_reason"] = raw

    answer = read(body)

    assert (answer.finish_reason, answer.raw_finish_reason) == (reason, raw)


def test_decode_reads_refusal() -> None:
    """Serves R81."""
    answer = read(completion(content=None, refusal="I can't help with that."))

    assert answer.refusal == "I can't help with that."
    assert answer.text == ""


def test_decode_reads_refusal_inside_content_list() -> None:
    """Serves R81."""
    assert read(completion(content=[{"type": "refusal", "refusal": "No."}])).refusal == "No."


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        pytest.param({"id": "a", "function": {"name": "f", "arguments": None}}, ToolCall("a", "f", "{}"), id="null"),
        pytest.param({"id": "a", "function": {"name": "f", "arguments": ""}}, ToolCall("a", "f", "{}"), id="empty"),
        pytest.param({"id": "a", "function": {"name": "f"}}, ToolCall("a", "f", "{}"), id="absent"),
        pytest.param(
            {"id": "a", "function": {"name": "f", "arguments": {"x": 1}}}, ToolCall("a", "f", '{"x":1}'), id="object"
        ),
        pytest.param(
            {"id": "a", "function": {"name": "f", "arguments": "{brok"}}, ToolCall("a", "f", "{brok"), id="broken"
        ),
        pytest.param({"id": None, "function": {"name": "f"}}, ToolCall("call_0", "f", "{}"), id="no-id"),
        pytest.param({"id": "null", "function": {"name": "f"}}, ToolCall("call_0", "f", "{}"), id="id-null-text"),
        pytest.param(
            {"id": "a", "type": "custom", "custom": {"name": "f", "input": "x"}}, ToolCall("a", "f", "x"), id="custom"
        ),
    ],
)
def test_decode_tolerates_tool_call(call: dict[str, Any], expected: ToolCall) -> None:
    assert read(completion(content=None, tool_calls=[call])).tool_calls == (expected,)


@pytest.mark.parametrize(
    ("message", "text", "reasoning"),
    [
        pytest.param({"content": None}, "", "", id="content-null"),
        pytest.param({}, "", "", id="content-absent"),
        pytest.param({"content": [{"type": "text", "text": "a"}, "b", 3, None]}, "ab", "", id="content-list"),
        pytest.param({"content": {"a": 1}}, "", "", id="content-object"),
        pytest.param({"content": "a", "reasoning": "r"}, "a", "r", id="reasoning"),
        pytest.param({"content": "a", "reasoning": "r", "reasoning_content": "r"}, "a", "r", id="reasoning-twice"),
        pytest.param({"content": "a", "reasoning_details": [{"text": "r"}]}, "a", "r", id="reasoning-details"),
        pytest.param(
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "r"}]}, {"text": "a"}]},
            "a",
            "r",
            id="thinking-list",
        ),
        pytest.param({"content": "a\ud83d"}, "a\ufffd", "", id="half-surrogate"),
    ],
)
def test_decode_tolerates_message(message: dict[str, Any], text: str, reasoning: str) -> None:
    answer = read(completion(**message))

    assert (answer.text, answer.reasoning) == (text, reasoning)


def test_decode_reads_first_choice_by_index() -> None:
    body = completion(content="second")
    body["choices"][0]["index"] = 1
    body["choices"].append({"index": 0, "message": {"content": "first"}, "finish_reason": "stop"})

    assert read(body).text == "first"


def test_decode_tolerates_blank_lines_before_the_body() -> None:
    body = b"\n \r\n\n" + json.dumps(completion(content="Hi")).encode()

    assert OPENAI.decode({}, body).text == "Hi"


def test_decode_agrees_with_the_stream_decoder() -> None:
    """Serves R7."""
    calls = [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}]
    message = {"reasoning_content": "Hmm", "content": "Hi", "refusal": "No", "tool_calls": calls}
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 2}}
    whole = {**completion(**message), "usage": usage}
    whole["choices"][0]["finish_reason"] = "tool_calls"
    pieces: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {**message, "tool_calls": [{"index": 0, **calls[0]}]}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
        {"choices": [], "usage": usage},
    ]
    decoder, accumulator = OPENAI.stream_decoder(ENDPOINT), Accumulator()

    for piece in pieces:
        accumulator.add(decoder.feed(b"data: " + json.dumps({"id": "1", **piece}).encode() + b"\n\n"))
    accumulator.add(decoder.feed(b"data: [DONE]\n\n"))

    answer = read(whole)
    assert decoder.finish() is None
    assert accumulator.message() == answer.message
    assert accumulator.finish_reason == answer.finish_reason
    assert accumulator.usage == answer.usage


def test_stream_decoder_requires_done_as_the_endpoint_says() -> None:
    event = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'
    strict = OPENAI.stream_decoder(ENDPOINT)
    lenient = OPENAI.stream_decoder(Endpoint("m", "https://example.com", require_done=False))

    strict.feed(event)
    lenient.feed(event)

    assert strict.finish() is not None
    assert lenient.finish() is None


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        pytest.param(401, {"code": "invalid_api_key"}, errors.AuthenticationError, id="key"),
        pytest.param(403, {"code": "unsupported_country_region_territory"}, errors.PermissionDeniedError, id="country"),
        pytest.param(404, {"code": "model_not_found"}, errors.NotFoundError, id="model"),
        pytest.param(
            400, {"code": None, "type": "invalid_request_error"}, errors.InvalidRequestError, id="bad-request"
        ),
        pytest.param(400, {"code": "context_length_exceeded"}, errors.ContextLengthError, id="context-code"),
        pytest.param(
            400,
            {"code": 400, "message": "This model's maximum context length is 8192 tokens."},
            errors.ContextLengthError,
            id="context-words",
        ),
        pytest.param(400, {"code": "content_policy_violation"}, errors.ContentFilteredError, id="policy"),
        pytest.param(
            400,
            {"code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}},
            errors.ContentFilteredError,
            id="azure-filter",
        ),
        pytest.param(429, {"code": "rate_limit_exceeded", "type": "requests"}, errors.RateLimitError, id="rate"),
        pytest.param(429, {"code": "insufficient_quota"}, errors.PermissionDeniedError, id="quota"),
        pytest.param(429, {"code": None, "type": "insufficient_quota"}, errors.PermissionDeniedError, id="quota-type"),
        pytest.param(500, {"type": "server_error"}, errors.ServerError, id="server"),
        pytest.param(503, {"type": "service_unavailable"}, errors.OverloadedError, id="overloaded"),
    ],
)
def test_decode_error_maps_error_body(status: int, body: dict[str, Any], kind: type[errors.ProviderError]) -> None:
    """Serves R24."""
    error = OPENAI.decode_error(status, {"x-request-id": "r"}, json.dumps({"error": {"message": "m", **body}}).encode())

    assert type(error) is kind
    assert error.retryable is (kind in (errors.RateLimitError, errors.OverloadedError, errors.ServerError))
    assert (error.provider, error.status_code, error.request_id) == ("openai", status, "r")


@pytest.mark.parametrize(
    ("delta", "kind"),
    [
        (Delta("error", name="rate_limit_exceeded", text="slow", status=429), errors.RateLimitError),
        (Delta("error", name="server_error", text="oops"), errors.ServerError),
        (Delta("error", name="insufficient_quota", status=429), errors.PermissionDeniedError),
        (Delta("error", name="context_length_exceeded"), errors.ContextLengthError),
        (Delta("error", name="something new", text="?"), errors.ServerError),
    ],
)
def test_decode_stream_error_maps_delta(delta: Delta, kind: type[errors.ProviderError]) -> None:
    """Serves R24."""
    error = OPENAI.decode_stream_error(delta)

    assert type(error) is kind
    assert error.detail == delta.text
