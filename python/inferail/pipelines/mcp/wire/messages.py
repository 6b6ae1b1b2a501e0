"""JSON-RPC 2.0 messages: written, and read within bounds from somebody who may lie."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from inferail.errors import ConfigError, FormatError
from inferail.pipelines.mcp.wire.reading import is_object

__all__ = [
    "MCPLimits",
    "Message",
    "RpcError",
    "answer",
    "decode",
    "encode",
    "failure",
    "kind_of",
    "notification",
    "request",
]

Message: TypeAlias = dict[str, Any]
Kind: TypeAlias = Literal["request", "notification", "response"]

_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class MCPLimits:
    """What is read from the other side before it is called a liar.

    Attributes:
        message_bytes: Largest message, and largest HTTP body.
        depth: Deepest nesting of a message.
        items: Most tools, resources or prompts that a server may list, over all pages.
        pages: Most pages of one list.
        rounds: How often a server may ask back before it answers one request (2026-07-28).
        stderr_bytes: How much of what a child process writes to standard error is kept.
    """

    message_bytes: int = 16 * _MIB
    depth: int = 100
    items: int = 10_000
    pages: int = 1000
    rounds: int = 10
    stderr_bytes: int = 64 * 1024

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"{name} must be a whole number, 1 or more, not {value!r}")


class RpcError(Exception):
    """The `error` of a JSON-RPC answer, received or to be sent.

    Attributes:
        code: The number.
        text: What the other side said, or what it will be told. It may quote arguments: never printed.
        data: More of it, a JSON value or None.
    """

    def __init__(self, code: int, text: str = "", data: Any = None) -> None:
        super().__init__(f"JSON-RPC error {code}")
        self.code = code
        self.text = text
        self.data = data


def request(number: int | str, method: str, params: Mapping[str, Any] | None = None) -> Message:
    """A message that wants an answer."""
    message: Message = {"jsonrpc": "2.0", "id": number, "method": method}
    if params is not None:
        message["params"] = dict(params)
    return message


def notification(method: str, params: Mapping[str, Any] | None = None) -> Message:
    """A message that wants none."""
    message: Message = {"jsonrpc": "2.0", "method": method}
    if params is not None:
        message["params"] = dict(params)
    return message


def answer(number: int | str, result: Mapping[str, Any]) -> Message:
    """The answer to the request `number`."""
    return {"jsonrpc": "2.0", "id": number, "result": dict(result)}


def failure(number: int | str | None, error: RpcError) -> Message:
    """The answer that says why there is none."""
    said: dict[str, Any] = {"code": error.code, "message": error.text}
    if error.data is not None:
        said["data"] = error.data
    return {"jsonrpc": "2.0", "id": number, "error": said}


def encode(message: Message) -> bytes:
    """A message as UTF-8 on one line, without its ending.

    Raises:
        ConfigError: It holds what is not JSON.
    """
    try:
        return json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        raise ConfigError("an MCP message may hold JSON values only: a value in it is not one") from None


def decode(data: bytes | str, limits: MCPLimits, who: str) -> Message:
    """One message.

    Args:
        data: UTF-8, or text.
        limits: What is taken.
        who: Who sent it, for the error.

    Raises:
        FormatError: Not JSON, not JSON-RPC, too large or too deep.
    """
    if len(data) > limits.message_bytes:
        raise FormatError(f"{who} sent a message of more than {limits.message_bytes} bytes")
    try:
        value = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise FormatError(f"{who} sent something that is not JSON") from None
    if not is_object(value):
        raise FormatError(f"{who} sent JSON that is not one JSON-RPC message")
    if not _within(value, limits.depth):
        raise FormatError(f"{who} sent a message nested deeper than {limits.depth} levels")
    fault = _fault(value)
    if fault:
        raise FormatError(f"{who} sent a message that is not JSON-RPC 2.0: {fault}")
    return value


def kind_of(message: Message) -> Kind:
    """What a decoded message is."""
    if "method" not in message:
        return "response"
    return "request" if "id" in message else "notification"


def _no_number(name: str) -> None:
    raise ValueError(name)


def _fault(message: Message) -> str:
    if message.get("jsonrpc") != "2.0":
        return "jsonrpc is not '2.0'"
    number = message.get("id", 0)
    if "method" in message:
        if not isinstance(message["method"], str):
            return "method is not a string"
        if not is_object(message.get("params", {})):
            return "params is not an object"
        return (
            "" if isinstance(number, int | str) and not isinstance(number, bool) else "id is not a string or a number"
        )
    if ("result" in message) == ("error" in message):
        return "neither a method nor exactly one of result and error"
    if "result" in message:
        right = isinstance(number, int | str) and not isinstance(number, bool) and "id" in message
        if not right:
            return "an answer without an id"
        return "" if is_object(message["result"]) else "result is not an object"
    error = message["error"]
    if not is_object(error) or isinstance(error.get("code"), bool) or not isinstance(error.get("code"), int):
        return "error has no number"
    return "" if isinstance(error.get("message", ""), str) else "the message of error is not a string"


def _within(value: Any, depth: int) -> bool:
    # A loop, not a recursion: how deep Python may recurse is not for the sender to find out.
    level: list[Any] = [value]
    for _ in range(depth):
        inside = (each.values() if is_object(each) else each for each in level)
        level = [each for members in inside for each in members if isinstance(each, dict | list)]
        if not level:
            return True
    return False
