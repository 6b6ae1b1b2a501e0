"""Messages as JSON and back, without loss: tool calls, reasoning, signatures, pictures, who wrote them, cache marks.

One message is an object: `role`, `parts`, and `provider` and `cache` where they are set. A part has its `kind` (`text`,
`tool_call`, …) and the fields of its class that are not at their defaults; bytes are base64.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, Final, cast

from inferail.errors import ConfigError, FormatError
from inferail.types.message import Audio, File, Image, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult

__all__ = ["message_from_data", "message_to_data", "messages_from_json", "messages_to_json"]

_KINDS: Final[dict[str, type[Any]]] = {
    "text": Text,
    "image": Image,
    "audio": Audio,
    "file": File,
    "tool_call": ToolCall,
    "tool_result": ToolResult,
    "reasoning": Reasoning,
    "refusal": Refusal,
}
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}
_FIELDS: Final = {name: {field.name: field for field in fields(kind)} for name, kind in _KINDS.items()}
_BYTES: Final = frozenset({("image", "data"), ("audio", "data"), ("file", "data")})
_FLAGS: Final = frozenset({("tool_result", "is_error")})
_MESSAGE: Final = frozenset({"role", "parts", "provider", "cache"})


def message_to_data(message: Message) -> dict[str, Any]:
    """A message as plain data that JSON can hold."""
    data: dict[str, Any] = {"role": message.role, "parts": [_part_to_data(part) for part in message.parts]}
    if message.provider is not None:
        data["provider"] = message.provider
    if message.cache is not False:
        data["cache"] = message.cache
    return data


def message_from_data(data: object) -> Message:
    """The message that `message_to_data` made data of.

    Raises:
        FormatError: It is no such data; what is wrong is told, never what was said.
    """
    if not isinstance(data, dict):
        raise FormatError(f"a message is a JSON object, not {type(data).__name__}")
    given = cast("dict[str, Any]", data)
    unknown = given.keys() - _MESSAGE
    parts, provider, cache = given.get("parts"), given.get("provider"), given.get("cache", False)
    if unknown or not isinstance(parts, list):
        raise FormatError("a message has role, parts, provider and cache, and its parts are a list")
    if not isinstance(provider, str | None) or not isinstance(cache, str | bool):
        raise FormatError("the provider of a message is a text, and its cache is a text, true or false")
    try:
        read = tuple(_part_from_data(part) for part in cast("list[object]", parts))
        return Message(given["role"], read, provider, cache)
    except KeyError:
        raise FormatError("a message has no role") from None
    except (ConfigError, TypeError):
        raise FormatError("a message has an unknown role, or a part that cannot be") from None


def messages_to_json(messages: Iterable[Message]) -> str:
    """Messages as a JSON array in ASCII, which any file and any database holds."""
    return json.dumps([message_to_data(message) for message in messages], separators=(",", ":"))


def messages_from_json(text: str | bytes) -> tuple[Message, ...]:
    """The messages that `messages_to_json` wrote.

    Raises:
        FormatError: It is no such text.
    """
    data = read_json(text)
    if not isinstance(data, list):
        raise FormatError("messages are a JSON array")
    return tuple(message_from_data(entry) for entry in cast("Sequence[object]", data))


def read_json(text: str | bytes) -> object:
    """What the text says.

    Raises:
        FormatError: It is no JSON; `.offset` says where.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise FormatError("this is not JSON", offset=error.pos) from None
    except (UnicodeDecodeError, RecursionError):
        raise FormatError("this is not JSON") from None


def _part_to_data(part: Part) -> dict[str, Any]:
    kind = _NAMES[type(part)]
    data: dict[str, Any] = {"kind": kind}
    for name, field in _FIELDS[kind].items():
        value = getattr(part, name)
        if value is None or (field.default is not MISSING and value == field.default):
            continue
        data[name] = base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value
    return data


def _part_from_data(data: object) -> Part:
    if not isinstance(data, dict):
        raise FormatError("a part of a message is a JSON object")
    given = dict(cast("Mapping[str, Any]", data))
    kind = given.pop("kind", None)
    known = _FIELDS.get(kind) if isinstance(kind, str) else None
    if known is None or not given.keys() <= known.keys():
        raise FormatError(
            "a message has a part of an unknown kind, or one with unknown fields: a newer version wrote it"
        )
    for name, value in given.items():
        if not isinstance(value, bool if (kind, name) in _FLAGS else str):
            raise FormatError(f"{name} of a part {kind} has the wrong type")
        if (kind, name) in _BYTES:
            try:
                given[name] = base64.b64decode(cast("str", value), validate=True)
            except (binascii.Error, ValueError):
                raise FormatError(f"the {name} of a part {kind} is not base64") from None
    made: Part = _KINDS[cast("str", kind)](**given)
    return made
