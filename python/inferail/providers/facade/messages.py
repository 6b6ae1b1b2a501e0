"""Anthropic's Messages from the server's side: `POST /v1/messages`.

Format: the Anthropic API reference, chapters Messages and Streaming Messages, as the official Python SDK types it. Fields
we have no noun for (`thinking`, `metadata`, `service_tier`, …) travel as `provider_options["anthropic"]`; `cache_control`
inside blocks is not carried on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from inferail.errors import InferailError, OverloadedError
from inferail.providers.codec import Incoming, Served
from inferail.providers.facade.answers import (
    arguments_object,
    as_json,
    error_headers,
    event,
    identifier,
    served,
    status_of,
    word_for,
)
from inferail.providers.facade.fields import Fields, decoded
from inferail.types.message import File, Image, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from inferail.types.request import OutputSchema, Request, Sampling
from inferail.types.tools import Tool
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.core import Delta
    from inferail.types.response import Response

__all__ = ["MessagesFacade"]

_READ = (
    "model", "messages", "max_tokens", "system", "stream", "tools", "tool_choice", "output_config", "temperature",
    "top_p", "top_k", "stop_sequences",
)  # fmt: skip
_BLOCKS = ("text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking")
_WORDS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "pause": "pause_turn",
}
_OWN_WORDS = frozenset({*_WORDS.values(), "stop_sequence", "model_context_window_exceeded"})
_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class MessagesFacade:
    """Serves the Anthropic Messages format; see `inferail.providers.codec.Facade`."""

    def decode_request(self, path: str, headers: Mapping[str, str], body: bytes) -> Incoming:  # noqa: ARG002
        """Our request from the body of `POST /v1/messages`.

        Raises:
            ConfigError: The body is not such a request; the message says which field.
        """
        fields = Fields.parse(body)
        model = fields.required_text("model")
        if "max_tokens" not in fields:
            raise fields.wrong("max_tokens", "is required, an integer of at least 1")
        choice, extra = _tool_choice(fields)
        output = fields.object("output_config")
        kept = output.others(("format",)) if output else {}
        extra |= fields.others(_READ) | ({"output_config": kept} if kept else {})
        request = Request(
            messages=(*_system(fields), *_messages(fields)),
            tools=tuple(_tool(item) for item in fields.objects("tools")),
            tool_choice=choice,
            output=_output(output),
            sampling=Sampling(
                temperature=fields.number("temperature"),
                top_p=fields.number("top_p"),
                top_k=fields.integer("top_k"),
                max_tokens=fields.integer("max_tokens"),
                stop=fields.strings("stop_sequences"),
            ),
            provider_options={"anthropic": extra} if extra else {},
        )
        return Incoming(model, request, bool(fields.flag("stream")))

    def encode_response(self, response: Response[Any], incoming: Incoming) -> Served:
        """The `message` object.

        Raises:
            ServerError: Arguments of a tool call are not a JSON object.
        """
        content = [_block(part) for part in response.message.parts]
        answer = _message(response.id or identifier("msg_"), response.model or incoming.model)
        answer |= {"content": content, "stop_reason": _stop_reason(response), "usage": _usage(response.usage)}
        return served(answer)

    def encode_error(self, error: InferailError) -> Served:
        """`{"type": "error", "error": {"type", "message"}}` with its status; an overload is 529 here."""
        status = 529 if isinstance(error, OverloadedError) else status_of(error)
        return Served(status, error_headers(error), as_json(_error(error)))

    def stream_encoder(self, incoming: Incoming) -> MessagesEncoder:
        """A fresh encoder for one stream."""
        return MessagesEncoder(incoming)


class MessagesEncoder:
    """Deltas to message events; see `inferail.providers.codec.StreamEncoder`.

    A block of text or thoughts closes when another begins. Blocks of tool calls stay open until their end, because other
    providers interleave the arguments of parallel calls; every event names its block.
    """

    def __init__(self, incoming: Incoming) -> None:
        self._model = incoming.model
        self._id = identifier("msg_")
        self._usage = Usage()
        self._begun = False
        self._count = 0
        self._open: tuple[str, int, int] | None = None  # kind, the block it came in, the number it has here
        self._calls: dict[int, int] = {}

    def feed(self, deltas: list[Delta]) -> bytes:
        """The bytes of the next events; may be empty."""
        written: list[bytes] = []
        for delta in deltas:
            if delta.index != 0:
                continue
            if delta.kind == "start":
                self._id, self._model = delta.id or self._id, delta.name or self._model
            elif delta.kind == "usage":
                self._usage = delta.usage or self._usage
            else:
                written += self._events(delta)
        return b"".join(written)

    def finish(self, response: Response[Any]) -> bytes:
        """Ends of the open blocks, `message_delta` with reason and usage, `message_stop`."""
        change = {"stop_reason": _stop_reason(response), "stop_sequence": None}
        written = [*self._begin(), *self._close(), *(_stop(number) for number in self._calls.values())]
        self._calls.clear()
        written.append(_typed("message_delta", delta=change, usage=_usage(response.usage)))
        return b"".join([*written, _typed("message_stop")])

    def fail(self, error: InferailError) -> bytes:
        """The `error` event."""
        return event(_error(error), "error")

    def _events(self, delta: Delta) -> Iterator[bytes]:
        text, block = delta.text or "", delta.block
        match delta.kind:
            case "text" | "refusal":
                yield from self._piece(("text", block), {"type": "text", "text": ""}, "text_delta", text=text)
            case "citation":
                yield from self._piece(
                    ("text", block),
                    {"type": "text", "text": ""},
                    "citations_delta",
                    citation=json.loads(text or "null"),
                )
            case "reasoning":
                yield from self._piece(("thinking", block), _THINKING, "thinking_delta", thinking=text)
            case "reasoning_signature":
                yield from self._piece(("thinking", block), _THINKING, "signature_delta", signature=text)
            case "reasoning_redacted":
                yield from self._begin()
                yield from self._close()
                yield self._start({"type": "redacted_thinking", "data": text})
                yield _stop(self._count - 1)
            case "tool_start":
                yield from self._begin()
                yield from self._close()
                yield self._start(
                    {"type": "tool_use", "id": delta.id or identifier("toolu_"), "name": delta.name or "", "input": {}}
                )
                self._calls[block] = self._count - 1
            case "tool_args" if block in self._calls:
                change = {"type": "input_json_delta", "partial_json": text}
                yield _typed("content_block_delta", index=self._calls[block], delta=change)
            case "tool_end" if block in self._calls:
                yield _stop(self._calls.pop(block))
            case _:
                pass

    def _piece(
        self, source: tuple[str, int], block: Mapping[str, Any], delta_type: str, **change: Any
    ) -> Iterator[bytes]:
        yield from self._begin()
        if self._open is None or self._open[:2] != source:
            yield from self._close()
            yield self._start(block)
            self._open = (*source, self._count - 1)
        yield _typed("content_block_delta", index=self._open[2], delta={"type": delta_type, **change})

    def _begin(self) -> Iterator[bytes]:
        if not self._begun:
            self._begun = True
            message = _message(self._id, self._model) | {"usage": _usage(self._usage)}
            yield _typed("message_start", message=message)

    def _start(self, block: Mapping[str, Any]) -> bytes:
        self._count += 1
        return _typed("content_block_start", index=self._count - 1, content_block=block)

    def _close(self) -> Iterator[bytes]:
        if self._open is not None:
            yield _stop(self._open[2])
            self._open = None


_THINKING = {"type": "thinking", "thinking": "", "signature": ""}


def _typed(name: str, **members: Any) -> bytes:
    return event({"type": name, **members}, name)


def _stop(number: int) -> bytes:
    return _typed("content_block_stop", index=number)


def _message(message_id: str, model: str) -> dict[str, Any]:
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _block(part: Part) -> dict[str, Any]:
    match part:
        case ToolCall():
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": arguments_object(part)}
        case Reasoning(redacted=str(data)):
            return {"type": "redacted_thinking", "data": data}
        case Reasoning():
            return {"type": "thinking", "thinking": part.text, "signature": part.signature or ""}
        case Text() | Refusal():
            return {"type": "text", "text": part.text, "citations": None}
        case _:
            return {"type": "text", "text": ""}


def _system(fields: Fields) -> Iterator[Message]:
    words = [Text(_only_text(part)) for part in fields.texts_or_parts("system")]
    if words:
        yield Message("system", tuple(words))


def _only_text(fields: Fields) -> str:
    fields.one_of("type", ("text",))
    return fields.text("text") or ""


def _messages(fields: Fields) -> Iterator[Message]:
    if "messages" not in fields:
        raise fields.wrong("messages", "is required, a list of messages")
    names: dict[str, str] = {}
    for item in fields.objects("messages"):
        role = item.one_of("role", ("user", "assistant", "system"))
        parts = [_part(part, names) for part in item.texts_or_parts("content")]
        if not parts:
            raise item.wrong("content", "is required, a string or a list of blocks that is not empty")
        results = tuple(part for part in parts if isinstance(part, ToolResult))
        others = tuple(part for part in parts if not isinstance(part, ToolResult))
        if results:
            yield Message("tool", results)
        if others:
            yield Message("user" if role == "user" else "assistant" if role == "assistant" else "system", others)


def _part(fields: Fields, names: dict[str, str]) -> Part:
    match fields.one_of("type", _BLOCKS):
        case "text":
            return Text(fields.text("text") or "")
        case "thinking":
            return Reasoning(fields.text("thinking") or "", fields.text("signature"))
        case "redacted_thinking":
            return Reasoning(redacted=fields.required_text("data"))
        case "tool_use":
            call_id, name = fields.required_text("id"), fields.required_text("name")
            names[call_id] = name
            arguments = fields.object("input")
            return ToolCall(call_id, name, json.dumps(arguments.members() if arguments else {}, ensure_ascii=False))
        case "tool_result":
            call_id = fields.required_text("tool_use_id")
            words = "".join(_only_text(part) for part in fields.texts_or_parts("content"))
            return ToolResult(call_id, words, names.get(call_id), bool(fields.flag("is_error")))
        case kind:
            return _media(fields, kind)


def _media(fields: Fields, kind: str) -> Part:
    source = fields.required_object("source")
    name = fields.text("title")
    match source.one_of("type", ("base64", "url") if kind == "image" else ("base64", "url", "file", "text")):
        case "base64" if kind == "image":
            return Image(data=decoded(source, "data"), media_type=source.required_text("media_type"))
        case "url" if kind == "image":
            return Image(url=source.required_text("url"))
        case "base64":
            return File(data=decoded(source, "data"), media_type=source.required_text("media_type"), name=name)
        case "url":
            return File(url=source.required_text("url"), name=name)
        case "file":
            return File(file_id=source.required_text("file_id"), name=name)
        case _:
            return File(data=source.required_text("data").encode(), media_type="text/plain", name=name)


def _tool(fields: Fields) -> Tool:
    fields.one_of("type", ("custom",), "custom")
    schema = fields.required_object("input_schema").members()
    return Tool(fields.required_text("name"), fields.text("description") or "", schema, fields.flag("strict"))


def _tool_choice(fields: Fields) -> tuple[str | None, dict[str, Any]]:
    """Our choice, and what has to be passed on as it is."""
    choice = fields.object("tool_choice")
    if choice is None:
        return None, {}
    extra = {"tool_choice": dict(choice.members())} if choice.flag("disable_parallel_tool_use") else {}
    kind = choice.one_of("type", ("auto", "any", "tool", "none"))
    return choice.required_text("name") if kind == "tool" else "required" if kind == "any" else kind, extra


def _output(fields: Fields | None) -> OutputSchema | None:
    wanted = fields.object("format") if fields else None
    if wanted is None:
        return None
    wanted.one_of("type", ("json_schema",))
    return OutputSchema(wanted.required_object("schema").members())


def _stop_reason(response: Response[Any]) -> str:
    return word_for(response, _WORDS, _OWN_WORDS)


def _usage(usage: Usage) -> dict[str, Any]:
    """Anthropic leaves cached tokens out of `input_tokens`; our whole includes them."""
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    return {
        "input_tokens": max(0, usage.input_tokens - cached),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
    }


def _error(error: InferailError) -> dict[str, Any]:
    status = status_of(error)
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    return {"type": "error", "error": {"type": kind, "message": error.message}, "request_id": None}
