"""What each speaker of the Chat Completions format does in its own way: what is sent, and whole answers read back.

Streams of each are in `tests/wire`; `tests/core/test_stream_decoder.py` reads them whole, split and cut.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from inferail import errors
from inferail.providers import codec
from inferail.providers.codec import Endpoint
from inferail.types.message import (
    Audio,
    File,
    Image,
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    assistant,
    user,
)
from inferail.types.request import OutputSchema, Request, Sampling
from inferail.types.response import Response
from inferail.types.tools import Tool
from inferail.types.usage import Usage

WEATHER = Tool("weather", "Weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}})
CALL = ToolCall("call_a", "weather", '{"city":"Bern"}')
SCHEMA = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}
HELLO = Request((user("Hi"),))


def endpoint(scheme: str, base_url: str | None = None, unsupported: Any = "error") -> Endpoint:
    address = base_url or codec(scheme).default_base_url or "http://127.0.0.1:8000/v1"
    return Endpoint("m", address, "key", unsupported=unsupported)


def sent(scheme: str, request: Request, *, stream: bool = False, **how: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(codec(scheme).encode(request, endpoint(scheme, **how), stream=stream).wire.body)
    return body


def read(scheme: str, message: dict[str, Any], usage: dict[str, Any] | None = None, **more: Any) -> Response[Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": more.pop("finish", "stop")}
    body = {"id": "c1", "model": "m-1", "choices": [choice], "usage": usage, **more}
    return codec(scheme).decode({}, json.dumps(body).encode())


def turns(*said: Any, provider: str | None) -> Request:
    """A conversation in which `provider` said something and called a tool."""
    return Request(
        (
            user("Weather in Bern?"),
            Message("assistant", (*said, CALL), provider),
            Message("tool", (ToolResult("call_a", "sunny", "weather"),)),
        ),
        tools=(WEATHER,),
    )


@pytest.mark.parametrize(
    ("scheme", "url"),
    [
        ("mistral", "https://api.mistral.ai/v1/chat/completions"),
        ("deepseek", "https://api.deepseek.com/chat/completions"),
        ("qwen", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1/chat/completions"),
        ("groq", "https://api.groq.com/openai/v1/chat/completions"),
        ("openrouter", "https://openrouter.ai/api/v1/chat/completions"),
        ("vllm", "http://localhost:8000/v1/chat/completions"),
    ],
)
def test_encode_sends_plain_prompt_to_the_providers_own_address(scheme: str, url: str) -> None:
    """Serves R28."""
    wire = codec(scheme).encode(HELLO, endpoint(scheme), stream=False).wire

    assert (wire.url, wire.headers["authorization"]) == (url, "Bearer key")
    assert json.loads(wire.body)["messages"] == [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize("scheme", ["deepseek", "qwen", "groq", "openrouter", "vllm", "compatible"])
def test_encode_asks_for_usage_in_streams(scheme: str) -> None:
    assert sent(scheme, HELLO, stream=True)["stream_options"] == {"include_usage": True}


def test_mistral_gets_no_stream_options() -> None:
    body = sent("mistral", HELLO, stream=True)

    assert body["stream"] is True
    assert "stream_options" not in body


@pytest.mark.parametrize("scheme", ["mistral", "qwen", "groq", "openrouter", "vllm", "compatible"])
def test_encode_writes_output_schema(scheme: str) -> None:
    """Serves R28."""
    written = sent(scheme, Request((user("6 x 7?"),), output=OutputSchema(SCHEMA, "sum")))["response_format"]

    assert written == {"type": "json_schema", "json_schema": {"name": "sum", "schema": SCHEMA, "strict": True}}


def test_deepseek_refuses_output_schema_or_asks_for_any_json() -> None:
    """Serves R26."""
    request = Request((user("6 x 7?"),), output=OutputSchema(SCHEMA))

    with pytest.raises(errors.ConfigError, match="JSON schema"):
        sent("deepseek", request)
    encoded = codec("deepseek").encode(request, endpoint("deepseek", unsupported="drop"), stream=False)

    assert json.loads(encoded.wire.body)["response_format"] == {"type": "json_object"}
    assert "schema" in encoded.warnings[0]


@pytest.mark.parametrize("scheme", ["mistral", "deepseek", "qwen", "groq", "openrouter", "vllm", "compatible"])
def test_encode_writes_tools_and_their_results(scheme: str) -> None:
    """Serves R22, R28."""
    body = sent(scheme, turns(Text("Let me look."), provider=None))

    assert body["tools"][0]["function"]["name"] == "weather"
    call, result = body["messages"][1]["tool_calls"][0], body["messages"][2]
    assert call == {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}
    named = {"name": "weather"} if scheme == "mistral" else {}
    assert result == {"role": "tool", "tool_call_id": "call_a", "content": "sunny", **named}


@pytest.mark.parametrize("scheme", ["mistral", "deepseek", "qwen", "groq", "openrouter", "vllm", "compatible"])
@pytest.mark.parametrize(
    ("choice", "written"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ("weather", {"type": "function", "function": {"name": "weather"}}),
    ],
)
def test_encode_writes_tool_choice(scheme: str, choice: str, written: object) -> None:
    assert sent(scheme, Request((user("Hi"),), tools=(WEATHER,), tool_choice=choice))["tool_choice"] == written


THOUGHTS = (Reasoning("Look ", "sig"), Reasoning("it up."))


@pytest.mark.parametrize(
    ("scheme", "field", "value"),
    [
        ("deepseek", "reasoning_content", "Look it up."),
        ("vllm", "reasoning", "Look it up."),
        (
            "openrouter",
            "reasoning_details",
            [
                {"type": "reasoning.text", "text": "Look ", "signature": "sig"},
                {"type": "reasoning.text", "text": "it up."},
            ],
        ),
        (
            "mistral",
            "content",
            [
                {
                    "type": "thinking",
                    "thinking": [{"type": "text", "text": "Look "}],
                    "closed": True,
                    "signature": "sig",
                },
                {"type": "thinking", "thinking": [{"type": "text", "text": "it up."}], "closed": True},
                {"type": "text", "text": "Wait."},
            ],
        ),
    ],
)
def test_encode_gives_a_provider_its_own_reasoning_back(scheme: str, field: str, value: object) -> None:
    own = sent(scheme, turns(*THOUGHTS, Text("Wait."), provider=scheme))["messages"][1]
    others = sent(scheme, turns(*THOUGHTS, Text("Wait."), provider="gemini"))["messages"][1]

    assert own[field] == value
    assert others.get(field) in ("", None, "Wait.")


@pytest.mark.parametrize("scheme", ["openai", "qwen", "groq", "compatible"])
def test_encode_leaves_out_reasoning_where_a_provider_does_not_want_it_back(scheme: str) -> None:
    message = sent(scheme, turns(*THOUGHTS, Text("Wait."), provider=scheme))["messages"][1]

    assert set(message) == {"role", "content", "tool_calls"}


def test_deepseek_gets_empty_reasoning_with_tool_calls_of_others_and_none_without() -> None:
    """Without the member the API answers 400; without tool calls it ignores it."""
    plain = Request((user("Hi"), Message("assistant", (Reasoning("Hm."), Text("Hello.")), "deepseek"), user("Go on")))

    assert sent("deepseek", turns(Text("Wait."), provider="openai"))["messages"][1]["reasoning_content"] == ""
    assert "reasoning_content" not in sent("deepseek", plain)["messages"][1]


def test_openrouter_gets_encrypted_reasoning_back() -> None:
    details = sent("openrouter", turns(Reasoning(redacted="gAAA"), provider="openrouter"))["messages"][1]

    assert details["reasoning_details"] == [{"type": "reasoning.encrypted", "data": "gAAA"}]


PREFILL = Request((user("Hi"), assistant("Sure, ")))


@pytest.mark.parametrize(
    ("scheme", "mark"),
    [
        ("mistral", {"prefix": True}),
        ("deepseek", {"prefix": True}),
        ("qwen", {"partial": True}),
        ("groq", {}),
        ("openrouter", {}),
        ("vllm", {}),
        ("compatible", {}),
    ],
)
def test_encode_marks_prefill_as_the_provider_wants_it(scheme: str, mark: dict[str, bool]) -> None:
    """Serves R12."""
    assert sent(scheme, PREFILL)["messages"][-1] == {"role": "assistant", "content": "Sure, ", **mark}


def test_vllm_is_told_to_continue_a_prefill() -> None:
    """Serves R12."""
    prefilled, plain = sent("vllm", PREFILL), sent("vllm", HELLO)

    assert (prefilled["add_generation_prompt"], prefilled["continue_final_message"]) == (False, True)
    assert "continue_final_message" not in plain


@pytest.mark.parametrize(
    ("base_url", "request_", "url"),
    [
        (None, PREFILL, "https://api.deepseek.com/beta/chat/completions"),
        ("https://api.deepseek.com/v1", PREFILL, "https://api.deepseek.com/beta/chat/completions"),
        ("https://api.deepseek.com/beta", PREFILL, "https://api.deepseek.com/beta/chat/completions"),
        ("https://api.deepseek.com/beta", HELLO, "https://api.deepseek.com/beta/chat/completions"),
        ("http://127.0.0.1:8000/v1", PREFILL, "http://127.0.0.1:8000/v1/chat/completions"),
        (None, HELLO, "https://api.deepseek.com/chat/completions"),
    ],
)
def test_deepseek_continues_a_prefill_at_its_beta_address(base_url: str | None, request_: Request, url: str) -> None:
    assert codec("deepseek").encode(request_, endpoint("deepseek", base_url), stream=False).wire.url == url


@pytest.mark.parametrize(
    ("scheme", "part", "written"),
    [
        ("mistral", Image(url="https://x/y.png"), {"type": "image_url", "image_url": {"url": "https://x/y.png"}}),
        (
            "mistral",
            File(url="https://x/y.pdf"),
            {"type": "document_url", "document_url": "https://x/y.pdf"},
        ),
        (
            "mistral",
            File(b"%PDF", name="a.pdf"),
            {"type": "document_url", "document_url": "data:application/pdf;base64,JVBERg==", "document_name": "a.pdf"},
        ),
        ("mistral", File(file_id="f1"), {"type": "file", "file_id": "f1"}),
        ("vllm", Audio(b"RIFF"), {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}),
        ("qwen", Image(b"\x89PNG"), {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}),
        ("groq", Image(b"\x89PNG"), {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}),
    ],
)
def test_encode_writes_media(scheme: str, part: Any, written: object) -> None:
    assert sent(scheme, Request((user("Look:", part),)))["messages"][0]["content"][1] == written


@pytest.mark.parametrize(
    ("scheme", "part"),
    [
        ("deepseek", Image(b"x")),
        ("deepseek", Audio(b"x")),
        ("qwen", File(b"x")),
        ("groq", Audio(b"x")),
        ("vllm", File(b"x")),
    ],
)
def test_encode_refuses_media_that_the_provider_does_not_take(scheme: str, part: Any) -> None:
    """Serves R26."""
    with pytest.raises(errors.ConfigError, match=f"{scheme} cannot take {type(part).__name__}"):
        sent(scheme, Request((user("Look:", part),)))


@pytest.mark.parametrize(
    ("scheme", "options"),
    [
        ("mistral", {"safe_prompt": True, "prompt_mode": "reasoning"}),
        ("deepseek", {"thinking": {"type": "disabled"}}),
        ("qwen", {"enable_thinking": False, "thinking_budget": 512, "enable_search": True}),
        ("groq", {"reasoning_format": "parsed", "service_tier": "flex"}),
        (
            "openrouter",
            {
                "models": ["openai/gpt-5-mini", "mistralai/mistral-small"],
                "provider": {"order": ["azure", "openai"], "allow_fallbacks": False, "data_collection": "deny"},
                "reasoning": {"effort": "low"},
            },
        ),
        (
            "vllm",
            {
                "structured_outputs": {"regex": "[0-9]+"},
                "guided_json": {"type": "object"},
                "chat_template_kwargs": {"enable_thinking": False},
                "min_p": 0.1,
            },
        ),
    ],
)
def test_encode_passes_what_only_that_provider_knows(scheme: str, options: dict[str, Any]) -> None:
    """Serves R20, R45, R194."""
    body = sent(scheme, Request((user("Hi"),), provider_options={scheme: options}))

    assert {name: body[name] for name in options} == options


def test_vllm_gives_running_usage_when_it_is_asked_to() -> None:
    """Serves R97."""
    options = {"vllm": {"stream_options": {"continuous_usage_stats": True}}}

    body = sent("vllm", Request((user("Hi"),), provider_options=options), stream=True)

    assert body["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}


def test_openrouter_is_asked_for_the_cost_and_its_word_is_taken() -> None:
    """Serves R45."""
    usage = {"prompt_tokens": 21, "completion_tokens": 12, "cost": 0.000243, "is_byok": False}

    assert sent("openrouter", HELLO)["usage"] == {"include": True}
    assert read("openrouter", {"content": "Hi"}, usage).usage == Usage(21, 12, cost_usd=0.000243)


@pytest.mark.parametrize("cost", [None, "0.1", True, -1, {"total_cost": 1}, [0.1]])
def test_decode_takes_no_cost_that_is_no_amount(cost: object) -> None:
    assert read("openrouter", {"content": "Hi"}, {"prompt_tokens": 1, "cost": cost}).usage == Usage(1)


def test_groq_takes_four_stop_strings() -> None:
    """Serves R26."""
    with pytest.raises(errors.ConfigError, match="stop"):
        sent("groq", Request((user("Hi"),), sampling=Sampling(stop=tuple("abcde"))))


ANSWERS = [
    pytest.param(
        "mistral",
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "6 x 7."}]},
                {"type": "text", "text": "42"},
            ]
        },
        (Reasoning("6 x 7."), Text("42")),
        id="mistral-thinking",
    ),
    pytest.param(
        "mistral",
        {"content": "", "tool_calls": [{"id": "null", "function": {"name": "weather", "arguments": {"city": "Bern"}}}]},
        (ToolCall("call_0", "weather", '{"city":"Bern"}'),),
        id="mistral-tool-object",
    ),
    pytest.param(
        "deepseek",
        {"content": "9.8", "reasoning_content": "Compare."},
        (Reasoning("Compare."), Text("9.8")),
        id="deepseek",
    ),
    pytest.param("qwen", {"content": "42", "reasoning_content": ""}, (Text("42"),), id="qwen"),
    pytest.param("groq", {"content": "42", "reasoning": "Fast."}, (Reasoning("Fast."), Text("42")), id="groq"),
    pytest.param(
        "openrouter",
        {
            "content": "42",
            "reasoning": "Hm.",
            "reasoning_details": [
                {"type": "reasoning.text", "text": "Hm.", "signature": "s"},
                {"type": "reasoning.encrypted", "data": "gAAA"},
            ],
        },
        (Reasoning("Hm.", "s"), Reasoning(redacted="gAAA"), Text("42")),
        id="openrouter",
    ),
    pytest.param(
        "vllm",
        {"content": None, "reasoning": "Hm.", "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "f"}}]},
        (Reasoning("Hm."), ToolCall("t1", "f")),
        id="vllm",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("scheme", "message", "parts"), ANSWERS)
def test_decode_reads_whole_answer(scheme: str, message: dict[str, Any], parts: tuple[Any, ...]) -> None:
    """Serves R22, R28, R30."""
    assert read(scheme, message).message.parts == parts


def test_decode_reads_cache_hits_of_deepseek() -> None:
    """Serves R30, R96."""
    usage = {"prompt_tokens": 20, "completion_tokens": 30, "prompt_cache_hit_tokens": 16, "prompt_cache_miss_tokens": 4}

    assert read("deepseek", {"content": "Hi"}, usage).usage == Usage(20, 30, cache_read_tokens=16)


def test_decode_tolerates_the_blank_lines_that_deepseek_sends_while_it_waits() -> None:
    body = b"\n\n\n" + json.dumps({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}).encode()

    assert codec("deepseek").decode({}, body).text == "Hi"


ERRORS = [
    ("mistral", 422, {"detail": [{"loc": ["body", "model"], "msg": "Field required", "type": "missing"}]},
     errors.InvalidRequestError),
    ("mistral", 401, {"detail": "Unauthorized"}, errors.AuthenticationError),
    ("mistral", 400, {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "code": "1500"},
     errors.InvalidRequestError),
    ("mistral", 429, {"object": "error", "message": "m", "type": "service_tier_capacity_exceeded", "code": "3505"},
     errors.OverloadedError),
    ("mistral", 400, {"message": "Prompt contains 40000 tokens, too large for model with 32768 maximum context length"},
     errors.ContextLengthError),
    ("deepseek", 402, {"error": {"message": "Insufficient Balance", "type": "unknown_error"}},
     errors.PermissionDeniedError),
    ("deepseek", 400, {"error": {"message": "The reasoning_content in the thinking mode must be passed back"}},
     errors.InvalidRequestError),
    ("deepseek", 503, {"error": {"message": "busy"}}, errors.OverloadedError),
    ("qwen", 400, {"error": {"code": "Arrearage", "message": "m"}, "request_id": "r"}, errors.PermissionDeniedError),
    ("qwen", 400, {"error": {"code": "data_inspection_failed"}, "request_id": "r"}, errors.ContentFilteredError),
    ("qwen", 400, {"error": {"message": "Range of input length should be [1, 6000]"}}, errors.ContextLengthError),
    ("qwen", 429, {"error": {"code": "insufficient_quota"}}, errors.RateLimitError),
    ("groq", 498, {"error": {"message": "m", "code": "capacity_exceeded"}}, errors.OverloadedError),
    ("groq", 400, {"error": {"code": "tool_use_failed", "failed_generation": "<f>"}}, errors.InvalidRequestError),
    ("groq", 413, {"error": {"code": "rate_limit_exceeded", "type": "tokens"}}, errors.ContextLengthError),
    ("openrouter", 402, {"error": {"code": 402, "message": "Insufficient credits"}}, errors.PermissionDeniedError),
    ("openrouter", 403, {"error": {"code": 403, "metadata": {"reasons": ["x"], "flagged_input": "y"}}},
     errors.ContentFilteredError),
    ("openrouter", 408, {"error": {"code": 408, "message": "m"}}, errors.ServerError),
    ("openrouter", 503, {"error": {"code": 503, "message": "No provider"}}, errors.OverloadedError),
    ("vllm", 400, {"object": "error", "type": "BadRequestError", "code": 400, "message":
                   "This model's maximum context length is 4096 tokens."}, errors.ContextLengthError),
    ("vllm", 404, {"error": {"message": "m", "type": "NotFoundError", "code": 404}}, errors.NotFoundError),
]  # fmt: skip


@pytest.mark.parametrize(("scheme", "status", "body", "kind"), ERRORS)
def test_decode_error_maps_error_body(
    scheme: str, status: int, body: dict[str, Any], kind: type[errors.ProviderError]
) -> None:
    """Serves R24, R28."""
    error = codec(scheme).decode_error(status, {}, json.dumps(body).encode())

    assert type(error) is kind
    assert (error.provider, error.status_code) == (scheme, status)


@pytest.mark.parametrize(
    ("scheme", "headers", "body", "found"),
    [
        ("openrouter", {"x-generation-id": "gen-1"}, b"{}", "gen-1"),
        ("qwen", {"x-dashscope-request-id": "r-1"}, b"{}", "r-1"),
        ("qwen", {}, b'{"error":{"code":"c"},"request_id":"r-2"}', "r-2"),
        ("qwen", {}, b'{"error":{"code":"c"},"id":"r-3"}', "r-3"),
        ("groq", {"x-request-id": "req_1"}, b"{}", "req_1"),
    ],
)
def test_decode_error_finds_the_request_id(scheme: str, headers: dict[str, str], body: bytes, found: str) -> None:
    """Serves R30."""
    assert codec(scheme).decode_error(500, headers, body).request_id == found


def test_compatible_needs_a_base_url_and_no_key() -> None:
    import inferail as ir

    with pytest.raises(errors.ConfigError, match="base_url"):
        ir.Target("compatible:m")
    assert ir.Target("compatible:m", base_url="http://127.0.0.1:8000/v1").endpoint.api_key is None


def test_vllm_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Serves R194."""
    import inferail as ir

    monkeypatch.delenv("INFERAIL_VLLM_BASE_URL", raising=False)
    target = ir.Target("vllm:Qwen/Qwen3-8B")

    assert (target.model, target.endpoint.base_url) == ("Qwen/Qwen3-8B", "http://localhost:8000/v1")
    assert target.endpoint.api_key is None
