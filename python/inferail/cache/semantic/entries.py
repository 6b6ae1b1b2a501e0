"""What is kept: a text, its answer, and what was learned about the two. One record with its vector, never out of step."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from inferail.cache.encoding import decode, encode_response
from inferail.cache.semantic.thresholds import Label, LearnedThreshold
from inferail.types.response import Response

if TYPE_CHECKING:
    from inferail.cache.veto.features import Features

__all__ = ["Entry", "pack", "unpack"]

VERSION: Final = 1
_HEAD: Final = struct.Struct("<BII")  # version, bytes of the header, bytes of the vector
# What an entry costs in memory besides its text, its answer and its vector: objects, features, places in tables.
OVERHEAD_BYTES: Final = 2_000


@dataclass(slots=True, eq=False)
class Entry:
    """One text and the answer it got.

    Attributes:
        key: Its number in the index.
        scope: Within which it counts.
        text: What was asked.
        response: What was answered.
        created: When the answer was made, seconds since 1970.
        expires: When it is no answer any more, seconds since 1970; None is never.
        worth: What having it saves, US dollars.
        size: Bytes it takes, about.
        tags: Names under which it is forgotten.
        promoted: Whether the text was found to ask what another text asks, whose answer this is.
        learned: What was learned about its threshold.
        vector: Its embedding, float32, little-endian; only kept where an entry is written again when it learns.
        features: What the vetoes read in the text, once they have.
        uses: How often it answered, in this process.
    """

    key: int
    scope: str
    text: str = field(repr=False)
    response: Response[Any] = field(repr=False)
    created: float
    expires: float | None
    worth: float
    size: int = 0
    tags: tuple[str, ...] = ()
    promoted: bool = False
    learned: LearnedThreshold = field(default_factory=LearnedThreshold, repr=False)
    vector: bytes = field(default=b"", repr=False)
    features: Features | None = field(default=None, repr=False)
    uses: int = 0


def pack(entry: Entry) -> bytes:
    """An entry as the payload of its vector."""
    header = {
        "text": entry.text,
        "created": entry.created,
        "expires": entry.expires,
        "worth": entry.worth,
        "tags": entry.tags,
        "promoted": entry.promoted,
        "labels": entry.learned.labels,
    }
    data = json.dumps(header, ensure_ascii=True).encode()
    answer = encode_response(entry.response)
    return b"".join((_HEAD.pack(VERSION, len(data), len(entry.vector)), data, entry.vector, answer))


def unpack(key: int, scope: str, payload: bytes) -> Entry | None:
    """The entry of a payload; None if it is of another version, or damaged."""
    try:
        version, header_bytes, vector_bytes = _HEAD.unpack_from(payload)
        if version != VERSION:
            return None
        start = _HEAD.size + header_bytes
        header = json.loads(payload[_HEAD.size : start])
        response = decode(payload[start + vector_bytes :])
        if not isinstance(response, Response):
            return None
        return Entry(
            key=key,
            scope=scope,
            text=str(header["text"]),
            response=response,
            created=float(header["created"]),
            expires=None if header["expires"] is None else float(header["expires"]),
            worth=float(header["worth"]),
            tags=tuple(str(tag) for tag in header["tags"]),
            promoted=bool(header["promoted"]),
            learned=LearnedThreshold(Label(float(near), bool(right)) for near, right in header["labels"]),
            vector=payload[start : start + vector_bytes],
        )
    except (ValueError, TypeError, KeyError, struct.error):
        return None
