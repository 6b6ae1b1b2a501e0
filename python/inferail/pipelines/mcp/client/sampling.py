"""Answers `sampling/createMessage` with the model of one of our clients, inside the Scope of the call it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from inferail.errors import FormatError
from inferail.pipelines import calls
from inferail.pipelines.mcp.wire.content import MCPContent, content_from
from inferail.pipelines.mcp.wire.reading import is_list, is_object
from inferail.types.message import Audio, Image, Message, Part, Text
from inferail.types.request import Sampling

if TYPE_CHECKING:
    from inferail.client import BaseClient, CallOptions
    from inferail.pipelines.mcp.wire.reading import Reader

__all__ = ["sample"]

_MESSAGES: Final = 1000
_REASONS: Final = {"length": "maxTokens"}


async def sample(client: BaseClient, params: Mapping[str, Any], reader: Reader) -> dict[str, Any]:
    """The result of `sampling/createMessage`.

    Raises:
        FormatError: The parameters are not what they should be.
        InferailError: Whatever the call of the model raises.
    """
    said = [_message(each, reader) for each in reader.objects(params, "messages", _MESSAGES)]
    options: CallOptions = {"sampling": _sampling(params, reader)}
    system = reader.optional(params, "systemPrompt", str, "")
    if system:
        options["system"] = system
    reply = await calls.complete(client, said, **options)
    return {
        "role": "assistant",
        "content": {"type": "text", "text": reply.text},
        "model": reply.model or "",
        "stopReason": _REASONS.get(str(reply.finish_reason), "endTurn"),
    }


def _sampling(params: Mapping[str, Any], reader: Reader) -> Sampling:
    temperature = params.get("temperature")
    if temperature is not None and (isinstance(temperature, bool) or not isinstance(temperature, int | float)):
        raise FormatError(f"{reader.step}: temperature is not a number")
    stops = reader.array(params, "stopSequences", [])
    if not all(isinstance(each, str) for each in stops):
        raise FormatError(f"{reader.step}: stopSequences holds what is not a string")
    return Sampling(max_tokens=reader.required(params, "maxTokens", int), temperature=temperature, stop=tuple(stops))


def _message(value: Mapping[str, Any], reader: Reader) -> Message:
    role = value.get("role")
    if role not in ("user", "assistant"):
        raise FormatError(f"{reader.step}: a role that is neither user nor assistant")
    content = value.get("content")
    pieces: list[Any] = content if is_list(content) else [content]
    if not all(is_object(each) for each in pieces):
        raise FormatError(f"{reader.step}: content is not an object")
    return Message(role, tuple(_part(content_from(each, reader)) for each in pieces))


def _part(content: MCPContent) -> Part:
    if content.kind == "image":
        return Image(data=content.data, media_type=content.mime_type)
    if content.kind == "audio":
        return Audio(content.data, media_type=content.mime_type)
    return Text(content.as_text())
