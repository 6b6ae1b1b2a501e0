"""How many tokens a call consumed where the provider never said, from byte counts.

The basis, on purpose simple enough to check by hand:

* text (messages, tool calls and results, reasoning, tool descriptions, JSON Schemas): one token per 4 bytes of UTF-8. That
  is close for English and for code, and about right for scripts of three bytes per character, where a token is often
  one character or a little more.
* every message: 4 tokens for its role and its delimiters; every answer: nothing.
* a picture: 1,000 tokens (85 with `detail="low"`), a recording: 1,000 tokens, a document that is not text: 1,500 tokens,
  about a page. Providers count these by size, length and pages, which bytes do not tell; the flat numbers keep such a
  call from looking free. A document of text counts by its bytes.
* texts to embed: one token per 4 bytes, and nothing else.
* opaque provider state (signatures, redacted reasoning) and `provider_options`: nothing.

The numbers carry `estimated=True`. They are for money that would otherwise be missing from the books, not for deciding
whether a prompt fits a context window.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from inferail.types.embedding import EmbeddingRequest
from inferail.types.message import Audio, File, Image, Reasoning, Refusal, Text, ToolCall, ToolResult
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from inferail.types.message import Part
    from inferail.types.request import Request

__all__ = ["MESSAGE_TOKENS", "estimate_tokens", "estimate_usage"]

_BYTES_PER_TOKEN: Final = 4
MESSAGE_TOKENS: Final = 4
_PICTURE_TOKENS: Final = 1_000
_SMALL_PICTURE_TOKENS: Final = 85
_RECORDING_TOKENS: Final = 1_000
_DOCUMENT_TOKENS: Final = 1_500
_SLICE_CHARACTERS: Final = 65_536


def estimate_usage(request: Request | EmbeddingRequest, output_bytes: int) -> Usage:
    """An estimate of what a call consumed, flagged `estimated`; recordings are counted as audio tokens too.

    Args:
        request: What was sent.
        output_bytes: Bytes of UTF-8 of the answer that arrived: text, reasoning and tool arguments.

    Linear in the text of the request. Pictures, recordings and documents are neither read nor copied.
    """
    if isinstance(request, EmbeddingRequest):
        return Usage(input_tokens=estimate_tokens(sum(_utf8_length(text) for text in request.texts)), estimated=True)
    text_bytes = flat_tokens = audio_tokens = 0
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, Audio):
                audio_tokens += _RECORDING_TOKENS
            else:
                flat_tokens += _flat_tokens(part)
                text_bytes += _text_bytes(part)
    for tool in request.tools:
        text_bytes += _utf8_length(tool.name) + _utf8_length(tool.description) + _json_length(tool.parameters)
    if request.output is not None:
        text_bytes += _json_length(request.output.schema)
    flat_tokens += MESSAGE_TOKENS * len(request.messages)
    return Usage(
        input_tokens=estimate_tokens(text_bytes) + flat_tokens + audio_tokens,
        output_tokens=estimate_tokens(output_bytes),
        input_audio_tokens=audio_tokens,
        estimated=True,
    )


def estimate_tokens(num_bytes: int) -> int:
    """About how many tokens so many bytes of UTF-8 are."""
    return -(-max(0, num_bytes) // _BYTES_PER_TOKEN)


def _flat_tokens(part: Part) -> int:
    if isinstance(part, Image):
        return _SMALL_PICTURE_TOKENS if part.detail == "low" else _PICTURE_TOKENS
    return _DOCUMENT_TOKENS if isinstance(part, File) and not _is_text(part) else 0


def _text_bytes(part: Part) -> int:
    match part:
        case Text() | Reasoning() | Refusal():
            return _utf8_length(part.text)
        case ToolCall():
            return _utf8_length(part.name) + _utf8_length(part.arguments)
        case ToolResult():
            return _utf8_length(part.content)
        case File():
            return len(part.data) if part.data is not None and _is_text(part) else 0
        case _:
            return 0


def _is_text(part: File) -> bool:
    return part.data is not None and part.media_type.startswith(("text/", "application/json"))


def _utf8_length(text: str) -> int:
    """Bytes of `text` in UTF-8, without a copy of the whole."""
    if text.isascii():  # a flag of the string: constant time
        return len(text)
    starts = range(0, len(text), _SLICE_CHARACTERS)
    return sum(len(text[start : start + _SLICE_CHARACTERS].encode("utf-8", "surrogatepass")) for start in starts)


def _json_length(schema: Mapping[str, Any]) -> int:
    return len(json.dumps(dict(schema), separators=(",", ":"), default=str))
