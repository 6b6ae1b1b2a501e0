"""What 2026-07-28 repeats of a request in its HTTP headers, so that a proxy can route without reading the body."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from inferail.pipelines.mcp.wire.protocol import NAMED
from inferail.pipelines.mcp.wire.reading import is_object

__all__ = ["decode_value", "encode_value", "mirrored", "parameter_headers", "routing_headers"]

_PLAIN: Final = re.compile(r"[\x20-\x7e]*\Z")
_WRAPPED: Final = re.compile(r"=\?base64\?(.*)\?=\Z")
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")


def encode_value(value: str) -> str:
    """The value of a header; what would not survive one travels as Base64 in `=?base64?…?=`."""
    if _PLAIN.match(value) and value == value.strip() and not _WRAPPED.match(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


def decode_value(value: str | None) -> str | None:
    """What `encode_value` was given; None where there is no header or the Base64 in it is broken."""
    wrapped = None if value is None else _WRAPPED.match(value)
    if wrapped is None:
        return value
    try:
        data = base64.b64decode(wrapped[1], validate=True)
        # What has more than one spelling could be read in two ways: only the canonical one counts.
        return data.decode() if base64.b64encode(data).decode() == wrapped[1] else None
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None


def routing_headers(method: str, params: Mapping[str, Any]) -> dict[str, str]:
    """`Mcp-Method`, and `Mcp-Name` where the method has a name."""
    headers = {"Mcp-Method": method}
    name = params.get(NAMED.get(method, ""))
    if isinstance(name, str):
        headers["Mcp-Name"] = encode_value(name)
    return headers


def mirrored(schema: Any) -> dict[tuple[str, ...], str]:
    """The arguments that a tool's schema wants repeated as `Mcp-Param-…`: path of properties -> name of the header.

    Only properties that are reached by `properties` alone count, of type string, integer or boolean, with a name that is a
    token and is used once. A schema that marks anything else marks nothing.
    """
    found: dict[tuple[str, ...], str] = {}
    for path, property_schema in _properties(schema):
        name = property_schema.get("x-mcp-header")
        if name is None:
            continue
        usable = isinstance(name, str) and _TOKEN.match(name)
        if not usable or property_schema.get("type") not in ("string", "integer", "boolean"):
            return {}
        if name.lower() in (each.lower() for each in found.values()):
            return {}
        found[path] = name
    return found


def parameter_headers(marked: Mapping[tuple[str, ...], str], arguments: Mapping[str, Any]) -> dict[str, str]:
    """The `Mcp-Param-…` headers for these arguments; an argument that is absent or null has none."""
    headers: dict[str, str] = {}
    for path, name in marked.items():
        value: Any = dict(arguments)
        for step in path:
            value = value.get(step) if is_object(value) else None
        if isinstance(value, bool):
            headers[f"Mcp-Param-{name}"] = "true" if value else "false"
        elif isinstance(value, str | int | float):
            headers[f"Mcp-Param-{name}"] = encode_value(str(value))
    return headers


def _properties(schema: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    # The depth of a schema is bounded where messages are read.
    properties = schema.get("properties") if is_object(schema) else None
    for name, inner in properties.items() if is_object(properties) else ():
        if is_object(inner):
            yield (*path, name), inner
            yield from _properties(inner, (*path, name))
