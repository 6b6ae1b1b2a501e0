"""The codec of OpenAI's Responses: what is sent, and what is read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import inferail as ir
from inferail import errors
from inferail.providers import codec
from inferail.providers.codec import Endpoint
from inferail.telemetry.prices import PriceTable
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

RESPONSES = codec("openai_responses")
WIRE = Path(__file__).parent.parent / "wire" / "openai_responses"
BASE = "https://api.openai.com/v1"
ENDPOINT = Endpoint("gpt-5-mini", BASE, "sk-secret")
WEATHER = Tool("weather", "Weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}}, True)
SCHEMA = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}


def sent(request: Request, *, stream: bool = False, endpoint: Endpoint = ENDPOINT) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(RESPONSES.encode(request, endpoint, stream=stream).wire.body)
    return body


def read(*output: object, **more: Any) -> Response[Any]:
    body = {"id": "resp_1", "object": "response", "status": "completed", "model": "m-1", "output": output, **more}
    return RESPONSES.decode({"x-request-id": "req_1"}, json.dumps(body).encode())


def message(*content: object) -> dict[str, Any]:
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": list(content)}


def test_encode_sends_plain_prompt() -> None:
    """Serves R28."""
    wire = RESPONSES.encode(Request((user("Hello"),)), ENDPOINT, stream=False).wire

    assert wire.url == f"{BASE}/responses"
    assert wire.headers["authorization"] == "Bearer sk-secret"
    assert json.loads(wire.body) == {"model": "gpt-5-mini", "input": [{"role": "user", "content": "Hello"}]}
    assert sent(Request((user("Hello"),)), stream=True)["stream"] is True


def test_encode_puts_system_prompt_into_the_instructions() -> None:
    """Serves R8."""
    body = sent(Request((system("Be brief."), system("Be kind."), user("Hi"), assistant("Hello."), user("Who?"))))

    assert body["instructions"] == "Be brief.\n\nBe kind."
    assert body["input"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Who?"},
    ]


def test_encode_writes_tools_and_their_results_as_items() -> None:
    """Serves R28, R30."""
    seal = '{"id":"rs_1","encrypted_content":"gAAA"}'
    said = (Reasoning("Look.", seal), Text("Let me look."), ToolCall("c1", "weather", '{"city":"Bern"}'))
    request = Request(
        (
            user("Weather and time?"),
            Message("assistant", (*said, ToolCall("c2", "clock", "")), "openai_responses"),
            Message("tool", (ToolResult("c1", "sunny"),)),
            tool_result("c2", "broken", is_error=True),
        ),
        tools=(WEATHER, Tool("clock")),
        tool_choice="weather",
    )

    encoded = RESPONSES.encode(request, ENDPOINT, stream=False)

    body = json.loads(encoded.wire.body)
    assert body["input"][1:] == [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "Look."}],
            "encrypted_content": "gAAA",
        },
        {"role": "assistant", "content": "Let me look."},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Bern"}'},
        {"type": "function_call", "call_id": "c2", "name": "clock", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
        {"type": "function_call_output", "call_id": "c2", "output": "broken"},
    ]
    assert body["tools"] == [
        {
            "type": "function",
            "name": "weather",
            "description": "Weather of a city.",
            "parameters": dict(WEATHER.parameters),
            "strict": True,
        },
        {
            "type": "function",
            "name": "clock",
            "parameters": {"type": "object", "properties": {}},
            "strict": None,
        },
    ]
    assert body["tool_choice"] == {"type": "function", "name": "weather"}
    assert ["is_error" in warning for warning in encoded.warnings] == [True]


@pytest.mark.parametrize("choice", ["auto", "none", "required"])
def test_encode_writes_tool_choice(choice: str) -> None:
    assert sent(Request((user("Hi"),), tools=(WEATHER,), tool_choice=choice))["tool_choice"] == choice


@pytest.mark.parametrize(
    ("part", "provider", "store", "is_sent"),
    [
        pytest.param(Reasoning("a", '{"id":"rs_1"}'), "openai_responses", True, True, id="stored"),
        pytest.param(Reasoning("", '{"id":"rs_1"}'), "openai_responses", None, True, id="stored-by-default"),
        pytest.param(Reasoning("a", '{"id":"rs_1"}'), "openai_responses", False, False, id="nobody-has-it"),
        pytest.param(
            Reasoning("a", '{"id":"rs_1","encrypted_content":"x"}'), "openai_responses", False, True, id="sealed"
        ),
        pytest.param(Reasoning("a", '{"id":"rs_1"}'), "anthropic", True, False, id="of-another-provider"),
        pytest.param(Reasoning("a"), "openai_responses", True, False, id="no-seal"),
        pytest.param(Reasoning("a", "EqQBCg=="), None, True, False, id="another-seal"),
        pytest.param(Reasoning("a", "[]"), None, True, False, id="no-object"),
        pytest.param(Reasoning("a", "\ud800"), None, True, False, id="lone-surrogate"),
    ],
)
def test_encode_sends_reasoning_back_only_where_it_can_be_read(
    part: Reasoning, provider: str | None, store: bool | None, is_sent: bool
) -> None:
    options = {} if store is None else {"openai_responses": {"store": store}}
    turns = (user("Hi"), Message("assistant", (part, Text("Hello.")), provider), user("And?"))

    items = sent(Request(turns, provider_options=options))["input"]

    assert [item.get("type") == "reasoning" for item in items] == [False, *([True] if is_sent else []), False, False]


def test_encode_writes_media_parts() -> None:
    parts = user(
        "Look:",
        Image(b"\x89PNG", detail="low"),
        Image(url="https://example.com/cat.jpg"),
        File(b"%PDF", name="a.pdf"),
        File(b"%PDF"),
        File(url="https://example.com/a.pdf"),
        File(file_id="file-1"),
    )

    assert sent(Request((parts,)))["input"][0]["content"] == [
        {"type": "input_text", "text": "Look:"},
        {"type": "input_image", "image_url": "data:image/png;base64,iVBORw==", "detail": "low"},
        {"type": "input_image", "image_url": "https://example.com/cat.jpg"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
        {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
        {"type": "input_file", "file_url": "https://example.com/a.pdf"},
        {"type": "input_file", "file_id": "file-1"},
    ]


def test_encode_sends_a_refusal_as_the_refusal_it_was() -> None:
    said = Message("assistant", (Text("Well."), Refusal("No.")))

    assert sent(Request((user("Hi"), said, user("Why?"))))["input"][1]["content"] == [
        {"type": "output_text", "text": "Well."},
        {"type": "refusal", "refusal": "No."},
    ]


def test_encode_maps_sampling_schema_and_options() -> None:
    """Serves R5, R22, R26."""
    options = {
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "store": False,
        "previous_response_id": "resp_0",
        "text": {"verbosity": "low"},
    }

    body = sent(
        Request(
            (user("Hi"),),
            sampling=Sampling(temperature=1.5, top_p=0.9, max_tokens=7),
            output=OutputSchema(SCHEMA, "answer"),
            provider_options={"openai_responses": options, "openai": {"seed": 1}},
        )
    )

    assert (body["temperature"], body["top_p"], body["max_output_tokens"]) == (1.5, 0.9, 7)
    form = {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": True}
    assert body["text"] == {"format": form, "verbosity": "low"}
    assert {name: body[name] for name in options if name != "text"} == {
        name: value for name, value in options.items() if name != "text"
    }
    assert "seed" not in body


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        pytest.param(Request((user("Hi"),), sampling=Sampling(stop=("END",))), "stop", id="stop"),
        pytest.param(Request((user("Hi", Audio(b"x")),)), "Audio", id="audio"),
        pytest.param(Request((Message("system", (Text("a"), Image(b"x"))), user("Hi"))), "Image", id="system-image"),
        pytest.param(Request((user("Hi"), assistant("Well"))), "prefill", id="prefill"),
    ],
)
def test_encode_refuses_what_it_cannot_send_or_drops_it_with_a_warning(request_: Request, words: str) -> None:
    """Serves R26."""
    with pytest.raises(errors.ConfigError, match=words) as caught:
        RESPONSES.encode(request_, ENDPOINT, stream=False)
    encoded = RESPONSES.encode(request_, Endpoint("m", BASE, unsupported="drop"), stream=False)

    assert "openai_responses" in str(caught.value)
    assert [words in warning for warning in encoded.warnings] == [True]


def test_encode_sends_a_prefill_to_a_server_of_another() -> None:
    body = sent(Request((user("Hi"), assistant("Well"))), endpoint=Endpoint("m", "http://127.0.0.1:8000/v1"))

    assert body["input"][-1] == {"role": "assistant", "content": "Well"}


def test_decode_reads_every_item() -> None:
    """Serves R28, R30."""
    response = read(
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "One."}, {"type": "summary_text", "text": "Two."}],
            "content": [{"type": "reasoning_text", "text": "Raw."}],
            "encrypted_content": "gAAA",
        },
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        message({"type": "output_text", "text": "Hi.", "annotations": [{"type": "url_citation", "url": "u"}]}),
        message({"type": "refusal", "refusal": "No."}),
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "weather", "arguments": '{"city":"Bern"}'},
        {"type": "custom_tool_call", "call_id": "c2", "name": "query", "input": "SELECT"},
        {"type": "function_call", "name": "clock", "arguments": ""},
        usage={
            "input_tokens": 9,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 3},
        },
    )

    assert response.message.parts == (
        Reasoning("One.\n\nTwo.\n\nRaw.", '{"id":"rs_1","encrypted_content":"gAAA"}'),
        Text("Hi."),
        Refusal("No."),
        ToolCall("c1", "weather", '{"city":"Bern"}'),
        ToolCall("c2", "query", "SELECT"),
        ToolCall("call_0", "clock", "{}"),
    )
    assert response.citations == ('{"type":"url_citation","url":"u"}',)
    assert response.usage == Usage(9, 5, 4, 2, 3)
    assert (response.finish_reason, response.raw_finish_reason) == ("tool_calls", "completed")
    assert (response.id, response.model, response.request_id) == ("resp_1", "m-1", "req_1")


@pytest.mark.parametrize(
    ("reason", "normal"),
    [
        ("max_output_tokens", "length"),
        ("content_filter", "content_filter"),
        ("steered", "pause"),
        ("max_messages", "pause"),
        ("new", "unknown"),
    ],
)
def test_decode_says_why_an_answer_is_incomplete(reason: str, normal: str) -> None:
    response = read(status="incomplete", incomplete_details={"reason": reason})

    assert (response.finish_reason, response.raw_finish_reason) == (normal, reason)


@pytest.mark.parametrize("status", ["queued", "in_progress", "cancelled", "failed"])
def test_decode_takes_no_unfinished_response_for_an_answer(status: str) -> None:
    with pytest.raises(errors.ServerError):
        read(status=status)


def test_decode_raises_the_error_of_a_failed_response() -> None:
    """Serves R24."""
    with pytest.raises(errors.RateLimitError):
        read(status="failed", error={"code": "rate_limit_exceeded", "message": "m"})


def test_decode_error_knows_the_codes_of_openai() -> None:
    """Serves R24."""
    body = json.dumps({"error": {"code": "insufficient_quota", "message": "m", "type": "insufficient_quota"}}).encode()

    assert type(RESPONSES.decode_error(429, {}, body)) is errors.PermissionDeniedError


@pytest.mark.parametrize(
    "path", [path for path in sorted(WIRE.glob("*.sse")) if not path.stem.startswith("error_")], ids=lambda p: p.stem
)
def test_streamed_and_whole_answers_are_the_same(path: Path) -> None:
    """Serves R28, R30, R85."""
    body = path.read_bytes()
    decoder, collected = RESPONSES.stream_decoder(ENDPOINT), Accumulator()
    collected.add(decoder.feed(body))
    last = [json.loads(line[6:]) for line in body.decode().splitlines() if line.startswith("data: ")][-1]

    whole = RESPONSES.decode({}, json.dumps(last["response"]).encode())

    assert decoder.finish() is None
    assert collected.message() == whole.message
    assert (collected.finish_reason, collected.raw_finish_reason) == (whole.finish_reason, whole.raw_finish_reason)
    assert (collected.usage, collected.citations) == (whole.usage, whole.citations)
    assert (collected.id, collected.model) == (whole.id, whole.model)


@pytest.mark.parametrize(
    ("name", "kind"), [("error_failed", errors.ServerError), ("error_event", errors.RateLimitError)]
)
def test_stream_raises_its_error_and_keeps_what_came(name: str, kind: type[errors.ProviderError]) -> None:
    """Serves R24, R93."""
    reply = ScriptedReply([(WIRE / f"{name}.sse").read_bytes()], headers={"content-type": "text/event-stream"})
    client = ir.Client(
        "openai_responses:gpt-5", api_key="k", retries=0, transport=ScriptedTransport([reply], blocking=True)
    )

    with pytest.raises(kind) as caught, client.stream("Hi") as stream:
        stream.final()

    assert caught.value.partial is not None
    assert caught.value.partial.text.startswith("One")


def test_answer_costs_what_openai_charges() -> None:
    prices = PriceTable.bundled()

    assert prices.find("openai_responses", "gpt-5-mini") == prices.find("openai", "gpt-5-mini") is not None
