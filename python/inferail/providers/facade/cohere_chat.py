"""Cohere's chat API, version 2, from the server's side: `POST /v2/chat`.

Format: the reference of `/v2/chat`, as the official Python SDK types it. Fields we have no noun for (`documents`,
`citation_options`, `safety_mode`, `thinking`, …) travel as `provider_options["cohere"]`. Reasoning is always answered as
`thinking`: a stream cannot know yet whether tool calls will follow, which would make a plan of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from inferail.errors import InferailError
from inferail.providers.codec import Incoming, Served
from inferail.providers.facade.answers import as_json, error_headers, event, identifier, served, status_of, word_for
from inferail.providers.facade.fields import Fields, picture
from inferail.types.message import Image, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from inferail.types.request import OutputSchema, Request, Sampling
from inferail.types.tools import Tool
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.core import Delta
    from inferail.types.response import Response

__all__ = ["CohereChatFacade"]

_READ = (
    "model", "messages", "stream", "tools", "tool_choice", "strict_tools", "response_format", "temperature", "p", "k",
    "max_tokens", "stop_sequences", "seed", "presence_penalty", "frequency_penalty",
)  # fmt: skip
_WORDS = {
    "stop": "COMPLETE",
    "length": "MAX_TOKENS",
    "tool_calls": "TOOL_CALL",
    "content_filter": "ERROR_TOXIC",
    "error": "ERROR",
}
_OWN_WORDS = frozenset({*_WORDS.values(), "STOP_SEQUENCE", "TIMEOUT"})
_CHOICES = {"REQUIRED": "required", "NONE": "none"}


class CohereChatFacade:
    """Serves Cohere's chat format; see `inferail.providers.codec.Facade`."""

    def decode_request(self, path: str, headers: Mapping[str, str], body: bytes) -> Incoming:  # noqa: ARG002
        """Our request from the body of `POST /v2/chat`.

        Raises:
            ConfigError: The body is not such a request; the message says which field.
        """
        fields = Fields.parse(body)
        model = fields.required_text("model")
        output, extra = _output(fields)
        extra |= fields.others(_READ)
        strict = True if fields.flag("strict_tools") else None
        choice = fields.one_of("tool_choice", _CHOICES) if "tool_choice" in fields else None
        request = Request(
            messages=tuple(_messages(fields)),
            tools=tuple(_tool(item, strict) for item in fields.objects("tools")),
            tool_choice=None if choice is None else _CHOICES[choice],
            output=output,
            sampling=Sampling(
                temperature=fields.number("temperature"),
                top_p=fields.number("p"),
                top_k=fields.integer("k") or None,  # 0 is how this format says that there is no limit
                max_tokens=fields.integer("max_tokens"),
                stop=fields.strings("stop_sequences"),
                seed=fields.integer("seed"),
                presence_penalty=fields.number("presence_penalty"),
                frequency_penalty=fields.number("frequency_penalty"),
            ),
            provider_options={"cohere": extra} if extra else {},
        )
        return Incoming(model, request, bool(fields.flag("stream")))

    def encode_response(self, response: Response[Any], incoming: Incoming) -> Served:  # noqa: ARG002
        """The whole answer."""
        message: dict[str, Any] = {"role": "assistant"}
        if content := [block for part in response.message.parts if (block := _block(part)) is not None]:
            message["content"] = content
        if calls := response.message.tool_calls:
            message["tool_calls"] = [_call(call.id, call.name, call.arguments) for call in calls]
        if response.citations:
            message["citations"] = [json.loads(citation) for citation in response.citations]
        answer = {"id": response.id or identifier(""), "message": message, **_end(response)}
        return served(answer)

    def encode_error(self, error: InferailError) -> Served:
        """`{"id", "message"}` with its status."""
        body = as_json({"id": identifier(""), "message": error.message})
        return Served(status_of(error), error_headers(error), body)

    def stream_encoder(self, incoming: Incoming) -> CohereChatEncoder:  # noqa: ARG002
        """A fresh encoder for one stream."""
        return CohereChatEncoder()


class CohereChatEncoder:
    """Deltas to chat events; see `inferail.providers.codec.StreamEncoder`.

    Content and tool calls are numbered apart; calls may be interleaved, because every event names its call.
    """

    def __init__(self) -> None:
        self._id = identifier("")
        self._begun = False
        self._blocks = 0
        self._open: tuple[str, int] | None = None  # kind of the content that is open, and the block it came in
        self._calls: dict[int, int] = {}
        self._num_calls = 0
        self._citations = 0

    def feed(self, deltas: list[Delta]) -> bytes:
        """The bytes of the next events; may be empty."""
        written: list[bytes] = []
        for delta in deltas:
            if delta.index != 0:
                continue
            if delta.kind == "start":
                self._id = delta.id or self._id
            else:
                written += self._events(delta)
        return b"".join(written)

    def finish(self, response: Response[Any]) -> bytes:
        """Ends of what is open, and `message-end` with reason and usage."""
        written = [
            *self._begin(),
            *self._close(),
            *(_typed("tool-call-end", number) for number in self._calls.values()),
        ]
        self._calls.clear()
        return b"".join([*written, _typed("message-end", delta=_end(response))])

    def fail(self, error: InferailError) -> bytes:
        """`message-end` with the error."""
        return _typed("message-end", delta={"finish_reason": "ERROR", "error": error.message})

    def _events(self, delta: Delta) -> Iterator[bytes]:
        text, block = delta.text or "", delta.block
        match delta.kind:
            case "text" | "refusal":
                yield from self._piece("text", block, text)
            case "reasoning":
                yield from self._piece("thinking", block, text)
            case "tool_start":
                yield from self._begin()
                yield from self._close()
                self._calls[block] = self._num_calls
                self._num_calls += 1
                call = _call(delta.id or identifier("call_"), delta.name or "", "")
                yield _typed("tool-call-start", self._calls[block], delta={"message": {"tool_calls": call}})
            case "tool_args" if block in self._calls:
                calls = {"function": {"arguments": text}}
                yield _typed("tool-call-delta", self._calls[block], delta={"message": {"tool_calls": calls}})
            case "tool_end" if block in self._calls:
                yield _typed("tool-call-end", self._calls.pop(block))
            case "citation":
                yield from self._begin()
                cited = {"message": {"citations": json.loads(text or "null")}}
                yield _typed("citation-start", self._citations, delta=cited)
                yield _typed("citation-end", self._citations)
                self._citations += 1
            case _:
                pass

    def _piece(self, kind: str, block: int, text: str) -> Iterator[bytes]:
        yield from self._begin()
        if self._open != (kind, block):
            yield from self._close()
            self._open = (kind, block)
            yield _typed("content-start", self._blocks, delta={"message": {"content": {"type": kind, kind: ""}}})
        yield _typed("content-delta", self._blocks, delta={"message": {"content": {kind: text}}})

    def _begin(self) -> Iterator[bytes]:
        if not self._begun:
            self._begun = True
            empty: dict[str, Any] = {
                "role": "assistant",
                "content": [],
                "tool_plan": "",
                "tool_calls": [],
                "citations": [],
            }
            yield _typed("message-start", id=self._id, delta={"message": empty})

    def _close(self) -> Iterator[bytes]:
        if self._open is not None:
            self._open = None
            yield _typed("content-end", self._blocks)
            self._blocks += 1


def _typed(name: str, index: int | None = None, **members: Any) -> bytes:
    place = {} if index is None else {"index": index}
    return event({"type": name, **place, **members}, name)


def _call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _block(part: Part) -> dict[str, Any] | None:
    match part:
        case Text() | Refusal():
            return {"type": "text", "text": part.text}
        case Reasoning() if part.text:
            return {"type": "thinking", "thinking": part.text}
        case _:
            return None


def _end(response: Response[Any]) -> dict[str, Any]:
    return {"finish_reason": word_for(response, _WORDS, _OWN_WORDS), "usage": _usage(response.usage)}


def _usage(usage: Usage) -> dict[str, Any]:
    tokens = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    return {"billed_units": tokens, "tokens": tokens, "cached_tokens": usage.cache_read_tokens}


def _messages(fields: Fields) -> Iterator[Message]:
    if "messages" not in fields:
        raise fields.wrong("messages", "is required, a list of messages")
    names: dict[str, str] = {}
    for item in fields.objects("messages"):
        role = item.one_of("role", ("user", "assistant", "system", "tool"))
        if role == "tool":
            call_id = item.required_text("tool_call_id")
            words = "".join(_result_text(part) for part in item.texts_or_parts("content"))
            yield Message("tool", (ToolResult(call_id, words, names.get(call_id)),))
            continue
        parts = [_part(part, role) for part in item.texts_or_parts("content")]
        if role == "assistant":
            plan = item.text("tool_plan")
            parts = [*([Reasoning(plan)] if plan else []), *parts, *_calls(item, names)]
        if not parts:
            raise item.wrong("content", "is required, a string or a list of parts that is not empty")
        yield Message("user" if role == "user" else "assistant" if role == "assistant" else "system", tuple(parts))


def _part(fields: Fields, role: str) -> Part:
    known = {"user": ("text", "image_url"), "assistant": ("text", "thinking"), "system": ("text",)}[role]
    match fields.one_of("type", known):
        case "text":
            return Text(fields.text("text") or "")
        case "thinking":
            return Reasoning(fields.text("thinking") or "")
        case _:
            source = fields.required_object("image_url")
            found, detail = picture(source, "url"), source.text("detail")
            if isinstance(found, str):
                return Image(url=found, detail=detail)
            return Image(data=found[1], media_type=found[0], detail=detail)


def _result_text(fields: Fields) -> str:
    if fields.one_of("type", ("text", "document")) == "text":
        return fields.text("text") or ""
    return json.dumps(fields.required_object("document").raw("data"), ensure_ascii=False)


def _calls(fields: Fields, names: dict[str, str]) -> Iterator[ToolCall]:
    for item in fields.objects("tool_calls"):
        call_id, function = item.required_text("id"), item.required_object("function")
        names[call_id] = function.required_text("name")
        yield ToolCall(call_id, names[call_id], function.text("arguments") or "{}")


def _tool(fields: Fields, strict: bool | None) -> Tool:  # noqa: FBT001
    fields.one_of("type", ("function",), "function")
    function = fields.required_object("function")
    parameters = function.object("parameters")
    schema: Mapping[str, Any] = {"type": "object", "properties": {}} if parameters is None else parameters.members()
    return Tool(function.required_text("name"), function.text("description") or "", schema, strict)


def _output(fields: Fields) -> tuple[OutputSchema | None, dict[str, Any]]:
    """The schema of the answer, and what has to be passed on as it is: JSON without a schema."""
    wanted = fields.object("response_format")
    if wanted is None or wanted.one_of("type", ("text", "json_object")) == "text":
        return None, {}
    schema = wanted.object("json_schema")
    if schema is None:
        return None, {"response_format": dict(wanted.members())}
    return OutputSchema(schema.members()), {}
