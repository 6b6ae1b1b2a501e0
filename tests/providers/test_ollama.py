"""Ollama's codec: what is sent, and what is read back."""

from __future__ import annotations

import json
from typing import Any

import pytest

import inferail as ir
from inferail import errors
from inferail.providers import codec
from inferail.providers.codec import Endpoint
from inferail.testing import ScriptedReply, ScriptedTransport
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

OLLAMA = codec("ollama")
BASE = "http://127.0.0.1:11434"
ENDPOINT = Endpoint("qwen3:8b", BASE)
WEATHER = Tool("weather", "Weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}})
SCHEMA = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}
NDJSON = {"content-type": "application/x-ndjson"}


def sent(request: Request, *, stream: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(OLLAMA.encode(request, ENDPOINT, stream=stream).wire.body)
    return body


def read(body: object) -> Response[Any]:
    return OLLAMA.decode({"x-request-id": "req_1"}, json.dumps(body).encode())


def line(content: str = "", *, done: bool = False, **more: Any) -> dict[str, Any]:
    return {"model": "qwen3:8b", "message": {"role": "assistant", "content": content}, "done": done, **more}


def streamed(*lines: object) -> ir.Client:
    body = "\n".join(json.dumps(item) for item in lines).encode()
    return ir.Client(
        "ollama:qwen3:8b",
        transport=ScriptedTransport([ScriptedReply([body], headers=NDJSON)], blocking=True),
        retries=0,
    )


@pytest.mark.parametrize("base", [BASE, f"{BASE}/", f"{BASE}/api"])
@pytest.mark.parametrize("stream", [False, True])
def test_encode_sends_plain_prompt_and_says_whether_it_wants_a_stream(base: str, stream: bool) -> None:
    """Serves R28."""
    wire = OLLAMA.encode(Request((user("Hello"),)), Endpoint("m", base), stream=stream).wire

    assert wire.url == f"{BASE}/api/chat"
    assert json.loads(wire.body) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": stream,
    }
    assert wire.headers["accept"] == ("application/x-ndjson" if stream else "application/json")
    assert "authorization" not in wire.headers


def test_encode_sends_a_key_that_was_given() -> None:
    wire = OLLAMA.encode(Request((user("Hi"),)), Endpoint("m", "https://ollama.com", "k"), stream=False).wire

    assert wire.headers["authorization"] == "Bearer k"


def test_target_needs_no_key_and_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INFERAIL_OLLAMA_BASE_URL", raising=False)

    target = ir.Target("ollama:qwen3:8b")

    assert (target.endpoint.base_url, target.endpoint.api_key, target.model) == (BASE, None, "qwen3:8b")


def test_encode_writes_tools_and_their_results() -> None:
    """Serves R28, R30."""
    call, other = ToolCall("id-a", "weather", '{"city":"Bern"}', "sig"), ToolCall("call_1", "clock", "")
    request = Request(
        (
            system("Be brief."),
            user("Weather and time?"),
            Message("assistant", (Reasoning("Two tools."), Text("Let me look."), call, other), "ollama"),
            Message("tool", (ToolResult("id-a", "sunny"),)),
            tool_result("call_1", "broken", is_error=True),
        ),
        tools=(WEATHER, Tool("clock")),
        tool_choice="auto",
    )

    encoded = OLLAMA.encode(request, ENDPOINT, stream=False)

    body = json.loads(encoded.wire.body)
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather and time?"},
        {
            "role": "assistant",
            "content": "Let me look.",
            "thinking": "Two tools.",
            "tool_calls": [
                {"function": {"name": "weather", "arguments": {"city": "Bern"}}},
                {"function": {"name": "clock", "arguments": {}}},
            ],
        },
        {"role": "tool", "tool_name": "weather", "content": "sunny"},
        {"role": "tool", "tool_name": "clock", "content": "broken"},
    ]
    assert body["tools"][0] == {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Weather of a city.",
            "parameters": dict(WEATHER.parameters),
        },
    }
    assert ["is_error" in warning for warning in encoded.warnings] == [True]


def test_encode_sends_reasoning_of_another_provider_to_nobody() -> None:
    said = Message("assistant", (Reasoning("secret", "sig"), Refusal("No.")), "anthropic")

    assert sent(Request((user("Hi"), said, user("Why?"))))["messages"][1] == {"role": "assistant", "content": "No."}


def test_encode_offers_no_tools_when_none_may_be_called() -> None:
    assert "tools" not in sent(Request((user("Hi"),), tools=(WEATHER,), tool_choice="none"))


def test_encode_maps_sampling_schema_and_options() -> None:
    """Serves R5, R22, R26."""
    sampling = Sampling(0.5, 0.9, 5, 7, ("END",), 1, 0.1, -0.1)
    options = {"options": {"num_ctx": 8192, "seed": 2}, "think": "low", "keep_alive": "10m"}

    body = sent(
        Request((user("Hi"),), sampling=sampling, output=OutputSchema(SCHEMA), provider_options={"ollama": options})
    )

    assert body["options"] == {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 5,
        "num_predict": 7,
        "seed": 2,
        "presence_penalty": 0.1,
        "frequency_penalty": -0.1,
        "stop": ["END"],
        "num_ctx": 8192,
    }
    assert (body["format"], body["think"], body["keep_alive"]) == (SCHEMA, "low", "10m")


def test_encode_writes_images_beside_the_text() -> None:
    message = user("What is ", Image(b"\x89PNG"), "this?", Image(url="data:image/webp;base64,AAAA"))

    assert sent(Request((message,)))["messages"] == [
        {"role": "user", "content": "What is this?", "images": ["iVBORw==", "AAAA"]}
    ]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        pytest.param(user("Hi", Image(b"x", detail="high")), "detail", id="detail"),
        pytest.param(user("Hi", Image(url="https://example.com/cat.png")), "URL", id="image-url"),
        pytest.param(user("Hi", Audio(b"x")), "Audio", id="audio"),
        pytest.param(user("Hi", File(b"x")), "File", id="file"),
        pytest.param(Message("system", (Text("a"), Image(b"x"))), "Image", id="system-image"),
    ],
)
def test_encode_refuses_what_it_cannot_send_or_drops_it_with_a_warning(message: Message, words: str) -> None:
    """Serves R26."""
    request = Request((message, user("Hi")))

    with pytest.raises(errors.ConfigError, match=words):
        OLLAMA.encode(request, ENDPOINT, stream=False)
    encoded = OLLAMA.encode(request, Endpoint("m", BASE, unsupported="drop"), stream=False)

    assert [words in warning and "ollama" in warning for warning in encoded.warnings] == [True]


@pytest.mark.parametrize("choice", ["required", "weather"])
def test_encode_refuses_to_force_a_tool(choice: str) -> None:
    """Serves R26."""
    with pytest.raises(errors.ConfigError, match="tool choice"):
        sent(Request((user("Hi"),), tools=(WEATHER,), tool_choice=choice))


def test_encode_refuses_a_request_of_which_nothing_is_left() -> None:
    said = Message("user", (Reasoning("hm"),), "anthropic")

    with pytest.raises(errors.ConfigError, match="nothing is left"):
        sent(Request((said,)))


def test_decode_reads_an_answer() -> None:
    """Serves R28, R30."""
    answer = line("Hello.", done=True, done_reason="stop", total_duration=5, prompt_eval_count=26, eval_count=4)

    response = read(answer)

    assert (response.text, response.finish_reason, response.raw_finish_reason) == ("Hello.", "stop", "stop")
    assert (response.model, response.usage, response.request_id) == ("qwen3:8b", Usage(26, 4), "req_1")
    assert json.loads(response.raw or b"")["total_duration"] == 5


def test_decode_reads_thinking_and_calls() -> None:
    """Serves R28, R30."""
    calls = [
        {"function": {"name": "weather", "arguments": {"city": "Zürich"}}},
        {"id": "given", "function": {"name": "clock", "arguments": "{}"}},
        {"function": {"name": "clock"}},
    ]
    message = {"role": "assistant", "content": "", "thinking": "Two.", "tool_calls": calls}

    response = read({"message": message, "done": True, "done_reason": "stop"})

    assert response.finish_reason == "tool_calls"
    assert response.message.parts == (
        Reasoning("Two."),
        ToolCall("call_0", "weather", '{"city":"Zürich"}'),
        ToolCall("given", "clock", "{}"),
        ToolCall("call_1", "clock", "{}"),
    )


@pytest.mark.parametrize(("more", "reason"), [({"done_reason": "load"}, "unknown"), ({}, "unknown")])
def test_decode_makes_up_no_finish_reason(more: dict[str, Any], reason: str) -> None:
    assert read(line("Hi", done=True, **more)).finish_reason == reason


def test_error_answers_are_told_apart_by_status() -> None:
    """Serves R24."""
    missing = OLLAMA.decode_error(404, {}, b'{"error":"model \'nope\' not found"}')
    broken = OLLAMA.decode_error(500, {}, b'{"error":"model runner has unexpectedly stopped"}')

    assert (type(missing), missing.detail) == (errors.NotFoundError, "model 'nope' not found")
    assert type(broken) is errors.ServerError


def test_stream_is_whole_when_its_last_line_has_no_line_feed() -> None:
    """Serves R85, R88."""
    client = streamed(line("Hel"), line("lo"), line(done=True, done_reason="stop", eval_count=2))

    with client.stream("Hi") as stream:
        assert "".join(stream.text()) == "Hello"

    assert (stream.response.finish_reason, stream.response.usage.output_tokens) == ("stop", 2)
    assert stream.response.model == "qwen3:8b"


def test_stream_without_its_last_line_is_broken_and_keeps_what_came() -> None:
    """Serves R88."""
    with (
        pytest.raises(errors.StreamError) as caught,
        streamed(line("Hel"), line("lo"), line("!")).stream("Hi") as stream,
    ):
        stream.final()

    assert caught.value.partial is not None
    assert caught.value.partial.text == "Hello"


def test_stream_raises_an_error_line_and_keeps_what_came() -> None:
    """Serves R24, R93."""
    client = streamed(line("Hel"), {"error": "CUDA error: out of memory"})

    with pytest.raises(errors.ServerError) as caught, client.stream("Hi") as stream:
        stream.final()

    assert caught.value.partial is not None
    assert (caught.value.partial.text, caught.value.detail) == ("Hel", "CUDA error: out of memory")
    assert "CUDA" not in str(caught.value)


def test_streamed_and_whole_answers_are_the_same_message() -> None:
    """Serves R30, R85."""
    calls = [{"function": {"name": "weather", "arguments": {"city": "Bern"}}}]
    message = {"role": "assistant", "thinking": "Hm.", "content": "Wait.", "tool_calls": calls}
    answer = {"model": "m", "message": message, "done": True, "done_reason": "stop", "eval_count": 3}
    decoder, collected = OLLAMA.stream_decoder(ENDPOINT), Accumulator()

    collected.add(decoder.feed(json.dumps(answer, separators=(",", ":")).encode()))

    assert decoder.finish() is None
    whole = read(answer)
    assert (collected.message(), collected.finish_reason) == (whole.message, whole.finish_reason)
    assert assistant(*whole.message.parts) == whole.message
