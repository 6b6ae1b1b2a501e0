"""What an answer in the Chat Completions format says, read with every spelling that its speakers have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from inferail.providers import reading
from inferail.types.message import Part, Reasoning, Refusal, Text, ToolCall
from inferail.types.response import FinishReason
from inferail.types.usage import Usage

__all__ = ["FINISH_REASONS", "message_parts", "usage_of"]

FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
    "insufficient_system_resource": "error",
}
"""Our word for each `finish_reason` in use."""


_REASONING = ("reasoning_content", "reasoning", "thinking")
_REASONED = frozenset({*_REASONING, "reasoning_details"})


def message_parts(message: Mapping[str, Any]) -> Iterator[Part]:
    """The parts of a message: reasoning, then text, a refusal, and tool calls."""
    # Most messages are a text and nothing else: what they do not have is not looked for piece by piece.
    if not _REASONED.isdisjoint(message):
        yield from _reasoning(message)
    content = message.get("content")
    if isinstance(content, str):
        text, refusal = reading.text(content), ""
    else:
        said = list(_said(content))
        yield from (part for part in said if isinstance(part, Reasoning))
        text = "".join(part.text for part in said if isinstance(part, Text))
        refusal = "".join(part.text for part in said if isinstance(part, Refusal))
    if text:
        yield Text(text)
    refusal = reading.text(message.get("refusal")) + refusal
    if refusal:
        yield Refusal(refusal)
    if message.get("tool_calls") or message.get("function_call"):
        yield from _tool_calls(message)


def _reasoning(message: Mapping[str, Any]) -> Iterator[Part]:
    """Servers disagree about the name, and servers in transition send the same text under two."""
    text = next((words for name in _REASONING if (words := reading.text(message.get(name)))), "")
    details = [reading.mapping(item) for item in reading.entries(message.get("reasoning_details"))]
    text = text or "".join(reading.text(item.get("text")) or reading.text(item.get("summary")) for item in details)
    signature = next((s for item in details if (s := reading.text_or_none(item.get("signature")))), None)
    if text or signature:
        yield Reasoning(text, signature)
    for item in details:
        if redacted := reading.text_or_none(item.get("data")):
            yield Reasoning(redacted=redacted)


def _said(content: Any) -> Iterator[Part]:
    for item in reading.entries(content):
        if isinstance(item, str):
            yield Text(reading.text(item))
            continue
        part = reading.mapping(item)
        thinking = part.get("thinking")  # Mistral: a list of text parts
        words = [reading.text(reading.mapping(entry).get("text")) for entry in reading.entries(thinking)]
        if reasoning := reading.text(thinking) or "".join(words):
            yield Reasoning(reasoning, reading.text_or_none(part.get("signature")))
        if refusal := reading.text(part.get("refusal")):
            yield Refusal(refusal)
        yield Text(reading.text(part.get("text")))


def _tool_calls(message: Mapping[str, Any]) -> Iterator[ToolCall]:
    calls = message.get("tool_calls")
    listed = reading.entries(calls) or ([calls] if isinstance(calls, dict) else [])
    if not listed and isinstance(message.get("function_call"), dict):  # the API before tool_calls
        listed = [{"function": message["function_call"]}]
    made_up = 0
    for item in listed:
        call = reading.mapping(item)
        function = reading.mapping(call.get("function")) or reading.mapping(call.get("custom"))
        if not function:
            continue
        identity = reading.text(call.get("id"))
        if identity in ("", "null"):  # some servers give none: made up as the stream decoder does it
            identity = f"call_{made_up}"
            made_up += 1
        yield ToolCall(identity, reading.text(function.get("name")), _arguments(function))


def _arguments(function: Mapping[str, Any]) -> str:
    value = function.get("arguments", function.get("input"))
    return (reading.json_text(value) if isinstance(value, dict) else reading.text(value)) or "{}"


def usage_of(usage: Mapping[str, Any], tier: Any = None) -> Usage:
    """The tokens of a `usage` object, and what they cost where the provider says it (OpenRouter).

    `tier` is the answer's `service_tier`.
    """
    prompt = reading.mapping(usage.get("prompt_tokens_details"))
    answer = reading.mapping(usage.get("completion_tokens_details"))
    return Usage(
        input_tokens=reading.count(usage.get("prompt_tokens")),
        output_tokens=reading.count(usage.get("completion_tokens")),
        cache_read_tokens=reading.count(prompt.get("cached_tokens", usage.get("prompt_cache_hit_tokens"))),
        cache_write_tokens=reading.count(prompt.get("cache_write_tokens")),
        reasoning_tokens=reading.count(answer.get("reasoning_tokens")),
        input_audio_tokens=reading.count(prompt.get("audio_tokens")),
        output_audio_tokens=reading.count(answer.get("audio_tokens")),
        cost_usd=reading.amount(usage.get("cost")),
        service_tier=reading.tier(tier),
    )
