"""Amazon Bedrock's Converse, backwards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from inferail.errors import ConfigError
from inferail.providers.codec import Incoming
from inferail.providers.facade.fields import Fields, decoded
from inferail.types.message import Audio, File, Image, Message, Part, Reasoning, Text, ToolCall, ToolResult
from inferail.types.request import OutputSchema, Request, Sampling
from inferail.types.tools import Tool

__all__ = ["read_converse"]

_READ: Final = ("messages", "system", "inferenceConfig", "toolConfig", "outputConfig")
_INFERENCE: Final = ("maxTokens", "temperature", "topP", "stopSequences")
_DOCUMENTS: Final[Mapping[str, str]] = {
    "csv": "text/csv",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "html": "text/html",
    "md": "text/markdown",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def read_converse(url: str, body: bytes) -> Incoming:
    """Our request from the address and the body of `POST /model/{model}/converse` or `converse-stream`.

    Raises:
        ConfigError: It is not such a request; the message says which field.
    """
    *_, model, action = urlsplit(url).path.split("/")
    fields = Fields.parse(body)
    inference = fields.object("inferenceConfig") or Fields({}, "inferenceConfig")
    extra = fields.others(_READ)
    if others := inference.others(_INFERENCE):
        extra["inferenceConfig"] = others
    system = [block.required_text("text") for block in fields.objects("system") if "text" in block]
    names: dict[str, str] = {}
    turns = [message for item in fields.objects("messages") for message in _turns(item, names)]
    config = fields.object("toolConfig")
    request = Request(
        messages=(*([Message("system", tuple(map(Text, system)))] if system else []), *turns),
        tools=tuple(_tool(item) for item in config.objects("tools") if "toolSpec" in item) if config else (),
        tool_choice=_tool_choice(config.object("toolChoice")) if config else None,
        output=_output(fields),
        sampling=Sampling(
            temperature=inference.number("temperature"),
            top_p=inference.number("topP"),
            max_tokens=inference.integer("maxTokens"),
            stop=inference.strings("stopSequences"),
        ),
        provider_options={"bedrock": extra} if extra else {},
    )
    return Incoming(unquote(model), request, action.endswith("stream"))


def _turns(fields: Fields, names: dict[str, str]) -> Iterator[Message]:
    """The messages of one turn: results of tools stand in a user's turn here, and in one of their own with us."""
    role = fields.one_of("role", ("user", "assistant"))
    results: list[Part] = []
    parts: list[Part] = []
    for block in fields.objects("content"):
        if "toolResult" in block:
            results.append(_result(block.required_object("toolResult"), names))
        elif (part := _part(block, names)) is not None:
            parts.append(part)
    if results:
        yield Message("tool", tuple(results))
    if parts:
        yield Message("user" if role == "user" else "assistant", tuple(parts))


def _part(block: Fields, names: dict[str, str]) -> Part | None:
    kind = next(iter(block.members()), "")
    match kind:
        case "text":
            return Text(block.text("text") or "")
        case "toolUse":
            use = block.required_object("toolUse")
            identity, name = use.required_text("toolUseId"), use.required_text("name")
            names[identity] = name
            given = use.object("input")
            return ToolCall(identity, name, json.dumps(given.members() if given else {}, ensure_ascii=False))
        case "reasoningContent":
            return _reasoning(block.required_object("reasoningContent"))
        case "cachePoint":
            return None
        case "image" | "document" | "audio":
            return _medium(kind, block.required_object(kind))
        case _:
            raise ConfigError(f"{block.where(kind)}: blocks of this kind cannot be read back")


def _reasoning(fields: Fields) -> Reasoning:
    hidden = fields.text("redactedContent")
    if hidden:
        return Reasoning(redacted=hidden)
    told = fields.required_object("reasoningText")
    return Reasoning(told.text("text") or "", told.text("signature"))


def _medium(kind: str, fields: Fields) -> Part:
    form, source = fields.required_text("format"), fields.required_object("source")
    address = source.object("s3Location")
    url = address.required_text("uri") if address else None
    if kind == "audio":
        if url is not None:
            raise source.wrong("s3Location", "a recording by address cannot be read back")
        return Audio(decoded(source, "bytes"), f"audio/{form}")
    data = None if url is not None else decoded(source, "bytes")
    if kind == "image":
        return Image(data, url=url, media_type=f"image/{form}")
    media_type = _DOCUMENTS.get(form, "application/octet-stream")
    return File(data, url=url, media_type=media_type, name=fields.text("name"))


def _result(fields: Fields, names: Mapping[str, str]) -> ToolResult:
    identity = fields.required_text("toolUseId")
    said = "".join(
        block.text("text") or "" if "text" in block else json.dumps(block.raw("json"), ensure_ascii=False)
        for block in fields.objects("content")
    )
    return ToolResult(identity, said, names.get(identity), fields.text("status") == "error")


def _tool(fields: Fields) -> Tool:
    spec = fields.required_object("toolSpec")
    schema = spec.required_object("inputSchema").required_object("json").members()
    return Tool(spec.required_text("name"), spec.text("description") or "", schema, spec.flag("strict"))


def _tool_choice(fields: Fields | None) -> str | None:
    if fields is None:
        return None
    if "tool" in fields:
        return fields.required_object("tool").required_text("name")
    return "required" if "any" in fields else "auto"


def _output(fields: Fields) -> OutputSchema | None:
    form: Any = fields.object("outputConfig")
    for name in ("textFormat", "structure", "jsonSchema"):
        form = form.object(name) if form is not None else None
    if form is None:
        return None
    return OutputSchema(Fields.parse(form.required_text("schema").encode()).members(), form.text("name") or "output")
