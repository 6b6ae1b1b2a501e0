"""Bedrock's codec: what is sent, how it is signed, and what is read back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
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
from tests.core.event_streams import from_lines

BEDROCK = codec("bedrock")
BASE = "https://bedrock-runtime.eu-central-1.amazonaws.com"
MODEL = "anthropic.claude-3-sonnet-20240229-v1:0"
ENDPOINT = Endpoint(MODEL, BASE, "bedrock-api-key-secret")
SIGNED = Endpoint(MODEL, BASE, "AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
WIRE = Path(__file__).parent.parent / "wire" / "bedrock"
STREAM = {"content-type": "application/vnd.amazon.eventstream", "x-amzn-requestid": "req_1"}
WEATHER = Tool("weather", "Weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}})
SCHEMA = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}
HELLO = Request((user("Hello"),))
KEYS = ("AWS_BEARER_TOKEN_BEDROCK", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*KEYS, "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)


def sent(request: Request, endpoint: Endpoint = ENDPOINT, *, stream: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(BEDROCK.encode(request, endpoint, stream=stream).wire.body)
    return body


def read(*content: dict[str, Any], **more: Any) -> Response[Any]:
    body = {"output": {"message": {"role": "assistant", "content": list(content)}}, "stopReason": "end_turn", **more}
    return BEDROCK.decode({"x-amzn-requestid": "req_1"}, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("stream", "action", "accept"),
    [(False, "converse", "application/json"), (True, "converse-stream", "application/vnd.amazon.eventstream")],
)
def test_encode_sends_plain_prompt(stream: bool, action: str, accept: str) -> None:
    encoded = BEDROCK.encode(HELLO, ENDPOINT, stream=stream)

    wire = encoded.ready()
    assert wire.url == f"{BASE}/model/anthropic.claude-3-sonnet-20240229-v1%3A0/{action}"
    assert (wire.headers["accept"], wire.headers["authorization"]) == (accept, "Bearer bedrock-api-key-secret")
    assert json.loads(wire.body) == {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
    assert wire is encoded.wire


def test_encode_signs_with_an_access_key_each_time_it_is_sent() -> None:
    request = Request((user("é"),))
    encoded = BEDROCK.encode(request, SIGNED, stream=True)
    assert encoded.sign is not None

    first = encoded.sign(encoded.wire, datetime(2015, 8, 30, 12, 36, tzinfo=UTC))
    later = encoded.sign(encoded.wire, datetime(2015, 8, 30, 12, 37, tzinfo=UTC))

    assert "authorization" not in encoded.wire.headers
    assert first.headers["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-central-1/bedrock/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        # Made with botocore 1.44.8 of the same request.
        "Signature=a5881caed4f17e22b0abedef40b0b416c6195cfa789b298bf533414316a48f89"
    )
    assert later.headers["x-amz-date"] == "20150830T123700Z"
    assert first.headers["authorization"] != later.headers["authorization"]
    assert (first.url, first.body) == (encoded.wire.url, encoded.wire.body)


def test_encode_signs_for_the_region_of_the_environment_when_the_server_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_REGION", "ap-south-1")
    proxy = replace(SIGNED, base_url="http://127.0.0.1:8080", api_key=f"{SIGNED.api_key}:token")

    headers = BEDROCK.encode(HELLO, proxy, stream=False).ready().headers

    assert "/ap-south-1/bedrock/aws4_request" in headers["authorization"]
    assert headers["x-amz-security-token"] == "token"


def test_target_signs_every_attempt_anew_when_it_retries() -> None:
    """Serves R79."""
    replies = [ScriptedReply([b'{"message":"slow down"}'], status=429), ScriptedReply([json.dumps(
        {"output": {"message": {"content": [{"text": "Hi"}]}}, "stopReason": "end_turn"}).encode()])]  # fmt: skip
    transport = ScriptedTransport(replies, blocking=True)
    target = ir.Target(f"bedrock:{MODEL}", api_key="ID:SECRET:TOKEN", base_url=BASE, retries=1)

    with ir.Client(target, transport=transport) as client:
        response = client.complete("Hello")

    assert response.text == "Hi"
    assert [attempt.status_code for attempt in response.attempts] == [429, 200]
    assert all("Credential=ID/" in wire.headers["authorization"] for wire in transport.wires)
    assert len({id(wire) for wire in transport.wires}) == 2


def test_explain_shows_neither_secret_nor_token() -> None:
    """Serves R189."""
    shown = ir.Target(f"bedrock:{MODEL}", api_key="ID:SECRET:TOKEN", base_url=BASE).explain(HELLO)

    assert "authorization: ***" in shown
    assert "x-amz-security-token: ***" in shown
    assert "SECRET" not in shown
    assert "TOKEN" not in shown


@pytest.mark.parametrize(
    ("environment", "key"),
    [
        pytest.param({}, None, id="nothing"),
        pytest.param(
            {"AWS_BEARER_TOKEN_BEDROCK": "b", "AWS_ACCESS_KEY_ID": "i", "AWS_SECRET_ACCESS_KEY": "s"},
            "b",
            id="bearer-first",
        ),
        pytest.param({"AWS_ACCESS_KEY_ID": "i", "AWS_SECRET_ACCESS_KEY": " s\n"}, "i:s", id="access-key"),
        pytest.param(
            {"AWS_ACCESS_KEY_ID": "i", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}, "i:s:t", id="session"
        ),
        pytest.param({"AWS_ACCESS_KEY_ID": "i"}, None, id="half-a-key"),
    ],
)
def test_target_finds_its_key_in_the_environment(
    environment: dict[str, str], key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    if key is None:
        with pytest.raises(errors.ConfigError, match="AWS_BEARER_TOKEN_BEDROCK"):
            ir.Target("bedrock:m")
    else:
        assert ir.Target("bedrock:m").endpoint.api_key == key


@pytest.mark.parametrize(
    ("base_url", "own"),
    [
        (BASE, True),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", True),
        ("https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com", True),
        ("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", True),
        ("https://bedrock-runtime.us-east-1.amazonaws.com.example.com", False),
        ("https://gateway.example.com/bedrock-runtime.us-east-1.amazonaws.com", False),
        ("http://127.0.0.1:8080", False),
    ],
)
def test_target_sends_the_key_of_the_environment_to_amazon_only(
    base_url: str, own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Serves R189."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "secret")

    assert (ir.Target("bedrock:m", base_url=base_url).endpoint.api_key == "secret") is own


@pytest.mark.parametrize(
    ("environment", "region"),
    [
        ({}, "us-east-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-3"}, "eu-west-3"),
        ({"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "eu-west-3"}, "us-west-2"),
    ],
)
def test_target_asks_the_region_of_the_environment(
    environment: dict[str, str], region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    target = ir.Target("bedrock:m", api_key="k")

    assert target.endpoint.base_url == f"https://bedrock-runtime.{region}.amazonaws.com"


def test_encode_writes_a_whole_conversation() -> None:
    """Serves R8, R22."""
    call, other = ToolCall("tooluse_a", "weather", '{"city":"Bern"}'), ToolCall("tooluse_b", "weather", "")
    request = Request(
        (
            system("Be brief."),
            system(""),
            system("Be kind."),
            user("Weather in Bern and Rome?"),
            Message(
                "assistant",
                (Reasoning("Hm", "sig"), Reasoning(redacted="ZW5j"), Reasoning("unsigned"), Text("Wait."), call, other),
            ),
            Message("tool", (ToolResult("tooluse_a", "sunny"),)),
            tool_result(other, "no such city", is_error=True),
            user("And now?"),
            Message("assistant", (Refusal("No."),)),
        ),
        tools=(WEATHER, Tool("clock", strict=True)),
        tool_choice="weather",
    )

    body = sent(request)

    assert body["system"] == [{"text": "Be brief."}, {"text": "Be kind."}]
    assert body["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "sig"}}},
                {"reasoningContent": {"redactedContent": "ZW5j"}},
                {"text": "Wait."},
                {"toolUse": {"toolUseId": "tooluse_a", "name": "weather", "input": {"city": "Bern"}}},
                {"toolUse": {"toolUseId": "tooluse_b", "name": "weather", "input": {}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "tooluse_a", "content": [{"text": "sunny"}]}},
                {
                    "toolResult": {
                        "toolUseId": "tooluse_b",
                        "content": [{"text": "no such city"}],
                        "status": "error",
                    }
                },
                {"text": "And now?"},
            ],
        },
        {"role": "assistant", "content": [{"text": "No."}]},
    ]
    assert body["toolConfig"] == {
        "tools": [
            {
                "toolSpec": {
                    "name": "weather",
                    "description": "Weather of a city.",
                    "inputSchema": {"json": dict(WEATHER.parameters)},
                }
            },
            {
                "toolSpec": {
                    "name": "clock",
                    "inputSchema": {"json": {"type": "object", "properties": {}}},
                    "strict": True,
                }
            },
        ],
        "toolChoice": {"tool": {"name": "weather"}},
    }


@pytest.mark.parametrize(("choice", "written"), [("auto", {"auto": {}}), ("required", {"any": {}}), (None, None)])
def test_encode_writes_tool_choice(choice: str | None, written: dict[str, Any] | None) -> None:
    assert sent(Request((user("Hi"),), tools=(WEATHER,), tool_choice=choice))["toolConfig"].get("toolChoice") == written


def test_encode_leaves_tools_out_when_none_may_be_called() -> None:
    """Serves R26."""
    call = ToolCall("a", "weather")
    after_calls = Request((user("Hi"), assistant(call), tool_result(call, "x")), tools=(WEATHER,), tool_choice="none")

    assert "toolConfig" not in sent(Request((user("Hi"),), tools=(WEATHER,), tool_choice="none"))
    with pytest.raises(errors.ConfigError, match="tool_choice='none' after tool calls"):
        sent(after_calls)
    assert "toolChoice" not in sent(after_calls, replace(ENDPOINT, unsupported="drop"))["toolConfig"]


def test_encode_writes_media_parts() -> None:
    parts = user(
        Image(b"\x89PNG"),
        Image(url="data:image/webp;base64,AAAA"),
        Image(url="s3://bucket/cat.gif", media_type="image/gif"),
        File(b"%PDF", name="Handbook, 2nd ed.pdf"),
        File(b"%PDF", name="Handbook 2nd ed pdf"),
        File(b"a,b", media_type="text/csv"),
        Audio(b"RIFF"),
    )

    assert sent(Request((parts,)))["messages"][0]["content"] == [
        {"image": {"format": "png", "source": {"bytes": "iVBORw=="}}},
        {"image": {"format": "webp", "source": {"bytes": "AAAA"}}},
        {"image": {"format": "gif", "source": {"s3Location": {"uri": "s3://bucket/cat.gif"}}}},
        {"document": {"format": "pdf", "name": "Handbook 2nd ed pdf", "source": {"bytes": "JVBERg=="}}},
        {"document": {"format": "pdf", "name": "Handbook 2nd ed pdf (2)", "source": {"bytes": "JVBERg=="}}},
        {"document": {"format": "csv", "name": "document", "source": {"bytes": "YSxi"}}},
        {"audio": {"format": "wav", "source": {"bytes": "UklGRg=="}}},
    ]


def test_encode_writes_schema_as_text_and_sampling() -> None:
    sampling = Sampling(temperature=0.5, top_p=0.9, max_tokens=7, stop=("END",))

    body = sent(Request((user("6 x 7?"),), output=OutputSchema(SCHEMA, name="sum"), sampling=sampling))

    structure = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert body["outputConfig"]["textFormat"]["type"] == "json_schema"
    assert (structure["name"], json.loads(structure["schema"])) == ("sum", SCHEMA)
    assert body["inferenceConfig"] == {"temperature": 0.5, "topP": 0.9, "maxTokens": 7, "stopSequences": ["END"]}


def test_encode_merges_provider_options_and_joins_the_sampling() -> None:
    """Serves R20, R22."""
    options = {
        "additionalModelRequestFields": {"top_k": 5, "thinking": {"type": "enabled", "budget_tokens": 2048}},
        "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"},
        "inferenceConfig": {"maxTokens": 9},
    }
    request = Request(
        (user("Hi"),),
        sampling=Sampling(temperature=0.1, max_tokens=7),
        provider_options={"bedrock": options, "openai": {"verbosity": "low"}},
    )

    body = sent(request)

    assert body["additionalModelRequestFields"] == options["additionalModelRequestFields"]
    assert body["guardrailConfig"] == options["guardrailConfig"]
    assert body["inferenceConfig"] == {"temperature": 0.1, "maxTokens": 9}
    assert "verbosity" not in body


def test_encode_places_cache_points_behind_system_prompt_and_last_user_message() -> None:
    """Serves R23."""
    point = {"type": "default", "ttl": "1h"}
    options = {"bedrock": {"cachePoint": point}}
    messages = (system("Be brief."), user("Hi"), assistant("Hello."), user("Why?"))

    body = sent(Request(messages, provider_options=options))
    prefilled = sent(Request((user("Hi"), assistant("Well,")), provider_options=options))

    assert "cachePoint" not in body
    assert body["system"] == [{"text": "Be brief."}, {"cachePoint": point}]
    assert [len(entry["content"]) for entry in body["messages"]] == [1, 1, 2]
    assert body["messages"][-1]["content"] == [{"text": "Why?"}, {"cachePoint": point}]
    assert "system" not in prefilled
    assert [len(entry["content"]) for entry in prefilled["messages"]] == [1, 1]


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (Sampling(temperature=1.5), "a temperature above 1"),
        (Sampling(top_k=3), "top_k"),
        (user("Hi", Image(url="https://example.com/a.png")), "Image by URL or id"),
        (user("Hi", File(file_id="file_1")), "File by URL or id"),
        (user("Hi", Image(b"BM", media_type="image/bmp")), "Image of the type image/bmp"),
        (user("Hi", Image(b"\x89PNG", detail="low")), "the detail of an image"),
        (user("Hi", Audio(b"x", "audio/midi")), "Audio of the type audio/midi"),
    ],
)
def test_encode_refuses_what_it_cannot_send_or_drops_it_with_a_warning(what: Sampling | Message, words: str) -> None:
    """Serves R26."""
    request = Request((what,)) if isinstance(what, Message) else Request((user("Hi"),), sampling=what)

    with pytest.raises(errors.ConfigError, match=words):
        BEDROCK.encode(request, ENDPOINT, stream=False)
    encoded = BEDROCK.encode(request, replace(ENDPOINT, unsupported="drop"), stream=False)

    assert [words in warning for warning in encoded.warnings] == [True]


def test_decode_reads_every_kind_of_block_in_order() -> None:
    """Serves R22, R28, R30."""
    citation = {"title": "Handbook", "location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}}}
    answer = read(
        {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "sig"}}},
        {"reasoningContent": {"redactedContent": "ZW5j"}},
        {"text": "Hi"},
        {"citationsContent": {"content": [{"text": "30 days"}, {"text": "."}], "citations": [citation]}},
        {"toolUse": {"toolUseId": "s", "name": "web", "input": {}, "type": "server_tool_use"}},
        {"toolUse": {"toolUseId": "a", "name": "weather", "input": {"city": "Bern"}}},
        {"newBlock": {}},
        stopReason="tool_use",
        usage={"inputTokens": 4, "outputTokens": 3, "cacheReadInputTokens": 1536, "cacheWriteInputTokens": 40},
    )

    assert answer.message.parts == (
        Reasoning("Hm", "sig"),
        Reasoning(redacted="ZW5j"),
        Text("Hi"),
        Text("30 days."),
        ToolCall("a", "weather", '{"city":"Bern"}'),
    )
    assert [json.loads(text) for text in answer.citations] == [citation]
    assert (answer.finish_reason, answer.raw_finish_reason, answer.request_id) == ("tool_calls", "tool_use", "req_1")
    assert answer.usage == Usage(input_tokens=1580, output_tokens=3, cache_read_tokens=1536, cache_write_tokens=40)


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [
        (403, "UnrecognizedClientException", errors.AuthenticationError),
        (403, "ExpiredTokenException:http://internal.amazon.com/", errors.AuthenticationError),
        (403, "AccessDeniedException", errors.PermissionDeniedError),
        (400, "ServiceQuotaExceededException", errors.PermissionDeniedError),
        (404, "ResourceNotFoundException", errors.NotFoundError),
        (429, "ThrottlingException", errors.RateLimitError),
        (429, "ModelNotReadyException", errors.OverloadedError),
        (408, "ModelTimeoutException", errors.ServerError),
        (424, "ModelErrorException", errors.ServerError),
        (400, "ValidationException", errors.InvalidRequestError),
        (400, "", errors.InvalidRequestError),
    ],
)
def test_error_answers_are_told_apart_by_their_header(status: int, name: str, kind: type[errors.ProviderError]) -> None:
    """Serves R24."""
    error = BEDROCK.decode_error(status, {"x-amzn-errortype": name}, b'{"message":"the secret reason"}')

    assert type(error) is kind
    assert (error.code, error.status_code) == (name.partition(":")[0] or None, status)
    assert error.detail == "the secret reason"
    assert "secret" not in str(error)


def test_error_answer_for_a_prompt_that_is_too_long_says_so() -> None:
    """Serves R24."""
    body = b'{"message":"Input is too long for requested model."}'

    assert type(BEDROCK.decode_error(400, {}, body)) is errors.ContextLengthError


def streamed(name: str, **options: Any) -> ir.Client:
    body = from_lines((WIRE / f"{name}.events").read_text(encoding="utf-8"))
    pieces = [body[at : at + 50] for at in range(0, len(body), 50)]
    transport = ScriptedTransport([ScriptedReply(pieces, headers=STREAM)], blocking=True)
    target = ir.Target("bedrock:us.amazon.nova-lite-v1:0", api_key="k", retries=0, **options)
    return ir.Client(target, transport=transport)


def test_stream_gives_the_message_that_a_whole_answer_would_have() -> None:
    """Serves R22, R28, R30, R85."""
    with streamed("thinking").stream("27 x 453?") as stream:
        response = stream.final()

    whole = read(
        {
            "reasoningContent": {
                "reasoningText": {"text": "27 × 453 = 12,231", "signature": "EqQBCgIYAhIM1gbcDa9GJwZA2b3h"}
            }
        },
        {"reasoningContent": {"redactedContent": "RW13S0FoZ0JFZ3kz"}},
        {"text": "12,231"},
    )
    assert response.message.parts == whole.message.parts
    assert (response.finish_reason, response.request_id) == ("stop", "req_1")


def test_stream_counts_cached_tokens_and_what_they_cost() -> None:
    """Serves R30, R97."""
    with streamed("cache").stream("Again?") as stream:
        usage = stream.final().usage

    assert (usage.input_tokens, usage.cache_read_tokens, usage.output_tokens) == (1580, 1536, 3)
    assert usage.cost_usd is not None


def test_stream_raises_an_exception_inside_it_and_keeps_what_came() -> None:
    """Serves R24, R93."""
    with pytest.raises(errors.RateLimitError) as caught, streamed("error_throttled").stream("Hi") as stream:
        stream.final()

    assert caught.value.partial is not None
    assert (caught.value.partial.text, caught.value.code) == ("Half an", "throttlingException")
    assert "wait before" in (caught.value.detail or "")


def test_stream_with_a_damaged_message_is_broken_and_keeps_what_came() -> None:
    """Serves R88."""
    body = bytearray(from_lines((WIRE / "plain.events").read_text(encoding="utf-8")))
    body[-200] ^= 1
    transport = ScriptedTransport([ScriptedReply([bytes(body)], headers=STREAM)], blocking=True)

    with (
        pytest.raises(errors.StreamError) as caught,
        ir.Client("bedrock:m", api_key="k", retries=0, transport=transport).stream("Hi") as stream,
    ):
        stream.final()

    assert caught.value.partial is not None
    assert caught.value.partial.text.startswith("Rails")


@pytest.mark.parametrize("require_done", [True, False])
def test_stream_without_its_metadata_is_whole_only_when_that_is_waived(require_done: bool) -> None:
    """Serves R88."""
    lines = (WIRE / "plain.events").read_text(encoding="utf-8").splitlines()[:-1]
    reply = ScriptedReply([from_lines("\n".join(lines))], headers=STREAM)
    target = ir.Target("bedrock:m", api_key="k", retries=0, require_done=require_done)
    client = ir.Client(target, transport=ScriptedTransport([reply], blocking=True))

    if require_done:
        with pytest.raises(errors.StreamError), client.stream("Hi") as stream:
            stream.final()
    else:
        with client.stream("Hi") as stream:
            assert stream.final().usage.estimated
