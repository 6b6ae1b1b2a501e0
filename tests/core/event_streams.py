"""Messages of the AWS event stream, written with the standard library: the other direction of `EventStreamParser`."""

from __future__ import annotations

import struct
import zlib
from uuid import UUID


def message(payload: bytes = b"", headers: dict[str, bool | int | bytes | str | UUID] | None = None) -> bytes:
    """One message; integers are written as 64 bits."""
    return framed(b"".join(header(name, value) for name, value in (headers or {}).items()), payload)


def framed(headers: bytes, payload: bytes = b"") -> bytes:
    """One message of header bytes that are written already."""
    lengths = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    covered = lengths + struct.pack(">I", zlib.crc32(lengths)) + headers + payload
    return covered + struct.pack(">I", zlib.crc32(covered))


def header(name: str, value: bool | int | bytes | str | UUID) -> bytes:
    """One header."""
    return bytes([len(name.encode())]) + name.encode() + _value(value)


def _value(value: bool | int | bytes | str | UUID) -> bytes:
    match value:
        case bool():
            return bytes([not value])
        case int():
            return struct.pack(">Bq", 5, value)
        case bytes():
            return struct.pack(">BH", 6, len(value)) + value
        case str():
            return struct.pack(">BH", 7, len(value.encode())) + value.encode()
        case UUID():
            return b"\x09" + value.bytes


def from_lines(text: str) -> bytes:
    """The stream of lines `event NAME JSON`, `exception NAME JSON` or `error CODE MESSAGE`, as Bedrock sends it."""
    return b"".join(_from_line(*line.split(" ", 2)) for line in text.splitlines())


def _from_line(kind: str, name: str, said: str) -> bytes:
    if kind == "error":
        return message(b"", {":error-code": name, ":error-message": said, ":message-type": kind})
    headers = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    return message(said.encode(), {**headers})
