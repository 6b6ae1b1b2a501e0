"""The codec of Text Generation Inference: what is sent, and what is read back, in both of its API versions."""

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
from inferail.types.message import Audio, File, Image, Text, ToolCall, assistant, system, user
from inferail.types.request import OutputSchema, Request, Sampling
from inferail.types.tools import Tool
from inferail.types.usage import Usage

TGI = codec("tgi")
BASE = "http://127.0.0.1:8080"
CHAT = Endpoint("tgi", BASE)
GENERATE = Endpoint("tgi", BASE, api_version="generate")
SCHEMA = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}
WIRE = Path(__file__).parents[2] / "wire" / "tgi"


def sent(request: Request, endpoint: Endpoint, *, stream: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(TGI.encode(request, endpoint, stream=stream).wire.body)
    return body


def streamed(name: str, **options: Any) -> ir.Client:
    reply = ScriptedReply([(WIRE / f"{name}.sse").read_bytes()], headers={"content-type": "text/event-stream"})
    return ir.Client("tgi:tgi", retries=0, transport=ScriptedTransport([reply], blocking=True), **options)


@pytest.mark.parametrize("base", [BASE, f"{BASE}/", f"{BASE}/v1"])
def test_encode_finds_both_ways_in_from_either_address(base: str) -> None:
    """Serves R194."""
    request = Request((user("Hello"),))

    urls = [
        TGI.encode(request, Endpoint("tgi", base, api_version=version), stream=stream).wire.url
        for version in (None, "chat", "generate")
        for stream in (False, True)
    ]

    assert urls == [*[f"{BASE}/v1/chat/completions"] * 4, f"{BASE}/generate", f"{BASE}/generate_stream"]


def test_target_needs_no_key_and_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INFERAIL_TGI_BASE_URL", raising=False)

    target = ir.Target("tgi:tgi", api_version="generate")

    assert (target.endpoint.base_url, target.endpoint.api_key) == (BASE, None)


def test_encode_sends_chat_completions_with_a_schema_in_its_own_form() -> None:
    """Serves R22, R28, R194."""
    options = {"tool_prompt": "Use a tool."}
    request = Request(
        (system("Be brief."), user("Look:", Image(url="https://example.com/cat.png"))),
        tools=(Tool("weather"),),
        output=OutputSchema(SCHEMA),
        sampling=Sampling(temperature=0.5, max_tokens=7, seed=1, stop=("END",)),
        provider_options={"tgi": options},
    )

    body = sent(request, CHAT)

    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["response_format"] == {"type": "json_object", "value": SCHEMA}
    assert (body["temperature"], body["max_tokens"], body["seed"], body["stop"]) == (0.5, 7, 1, ["END"])
    assert (body["tools"][0]["function"]["name"], body["tool_prompt"]) == ("weather", "Use a tool.")


def test_encode_sends_a_prompt_with_its_parameters() -> None:
    """Serves R5, R22, R194."""
    options = {"parameters": {"typical_p": 0.9, "repetition_penalty": 1.1, "adapter_id": "a", "seed": 2}}
    request = Request(
        (user("<s>[INST] Hello [/INST]"),),
        output=OutputSchema(SCHEMA),
        sampling=Sampling(0.5, 0.9, 5, 7, ("END",), 1, None, 0.2),
        provider_options={"tgi": options},
    )

    assert sent(request, GENERATE) == {
        "inputs": "<s>[INST] Hello [/INST]",
        "parameters": {
            "details": True,
            "temperature": 0.5,
            "do_sample": True,
            "top_p": 0.9,
            "top_k": 5,
            "max_new_tokens": 7,
            "stop": ["END"],
            "seed": 2,
            "frequency_penalty": 0.2,
            "grammar": {"type": "json", "value": SCHEMA},
            "typical_p": 0.9,
            "repetition_penalty": 1.1,
            "adapter_id": "a",
        },
    }


@pytest.mark.parametrize(
    ("sampling", "parameters"),
    [
        pytest.param(Sampling(), {}, id="the-servers-choice"),
        pytest.param(Sampling(temperature=0.0), {"do_sample": False}, id="most-likely-token"),
        pytest.param(Sampling(temperature=1.0), {"temperature": 1.0, "do_sample": True}, id="plain-draws"),
        pytest.param(Sampling(top_p=1.0), {}, id="no-limit"),
        pytest.param(Sampling(seed=0), {"seed": 0}, id="seed-zero"),
    ],
)
def test_encode_says_the_ends_of_a_range_as_the_server_wants_them(sampling: Sampling, parameters: object) -> None:
    body = sent(Request((user("Hi"),), sampling=sampling), GENERATE)

    assert body["parameters"] == {"details": True, **parameters}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param((system("Be brief."), user("Hi")), id="system"),
        pytest.param((user("Hi"), assistant("Hello."), user("Who?")), id="conversation"),
        pytest.param((user("Hi", Image(b"x")),), id="image"),
    ],
)
def test_encode_refuses_to_make_a_prompt_of_a_conversation(messages: Any) -> None:
    """Serves R26."""
    with pytest.raises(errors.ConfigError, match="one user message of text"):
        sent(Request(messages), GENERATE)


@pytest.mark.parametrize(
    ("request_", "endpoint", "words"),
    [
        pytest.param(Request((user("Hi"),), tools=(Tool("f"),)), GENERATE, "tools", id="tools"),
        pytest.param(
            Request((user("Hi"),), sampling=Sampling(presence_penalty=1.0)), GENERATE, "presence_penalty", id="presence"
        ),
        pytest.param(Request((user("Hi"),), sampling=Sampling(top_k=1)), CHAT, "top_k", id="top-k"),
        pytest.param(Request((user("Hi", Audio(b"x")),)), CHAT, "Audio", id="audio"),
        pytest.param(Request((user("Hi", File(b"x")),)), CHAT, "File", id="file"),
    ],
)
def test_encode_refuses_what_it_cannot_send_or_drops_it_with_a_warning(
    request_: Request, endpoint: Endpoint, words: str
) -> None:
    """Serves R26."""
    with pytest.raises(errors.ConfigError, match=words):
        TGI.encode(request_, endpoint, stream=False)
    drops = Endpoint("tgi", BASE, api_version=endpoint.api_version, unsupported="drop")

    assert [words in warning for warning in TGI.encode(request_, drops, stream=False).warnings] == [True]


@pytest.mark.parametrize(
    ("reason", "normal"), [("eos_token", "stop"), ("stop_sequence", "stop"), ("length", "length"), ("new", "unknown")]
)
def test_decode_reads_a_generated_text(reason: str, normal: str) -> None:
    """Serves R28, R30, R194."""
    details = {"finish_reason": reason, "generated_tokens": 4, "seed": None, "prefill": [], "tokens": []}
    body = json.dumps({"generated_text": "Deep learning", "details": details}).encode()

    counted = TGI.decode({"x-prompt-tokens": "6", "x-request-id": "r"}, body)
    uncounted = TGI.decode({}, body)

    assert (counted.text, counted.finish_reason, counted.raw_finish_reason) == ("Deep learning", normal, reason)
    assert (counted.usage, counted.request_id) == (Usage(6, 4), "r")
    assert uncounted.usage == Usage()  # for the target to estimate, and to say so


def test_decode_reads_a_chat_completion() -> None:
    """Serves R28, R30, R194."""
    call = {"id": "0", "type": "function", "function": {"name": "weather", "arguments": {"city": "Bern"}}}
    choice = {"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "tool_calls": [call]}}

    response = TGI.decode({}, json.dumps({"model": "m", "choices": [choice]}).encode())

    assert response.message.parts == (ToolCall("0", "weather", '{"city":"Bern"}'),)
    assert response.provider == "tgi"


@pytest.mark.parametrize(
    ("status", "kind", "message", "expected"),
    [
        (429, "overloaded", "Model is overloaded", errors.OverloadedError),
        (
            422,
            "validation",
            "Input validation error: `temperature` must be strictly positive",
            errors.InvalidRequestError,
        ),
        (
            422,
            "validation",
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000",
            errors.ContextLengthError,
        ),
        (424, "generation", "Request failed during generation", errors.ServerError),
        (500, "incomplete_generation", "Incomplete generation", errors.ServerError),
    ],
)
def test_errors_are_of_the_same_kind_before_and_inside_a_stream(
    status: int, kind: str, message: str, expected: type[errors.ProviderError]
) -> None:
    """Serves R24, R194."""
    body = json.dumps({"error": message, "error_type": kind}).encode()
    (delta,) = TGI.stream_decoder(CHAT).feed(b"event:error\ndata:" + body + b"\n\n")

    before, inside = TGI.decode_error(status, {}, body), TGI.decode_stream_error(delta)

    assert (type(before), type(inside)) == (expected, expected)
    assert (before.code, before.detail) == (inside.code, inside.detail) == (kind, message)
    assert before.retryable is inside.retryable is (status != 422)


@pytest.mark.parametrize(
    ("name", "text", "reason", "usage"),
    [
        ("native", "Deep learning", "stop", (6, 4, False)),
        ("native_length", "One two", "length", (3, 2, False)),
        ("chat", "Rails carry.", "stop", (40, 3, False)),
    ],
)
def test_stream_is_read_in_both_forms(name: str, text: str, reason: str, usage: tuple[int, int, bool]) -> None:
    """Serves R28, R85, R194."""
    with streamed(name).stream("Hi") as stream:
        assert "".join(stream.text()) == text

    told = stream.response.usage
    assert stream.response.finish_reason == reason
    assert (told.input_tokens, told.output_tokens, told.estimated) == usage
    assert stream.response.message.parts == (Text(text),)


def test_stream_without_details_is_complete_and_its_usage_estimated() -> None:
    with streamed("native_without_details").stream("Hi") as stream:
        final = stream.final()

    assert (final.text, final.finish_reason, final.usage.estimated) == ("Hi!", "unknown", True)


def test_stream_raises_its_error_and_keeps_what_came() -> None:
    """Serves R24, R93."""
    with pytest.raises(errors.ServerError) as caught, streamed("error_native").stream("Hi") as stream:
        stream.final()

    assert caught.value.partial is not None
    assert caught.value.partial.text == "One"
