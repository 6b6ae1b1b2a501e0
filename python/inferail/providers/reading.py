"""Typed reading of bodies that servers wrote: every odd shape becomes an empty value, never an exception.

A body is untrusted and its documentation is not complete: a field may be absent, null, of another type or a float where
an integer was promised. These readers are what the decoders use instead of `body["choices"][0]["message"]`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, TypeGuard, cast

from inferail.core import load_json
from inferail.types.message import Message, Part, Reasoning, Text

__all__ = [
    "amount",
    "count",
    "entries",
    "json_text",
    "load",
    "mapping",
    "split_think_tags",
    "text",
    "text_or_none",
    "tier",
]

_MAX_SPACE = 64  # before the opening tag
_EMPTY: Mapping[str, Any] = {}


def load(body: bytes) -> Any:
    """The JSON value in `body`; a byte order mark, blank lines and broken UTF-8 are tolerated, NaN is read as null.

    Raises:
        ValueError: Not JSON, or nested too deeply to be an answer.
    """
    try:
        return load_json(body)
    except ValueError:
        pass  # not as it should be: read with tolerance
    try:
        return json.loads(body.decode("utf-8-sig", "replace"), parse_constant=_nothing)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def mapping(value: Any) -> Mapping[str, Any]:
    """`value` if it is a JSON object, otherwise an empty one."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else _EMPTY


def entries(value: Any) -> list[Any]:
    """`value` if it is a JSON array, otherwise an empty one."""
    return value if _is_list(value) else []


def text(value: Any) -> str:
    """`value` if it is text, otherwise `""`; halves of surrogate pairs become U+FFFD, so that it can be sent on."""
    if not isinstance(value, str):
        return ""
    if value.isascii():
        return value
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def split_think_tags(message: Message) -> Message:
    """`message` with what its text has between `<think>` tags at the beginning as reasoning, as `think_tags` reads a stream."""
    for number, part in enumerate(message.parts):
        if not isinstance(part, Text):
            continue
        begins = part.text.lstrip()
        if not begins.startswith("<think>") or len(part.text) - len(begins) > _MAX_SPACE:
            break
        thought, _, rest = begins.removeprefix("<think>").partition("</think>")
        thought, rest = thought.lstrip(), rest.lstrip()
        found: tuple[Part, ...] = (Reasoning(thought),) if thought else ()
        said: tuple[Part, ...] = (Text(rest, part.signature),) if rest else ()
        parts = (*message.parts[:number], *found, *said, *message.parts[number + 1 :])
        return Message(message.role, parts, message.provider)
    return message


def text_or_none(value: Any) -> str | None:
    """`value` if it is text that is not empty."""
    return text(value) or None


def tier(value: Any) -> str | None:
    """`value` as a way of processing that has a price of its own, or None."""
    return value if value in ("flex", "priority", "batch") else None


def count(value: Any) -> int:
    """`value` as a count: floats lose their fraction; what is no number, or negative, counts as 0."""
    if type(value) is int:
        return max(0, value)
    if not isinstance(value, float) or not math.isfinite(value):
        return 0
    return max(0, int(value))


def amount(value: Any) -> float | None:
    """`value` as an amount of money; None for what is no number, or negative."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return None
    return float(value)


def json_text(value: Any) -> str:
    """`value` as compact JSON text; `null` for what JSON cannot say (infinities, absurd nesting)."""
    try:
        return text(json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False))
    except (ValueError, RecursionError):
        return "null"


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _nothing(_: str) -> None:
    return None
