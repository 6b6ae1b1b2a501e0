"""OpenAI's Chat Completions from the server's side: `POST /v1/chat/completions`.

Format: the OpenAI API reference, chapter Chat, as the official Python SDK types it. Reasoning goes out as
`reasoning_content`, the field DeepSeek introduced and most servers of this shape use. Fields we have no noun for
(`reasoning_effort`, `user`, `service_tier`, …) travel as `provider_options["openai"]`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from inferail.errors import InferailError
from inferail.providers.codec import Incoming, Served
from inferail.providers.facade.answers import (
    as_json,
    error_headers,
    event,
    identifier,
    moment,
    openai_error,
    served,
    status_of,
    word_for,
)
from inferail.providers.facade.fields import Fields, decoded, picture
from inferail.types.message import (
    Audio,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from inferail.types.request import OutputSchema, Request, Sampling
from inferail.types.tools import Tool
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.core import Delta
    from inferail.types.response import Response

__all__ = ["ChatCompletionsFacade"]

_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
_READ = (
    "model", "messages", "stream", "stream_options", "tools", "tool_choice", "response_format", "temperature", "top_p",
    "top_k", "max_tokens", "max_completion_tokens", "stop", "seed", "presence_penalty", "frequency_penalty", "n",
    "logprobs", "top_logprobs",
)  # fmt: skip
_WORDS = {"pause": "length"}  # the answer is not whole: the nearest this format can say
_OWN_WORDS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})


class ChatCompletionsFacade:
    """Serves the OpenAI Chat Completions format; see `inferail.providers.codec.Facade`."""

    def decode_request(self, path: str, headers: Mapping[str, str], body: bytes) -> Incoming:  # noqa: ARG002
        """Our request from the body of `POST /chat/completions`.

        Raises:
            ConfigError: The body is not such a request; the message says which field.
        """
        fields = Fields.parse(body)
        model = fields.required_text("model")
        if (fields.integer("n") or 1) != 1:
            raise fields.wrong("n", "one answer per request is served, ask again for another")
        if fields.flag("logprobs"):
            raise fields.wrong("logprobs", "is not served")
        extra = fields.others(_READ)
        request = Request(
            messages=_messages(fields),
            tools=tuple(_tool(item) for item in fields.objects("tools")),
            tool_choice=_tool_choice(fields),
            output=_output(fields),
            sampling=_sampling(fields),
            provider_options={"openai": extra} if extra else {},
        )
        options = fields.object("stream_options")
        include_usage = bool(options.flag("include_usage")) if options else False
        return Incoming(model, request, bool(fields.flag("stream")), include_usage)

    def encode_response(self, response: Response[Any], incoming: Incoming) -> Served:
        """The `chat.completion` object."""
        calls = [_call(call) for call in response.tool_calls]
        message: dict[str, Any] = {
            "role": "assistant",
            "content": response.text if response.text or not (calls or response.refusal) else None,
            "refusal": response.refusal,
        }
        if response.reasoning:
            message["reasoning_content"] = response.reasoning
        if response.citations:
            message["annotations"] = [json.loads(citation) for citation in response.citations]
        if calls:
            message["tool_calls"] = calls
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(response)}
        return served(
            {
                "id": response.id or identifier("chatcmpl-"),
                "object": "chat.completion",
                "created": moment(),
                "model": response.model or incoming.model,
                "choices": [choice],
                "usage": _usage(response.usage),
            }
        )

    def encode_error(self, error: InferailError) -> Served:
        """`{"error": {"message", "type", "param", "code"}}` with its status."""
        return Served(status_of(error), error_headers(error), as_json({"error": openai_error(error)}))

    def stream_encoder(self, incoming: Incoming) -> ChatCompletionsEncoder:
        """A fresh encoder for one stream."""
        return ChatCompletionsEncoder(incoming)


class ChatCompletionsEncoder:
    """Deltas to `chat.completion.chunk` events; see `inferail.providers.codec.StreamEncoder`."""

    def __init__(self, incoming: Incoming) -> None:
        self._include_usage = incoming.include_usage
        self._model = incoming.model
        self._id = identifier("chatcmpl-")
        self._created = moment()
        self._numbers: dict[int, int] = {}  # of the tool calls, by the block they came in
        self._begun = False

    def feed(self, deltas: list[Delta]) -> bytes:
        """The bytes of the next chunks; may be empty."""
        written: list[bytes] = []
        for delta in deltas:
            if delta.index != 0:
                continue
            if delta.kind == "start":
                self._id, self._model = delta.id or self._id, delta.name or self._model
            elif (content := self._content(delta)) is not None:
                written += [self._begin(), self._chunk(content)]
        return b"".join(written)

    def finish(self, response: Response[Any]) -> bytes:
        """The chunk with the finish reason, the chunk with the usage if it was asked for, and `[DONE]`."""
        written = [self._begin(), self._chunk({}, _finish(response))]
        if self._include_usage:
            written.append(event({**self._envelope(), "choices": [], "usage": _usage(response.usage)}))
        return b"".join([*written, b"data: [DONE]\n\n"])

    def fail(self, error: InferailError) -> bytes:
        """An event with an `error` member, which the SDKs raise."""
        return event({"error": openai_error(error)})

    def _begin(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def _content(self, delta: Delta) -> dict[str, Any] | None:
        match delta.kind:
            case "text":
                return {"content": delta.text or ""}
            case "reasoning":
                return {"reasoning_content": delta.text or ""}
            case "refusal":
                return {"refusal": delta.text or ""}
            case "citation":
                return {"annotations": [json.loads(delta.text or "null")]}
            case "tool_start":
                number = self._numbers.setdefault(delta.block, len(self._numbers))
                function = {"name": delta.name or "", "arguments": ""}
                call_id = delta.id or identifier("call_")
                return {"tool_calls": [{"index": number, "id": call_id, "type": "function", "function": function}]}
            case "tool_args" if delta.block in self._numbers:
                function = {"arguments": delta.text or ""}
                return {"tool_calls": [{"index": self._numbers[delta.block], "function": function}]}
            case _:
                return None

    def _chunk(self, delta: Mapping[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        usage = {"usage": None} if self._include_usage else {}
        return event({**self._envelope(), "choices": [choice], **usage})

    def _envelope(self) -> dict[str, Any]:
        return {"id": self._id, "object": "chat.completion.chunk", "created": self._created, "model": self._model}


def _messages(fields: Fields) -> tuple[Message, ...]:
    if "messages" not in fields:
        raise fields.wrong("messages", "is required, a list of messages")
    names: dict[str, str] = {}
    return tuple(_message(item, names) for item in fields.objects("messages"))


def _message(fields: Fields, names: dict[str, str]) -> Message:
    role = _ROLES[fields.one_of("role", _ROLES)]
    if role == "tool":
        call_id = fields.required_text("tool_call_id")
        words = "".join(_text(part) for part in fields.texts_or_parts("content"))
        return Message("tool", (ToolResult(call_id, words, names.get(call_id)),))
    parts: list[Part] = []
    if role == "assistant":
        thoughts = fields.text("reasoning_content") or fields.text("reasoning")
        parts += [Reasoning(thoughts)] if thoughts else []
    parts += [_part(part) for part in fields.texts_or_parts("content")]
    if role == "assistant":
        refusal = fields.text("refusal")
        parts += [Refusal(refusal)] if refusal else []
        for item in fields.objects("tool_calls"):
            item.one_of("type", ("function",), "function")
            function = item.required_object("function")
            call_id, name = item.required_text("id"), function.required_text("name")
            names[call_id] = name
            parts.append(ToolCall(call_id, name, function.text("arguments") or ""))
    if len(parts) > 1:  # SDKs write an empty content beside tool calls
        parts = [part for part in parts if part != Text("")]
    return Message(role, tuple(parts))


def _text(part: Fields) -> str:
    part.one_of("type", ("text",))
    return part.text("text") or ""


def _part(fields: Fields) -> Part:
    match fields.one_of("type", ("text", "refusal", "image_url", "input_audio", "file")):
        case "text":
            return Text(fields.text("text") or "")
        case "refusal":
            return Refusal(fields.text("refusal") or "")
        case "image_url":
            image = fields.required_object("image_url")
            source, detail = picture(image, "url"), image.text("detail")
            if isinstance(source, str):
                return Image(url=source, detail=detail)
            return Image(data=source[1], media_type=source[0], detail=detail)
        case "input_audio":
            audio = fields.required_object("input_audio")
            return Audio(decoded(audio, "data"), f"audio/{audio.one_of('format', ('wav', 'mp3'))}")
        case _:
            return _file(fields.required_object("file"))


def _file(fields: Fields) -> File:
    name = fields.text("filename")
    if "file_id" in fields:
        return File(file_id=fields.required_text("file_id"), name=name)
    source = picture(fields, "file_data")
    if isinstance(source, str):
        raise fields.wrong("file_data", "must be a data URL: data:application/pdf;base64,…")
    return File(data=source[1], media_type=source[0], name=name)


def _tool(fields: Fields) -> Tool:
    fields.one_of("type", ("function",))
    function = fields.required_object("function")
    schema = function.object("parameters")
    parameters: Mapping[str, Any] = schema.members() if schema else {"type": "object", "properties": {}}
    return Tool(function.required_text("name"), function.text("description") or "", parameters, function.flag("strict"))


def _tool_choice(fields: Fields) -> str | None:
    choice = fields.raw("tool_choice")
    if choice is None or isinstance(choice, str):
        return None if choice is None else fields.one_of("tool_choice", ("none", "auto", "required"))
    chosen = fields.required_object("tool_choice")
    chosen.one_of("type", ("function",))
    return chosen.required_object("function").required_text("name")


def _output(fields: Fields) -> OutputSchema | None:
    wanted = fields.object("response_format")
    if wanted is None:
        return None
    match wanted.one_of("type", ("text", "json_object", "json_schema")):
        case "text":
            return None
        case "json_object":
            return OutputSchema({"type": "object"}, strict=False)
        case _:
            schema = wanted.required_object("json_schema")
            strict = schema.flag("strict")
            return OutputSchema(
                schema.required_object("schema").members(), schema.text("name") or "output", strict=bool(strict)
            )


def _sampling(fields: Fields) -> Sampling:
    limit = fields.integer("max_completion_tokens")
    return Sampling(
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        top_k=fields.integer("top_k"),
        max_tokens=fields.integer("max_tokens") if limit is None else limit,
        stop=fields.strings("stop"),
        seed=fields.integer("seed"),
        presence_penalty=fields.number("presence_penalty"),
        frequency_penalty=fields.number("frequency_penalty"),
    )


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}


def _finish(response: Response[Any]) -> str:
    return word_for(response, _WORDS, _OWN_WORDS)


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "audio_tokens": usage.input_audio_tokens,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": usage.output_audio_tokens,
        },
    }
