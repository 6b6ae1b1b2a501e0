"""What is worth caching is marked for the providers that want to be told, and nobody else is bothered with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inferail.providers import codec
from inferail.providers.codec import Endpoint
from inferail.types.message import Image, Message, Text, ToolCall, ToolResult, system, user
from inferail.types.request import Request
from inferail.types.tools import Tool
from tests.providers.bodies import SCHEMES

EPHEMERAL = {"type": "ephemeral"}
TOOLS = (Tool("weather"), Tool("clock", cache="1h"))
CALL = ToolCall("call_a", "weather")
CACHED = Request(
    (
        system("Persona."),
        system("The whole handbook.", cache="1h"),
        user("Look:", Image(url="https://example.com/a.png"), cache=True),
        Message("assistant", (Text("Wait."), CALL)),
        Message("tool", (ToolResult("call_a", "sunny"),), cache="5m"),
        user("And now?"),
    ),
    tools=TOOLS,
)
PLAIN = Request(
    (
        system("Persona."),
        system("The whole handbook."),
        user("Look:", Image(url="https://example.com/a.png")),
        Message("assistant", (Text("Wait."), CALL)),
        Message("tool", (ToolResult("call_a", "sunny"),)),
        user("And now?"),
    ),
    tools=(Tool("weather"), Tool("clock")),
)


def sent(scheme: str, request: Request, base_url: str | None = None) -> dict[str, Any]:
    address = base_url or codec(scheme).default_base_url or "http://127.0.0.1:8000/v1"
    endpoint = Endpoint("m", address, "key", unsupported="drop")
    body: dict[str, Any] = json.loads(codec(scheme).encode(request, endpoint, stream=False).wire.body)
    return body


def test_anthropic_gets_breakpoints_on_tools_system_and_messages() -> None:
    """Serves R23."""
    body = sent("anthropic", CACHED)

    hour = {**EPHEMERAL, "ttl": "1h"}
    assert [tool.get("cache_control") for tool in body["tools"]] == [None, hour]
    assert body["system"] == [
        {"type": "text", "text": "Persona."},
        {"type": "text", "text": "The whole handbook.", "cache_control": hour},
    ]
    asked, _, answered = body["messages"]
    assert [block.get("cache_control") for block in asked["content"]] == [None, EPHEMERAL]
    # The result of the tool and the next words share one message; the breakpoint stays behind the result.
    assert [block.get("cache_control") for block in answered["content"]] == [{**EPHEMERAL, "ttl": "5m"}, None]


def test_anthropic_gets_breakpoint_on_a_single_text() -> None:
    """Serves R23."""
    body = sent("anthropic", Request((system("Handbook.", cache=True), user("Hi", cache=True))))

    block = {"type": "text", "text": "Handbook.", "cache_control": EPHEMERAL}
    assert body["system"] == [block]
    assert body["messages"] == [{"role": "user", "content": [{**block, "text": "Hi"}]}]


def test_openai_gets_breakpoints_at_its_own_address_only() -> None:
    """Serves R23."""
    official, elsewhere = sent("openai", CACHED), sent("openai", CACHED, "http://127.0.0.1:8000/v1")

    assert official["messages"][1]["content"] == [
        {
            "type": "text",
            "text": "The whole handbook.",
            "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "1h"},
        }
    ]
    assert official["messages"][2]["content"][-1]["prompt_cache_breakpoint"] == {"mode": "explicit"}
    assert elsewhere == sent("openai", PLAIN, "http://127.0.0.1:8000/v1")


def test_openrouter_gets_the_breakpoints_of_anthropic() -> None:
    """Serves R23."""
    messages = sent("openrouter", CACHED)["messages"]

    assert messages[1]["content"][0]["cache_control"] == {**EPHEMERAL, "ttl": "1h"}
    assert messages[2]["content"][-1]["cache_control"] == EPHEMERAL


@pytest.mark.parametrize("scheme", [name for name in SCHEMES if name not in ("anthropic", "openai", "openrouter")])
def test_provider_that_caches_by_itself_is_sent_the_same_body(scheme: str) -> None:
    assert sent(scheme, CACHED) == sent(scheme, PLAIN)


@pytest.mark.parametrize(
    ("scheme", "options"),
    [
        ("openai", {"prompt_cache_key": "tenant-7", "prompt_cache_options": {"mode": "implicit", "ttl": "30m"}}),
        ("mistral", {"prompt_cache_key": "tenant-7"}),
        ("gemini", {"cachedContent": "cachedContents/abc"}),
        ("vllm", {"cache_salt": "tenant-7"}),
        ("anthropic", {"cache_control": EPHEMERAL}),
        ("openrouter", {"cache_control": EPHEMERAL}),
    ],
)
def test_other_ways_to_cache_are_passed_on(scheme: str, options: dict[str, Any]) -> None:
    """Serves R20, R23."""
    body = sent(scheme, Request((user("Hi"),), provider_options={scheme: options}))

    assert {name: body[name] for name in options} == options
