"""Ollama's `/api/chat` and TGI's `/generate`, backwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from inferail.errors import ConfigError
from inferail.providers import reading
from inferail.providers.codec import Incoming
from inferail.providers.facade.fields import Fields
from inferail.types.message import Image, Message, Part, Reasoning, Text, ToolCall, ToolResult, user
from inferail.types.request import OutputSchema, Request, Sampling
from inferail.types.tools import Tool

__all__ = ["read_generate", "read_ollama"]

_ROLES: Final = ("system", "user", "assistant", "tool")
_READ: Final = ("model", "messages", "stream", "tools", "format", "options")
_OPTIONS: Final = (
    "temperature",
    "top_p",
    "top_k",
    "num_predict",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "stop",
)
_PARAMETERS: Final = (
    "details", "temperature", "do_sample", "top_p", "top_k", "max_new_tokens", "stop", "seed", "frequency_penalty", "grammar",
)  # fmt: skip


def read_ollama(body: bytes) -> Incoming:
    """Our request from the body of `POST /api/chat`.

    Raises:
        ConfigError: It is not such a request; the message says which field.
    """
    fields = Fields.parse(body)
    options = fields.object("options") or Fields({}, "options")
    extra = fields.others(_READ)
    if others := options.others(_OPTIONS):
        extra["options"] = others
    form: Any = fields.raw("format")
    schema = {"type": "object"} if form == "json" else reading.mapping(form)
    request = Request(
        messages=tuple(_messages(fields)),
        tools=tuple(_tool(item.required_object("function")) for item in fields.objects("tools")),
        output=OutputSchema(schema) if schema else None,
        sampling=Sampling(
            temperature=options.number("temperature"),
            top_p=options.number("top_p"),
            top_k=options.integer("top_k"),
            max_tokens=options.integer("num_predict"),
            stop=options.strings("stop"),
            seed=options.integer("seed"),
            presence_penalty=options.number("presence_penalty"),
            frequency_penalty=options.number("frequency_penalty"),
        ),
        provider_options={"ollama": extra} if extra else {},
    )
    stream = fields.flag("stream")
    return Incoming(fields.required_text("model"), request, stream is None or stream)


def read_generate(body: bytes, *, model: str, stream: bool) -> Incoming:
    """Our request from the body of `POST /generate` or `/generate_stream`, which names no model.

    Raises:
        ConfigError: It is not such a request; the message says which field.
    """
    fields = Fields.parse(body)
    parameters = fields.object("parameters") or Fields({}, "parameters")
    extra = fields.others(("inputs", "parameters", "stream"))
    if others := parameters.others(_PARAMETERS):
        extra["parameters"] = others
    grammar = parameters.object("grammar")
    schema = grammar.required_object("value").members() if grammar and grammar.text("type") == "json" else None
    temperature = parameters.number("temperature")
    if temperature is None and parameters.flag("do_sample") is False:
        temperature = 0.0
    request = Request(
        messages=(user(fields.required_text("inputs")),),
        output=None if schema is None else OutputSchema(schema),
        sampling=Sampling(
            temperature=temperature,
            top_p=parameters.number("top_p"),
            top_k=parameters.integer("top_k"),
            max_tokens=parameters.integer("max_new_tokens"),
            stop=parameters.strings("stop"),
            seed=parameters.integer("seed"),
            frequency_penalty=parameters.number("frequency_penalty"),
        ),
        provider_options={"tgi": extra} if extra else {},
    )
    return Incoming(model, request, stream)


def _messages(fields: Fields) -> Iterator[Message]:
    waiting: list[ToolCall] = []  # calls have no ids here: results name their tool and follow the order of the calls
    made = 0
    for item in fields.objects("messages"):
        role = item.one_of("role", _ROLES)
        content = item.text("content") or ""
        if role == "tool":
            call = _called(waiting, item)
            yield Message("tool", (ToolResult(call.id, content, call.name),))
            continue
        parts: list[Part] = []
        if thinking := item.text("thinking"):
            parts.append(Reasoning(thinking))
        images = item.strings("images")
        calls = [entry.required_object("function") for entry in item.objects("tool_calls")]
        if content or not (images or calls or parts):
            parts.append(Text(content))
        parts += [_image(image, item) for image in images]
        for function in calls:
            arguments = function.object("arguments")
            written = json.dumps(arguments.members() if arguments else {}, ensure_ascii=False)
            waiting.append(ToolCall(f"call_{made}", function.required_text("name"), written))
            parts.append(waiting[-1])
            made += 1
        yield Message("system" if role == "system" else "user" if role == "user" else "assistant", tuple(parts))


def _called(waiting: list[ToolCall], result: Fields) -> ToolCall:
    name = result.text("tool_name") or ""
    found = next((call for call in waiting if not name or call.name == name), None)
    if found is None:
        raise ConfigError(f"{result.where('tool_name')}: is the result of a tool that no message before it called")
    waiting.remove(found)
    return found


def _image(text: str, fields: Fields) -> Image:
    import base64
    import binascii

    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise fields.wrong("images", "is not base64") from None
    return Image(data, media_type=_kind(data))


def _kind(data: bytes) -> str:
    """The media type by the first bytes: Ollama does not say it, other providers want to know."""
    if data.startswith(b"\xff\xd8"):
        return "image/jpeg"
    if data.startswith(b"GIF8"):
        return "image/gif"
    return "image/webp" if data[8:12] == b"WEBP" else "image/png"


def _tool(function: Fields) -> Tool:
    schema = function.object("parameters")
    parameters: Any = schema.members() if schema else {"type": "object", "properties": {}}
    return Tool(function.required_text("name"), function.text("description") or "", parameters)
