"""Anthropic's Messages format, client side.

Source: the types and constants of Anthropic's official Python library, 2.11, and Anthropic's API reference. Two versions of
the API are alive. In `2026-10-21`, the default here, sampling parameters are refused even at their default value and the key
is a bearer token; `2023-06-01` takes `temperature` (0 to 1), `top_p` and `top_k`, and the key in `x-api-key`.

What this format has no place for: unsigned reasoning, signatures of other providers, and a refusal as such (it is sent as
the text it is). Results of one turn's tool calls go back in one user message, with the user's next words behind them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from inferail.core import StreamDecoder
from inferail.errors import (
    AuthenticationError,
    ConfigError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitError,
)
from inferail.providers import reading
from inferail.providers.codec import Encoded
from inferail.providers.errors import ErrorTable, request_id
from inferail.providers.writing import Notes, add_options, arguments_object, base64_text, data_url_parts, wire
from inferail.types.message import File, Image, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from inferail.types.response import FinishReason, Response
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.core import Delta
    from inferail.errors import ProviderError
    from inferail.providers.codec import Endpoint
    from inferail.types.request import Request, Sampling

__all__ = ["DEFAULT_MAX_TOKENS", "DEFAULT_VERSION", "AnthropicCodec"]

DEFAULT_VERSION = "2026-10-21"
"""The API version that is asked for unless the endpoint names another."""

DEFAULT_MAX_TOKENS = 4096
"""Upper bound of an answer where the request names none: this API demands one. Every current model allows it."""

_KEYS = ("ANTHROPIC_API_KEY",)
_FINISH: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause_turn": "pause",
}
_TOOL_CHOICES = {"auto": "auto", "none": "none", "required": "any"}


class AnthropicCodec:
    """Client side of the Messages format. Stateless: one instance serves every target."""

    provider: ClassVar[str] = "anthropic"
    default_base_url: ClassVar[str] = "https://api.anthropic.com"
    key_variables: ClassVar[tuple[str, ...]] = _KEYS
    api_versions: ClassVar[tuple[str, ...]] = (DEFAULT_VERSION, "2023-06-01")
    errors: ClassVar[ErrorTable] = ErrorTable(
        "anthropic",
        _KEYS,
        codes={
            "authentication_error": AuthenticationError,
            "billing_error": PermissionDeniedError,
            "permission_error": PermissionDeniedError,
            "not_found_error": NotFoundError,
            "rate_limit_error": RateLimitError,
            "overloaded_error": OverloadedError,
        },
        statuses={
            "billing_error": 402,
            "conflict_error": 409,
            "request_too_large": 413,
            "api_error": 500,
            "timeout_error": 504,
            "overloaded_error": 529,
        },
        too_long=("prompt is too long", "exceed context limit"),
    )

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool) -> Encoded:
        """The wire request.

        Raises:
            ConfigError: The request has something this provider cannot take (and `unsupported` is `error`).
        """
        notes = Notes(self.provider, endpoint.unsupported)
        version = endpoint.api_version or DEFAULT_VERSION
        body: dict[str, Any] = {
            "model": endpoint.model,
            "max_tokens": request.sampling.max_tokens or DEFAULT_MAX_TOKENS,
            **_system(request, notes),
            "messages": _messages(request, notes),
            **_tools(request),
            **_sampling(request.sampling, version, notes),
        }
        if request.output is not None:
            body["output_config"] = {"format": {"type": "json_schema", "schema": request.output.schema}}
        if stream:
            body["stream"] = True
        add_options(body, request, notes, merged="output_config", stream=stream)
        headers = {"anthropic-version": version}
        if endpoint.api_key is not None and _is_old(version):
            headers["x-api-key"] = endpoint.api_key
        elif endpoint.api_key is not None:
            headers["authorization"] = f"Bearer {endpoint.api_key}"
        url = f"{endpoint.base_url.rstrip('/').removesuffix('/v1')}/v1/messages"
        return Encoded(wire(url, endpoint, headers, body, stream=stream), tuple(notes.warnings))

    def decode(self, headers: Mapping[str, str], body: bytes) -> Response[Any]:
        """The answer in the body of a 200.

        Raises:
            ProviderError: The body is an error object, empty, or not a message (`ServerError`).
        """
        answer = self.errors.answer(headers, body, ("content",))
        blocks = [reading.mapping(block) for block in reading.entries(answer["content"])]
        parts = [part for block in blocks if (part := _part(block)) is not None]
        explanation = reading.text(reading.mapping(answer.get("stop_details")).get("explanation"))
        if explanation:
            parts.append(Refusal(explanation))
        reason = reading.text_or_none(answer.get("stop_reason"))
        return Response(
            message=Message("assistant", tuple(parts)),
            finish_reason=_FINISH.get(reason or "", "unknown"),
            raw_finish_reason=reason,
            usage=_usage(reading.mapping(answer.get("usage"))),
            provider=self.provider,
            model=reading.text(answer.get("model")),
            id=reading.text_or_none(answer.get("id")),
            citations=tuple(
                reading.json_text(citation)
                for block in blocks
                if block.get("type") == "text"
                for citation in reading.entries(block.get("citations"))
            ),
            request_id=request_id(headers),
            raw=body,
        )

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """The exception that an error answer stands for; never raises itself."""
        return self.errors.from_answer(status, headers, body)

    def decode_stream_error(self, delta: Delta) -> ProviderError:
        """The exception that an in-band `error` delta stands for."""
        return self.errors.from_delta(delta)

    def stream_decoder(self, endpoint: Endpoint) -> StreamDecoder:
        """A fresh decoder for one stream."""
        return StreamDecoder("anthropic", max_event_bytes=endpoint.max_event_bytes)


def _is_old(version: str) -> bool:
    return version < "2026-10-21"  # both are ISO dates


def _system(request: Request, notes: Notes) -> dict[str, Any]:
    blocks: list[dict[str, Any]] = []
    for message in request.messages:
        if message.role != "system":
            continue
        for part in message.parts:
            if not isinstance(part, Text):
                notes.unsupported(f"{type(part).__name__} in a system message", "put it into a user message")
            elif part.text:  # empty text blocks are refused
                blocks.append({"type": "text", "text": part.text})
        if blocks:
            blocks[-1] |= _cache_control(cache=message.cache)
    return {"system": _shortest(blocks)} if blocks else {}


def _cache_control(*, cache: str | bool) -> dict[str, Any]:
    """An explicit breakpoint: the prompt up to the end of this block is cached."""
    if not cache:
        return {}
    return {"cache_control": {"type": "ephemeral"} if cache is True else {"type": "ephemeral", "ttl": cache}}


def _shortest(blocks: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """A single text as plain text."""
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        text: str = blocks[0]["text"]
        return text
    return blocks


def _messages(request: Request, notes: Notes) -> list[dict[str, Any]]:
    written: list[dict[str, Any]] = []
    joins = False  # whether the last message holds tool results, which the API wants together
    for message in request.turns:
        blocks = [block for part in message.parts_for(notes.provider) if (block := _block(part, message.role, notes))]
        if not blocks:
            continue
        blocks[-1] |= _cache_control(cache=message.cache)
        role = "assistant" if message.role == "assistant" else "user"
        if joins and role == "user":
            written[-1]["content"] += blocks
        else:
            written.append({"role": role, "content": blocks})
        joins = message.role == "tool"
    if not written:
        raise ConfigError(f"nothing is left of the messages that {notes.provider} can take")
    for entry in written:
        entry["content"] = _shortest(entry["content"])
    return written


def _block(part: Part, role: str, notes: Notes) -> dict[str, Any] | None:
    match part:
        case Text() | Refusal():
            return {"type": "text", "text": part.text} if part.text else None
        case ToolCall():
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": arguments_object(part, notes)}
        case ToolResult():
            block: dict[str, Any] = {"type": "tool_result", "tool_use_id": part.call_id, "content": part.content}
            return {**block, "is_error": True} if part.is_error else block
        case Reasoning():
            return _thinking(part) if role == "assistant" else None
        case Image() | File() if role == "user":
            return _image(part, notes) if isinstance(part, Image) else _document(part, notes)
        case _:
            notes.unsupported(f"{type(part).__name__} in a message of role {role}", "give the model its text instead")
            return None


def _thinking(part: Reasoning) -> dict[str, Any] | None:
    if part.redacted is not None:
        return {"type": "redacted_thinking", "data": part.redacted}
    if part.signature is not None:
        return {"type": "thinking", "thinking": part.text, "signature": part.signature}
    return None  # another provider's reasoning: this one verifies the signature


def _image(part: Image, notes: Notes) -> dict[str, Any]:
    if part.detail not in (None, "auto"):
        notes.unsupported("the detail of an image", "leave it out, or scale the image")
    if part.data is not None:
        source = {"type": "base64", "media_type": part.media_type, "data": base64_text(part.data)}
    elif (inside := data_url_parts(part.url or "")) is not None:
        source = {"type": "base64", "media_type": inside[0], "data": inside[1]}
    else:
        source = {"type": "url", "url": part.url or ""}
    return {"type": "image", "source": source}


def _document(part: File, notes: Notes) -> dict[str, Any] | None:
    media_type = part.media_type.partition(";")[0].strip().lower()
    source: dict[str, Any]
    if part.file_id is not None:
        source = {"type": "file", "file_id": part.file_id}
    elif part.url is not None:
        source = {"type": "url", "url": part.url}
    elif media_type == "text/plain":
        text = (part.data or b"").decode("utf-8", "replace")
        source = {"type": "text", "media_type": "text/plain", "data": text}
    elif media_type == "application/pdf":
        source = {"type": "base64", "media_type": media_type, "data": base64_text(part.data or b"")}
    else:
        notes.unsupported(f"a file of type {part.media_type[:40]}", "convert it to application/pdf or text/plain")
        return None
    block: dict[str, Any] = {"type": "document", "source": source}
    return {**block, "title": part.name} if part.name else block


def _tools(request: Request) -> dict[str, Any]:
    if not request.tools:
        return {}
    tools: list[dict[str, Any]] = []
    for tool in request.tools:
        written: dict[str, Any] = {"name": tool.name}
        if tool.description:
            written["description"] = tool.description
        written["input_schema"] = {"type": "object", **tool.parameters}
        if tool.strict is not None:
            written["strict"] = tool.strict
        tools.append({**written, **_cache_control(cache=tool.cache)})
    choice = request.tool_choice
    if choice is None:
        return {"tools": tools}
    known = _TOOL_CHOICES.get(choice)
    return {"tools": tools, "tool_choice": {"type": known} if known else {"type": "tool", "name": choice}}


def _sampling(sampling: Sampling, version: str, notes: Notes) -> dict[str, Any]:
    written: dict[str, Any] = {"stop_sequences": list(sampling.stop)} if sampling.stop else {}
    for name in ("temperature", "top_p", "top_k"):
        value = getattr(sampling, name)
        if value is None:
            continue
        if not _is_old(version):
            notes.unsupported(f"{name} in its API version {version}", 'leave it out, or pass api_version="2023-06-01"')
        elif name == "temperature" and value > 1.0:
            notes.unsupported("a temperature above 1", "pass at most 1")
        else:
            written[name] = value
    for name in ("seed", "presence_penalty", "frequency_penalty"):
        if getattr(sampling, name) is not None:
            notes.unsupported(name, "leave it out")
    return written


def _part(block: Mapping[str, Any]) -> Part | None:
    match block.get("type"):
        case "text":
            text = reading.text(block.get("text"))
            return Text(text) if text else None
        case "thinking":
            thinking, signature = reading.text(block.get("thinking")), reading.text_or_none(block.get("signature"))
            return Reasoning(thinking, signature) if thinking or signature else None
        case "redacted_thinking":
            return Reasoning(redacted=reading.text(block.get("data")))
        case "tool_use":
            given = block.get("input")
            arguments = reading.json_text(given) if isinstance(given, dict) else reading.text(given) or "{}"
            return ToolCall(reading.text(block.get("id")), reading.text(block.get("name")), arguments)
        case _:  # calls of tools that the provider runs itself, and kinds of blocks that are yet to come
            return None


def _usage(usage: Mapping[str, Any]) -> Usage:
    written = reading.count(usage.get("cache_creation_input_tokens"))
    read = reading.count(usage.get("cache_read_input_tokens"))
    return Usage(
        input_tokens=reading.count(usage.get("input_tokens")) + written + read,
        output_tokens=reading.count(usage.get("output_tokens")),
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=reading.count(
            reading.mapping(usage.get("cache_creation")).get("ephemeral_1h_input_tokens")
        ),
        service_tier=reading.tier(usage.get("service_tier")),
        reasoning_tokens=reading.count(reading.mapping(usage.get("output_tokens_details")).get("thinking_tokens")),
    )
