"""Answers to bytes and back, complete: what an answer is, without what belongs to the attempt that brought it.

The first byte is the version, the second what follows: an answer or an error. A value of another version, or one that
cannot be read, is no answer: it is asked for again. Nothing in it is ever executed. Attempts, timing and headers (whose
rate limits are those of another moment) are not kept.
"""

from __future__ import annotations

import base64
import json
import struct
from typing import Any, Final

from inferail import errors
from inferail.core import dump_json, load_json
from inferail.errors import ProviderError, RequestError
from inferail.types.message import Audio, File, Image, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from inferail.types.response import Response
from inferail.types.usage import Usage

__all__ = ["VERSION", "decode", "decode_part", "encode_error", "encode_part", "encode_response"]

VERSION: Final = 1
_HEAD: Final = struct.Struct(">BBI")  # version, kind, length of the JSON text; behind it the raw body
_ANSWER, _ANSWER_WITH_RAW, _ERROR, _ESCAPED = 1, 2, 3, 0x80  # the last one: text that only `json` reads rightly
_KINDS: Final[dict[str, type[Any]]] = {
    "x": Text,
    "c": ToolCall,
    "s": ToolResult,
    "r": Reasoning,
    "f": Refusal,
    "i": Image,
    "a": Audio,
    "d": File,
}
_LETTERS: Final = {kind: letter for letter, kind in _KINDS.items()}
_WITH_DATA: Final = frozenset("iad")


def encode_response(response: Response[Any]) -> bytes:
    """An answer whose `output` is not set (the client sets it, after every cache)."""
    usage, message = response.usage, response.message
    document = [
        [part.text if type(part) is Text and part.signature is None else encode_part(part) for part in message.parts],
        message.provider,
        response.finish_reason,
        response.raw_finish_reason,
        [
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_tokens,
            usage.cache_write_tokens,
            usage.reasoning_tokens,
            usage.input_audio_tokens,
            usage.output_audio_tokens,
            usage.cost_usd,
            usage.estimated,
            usage.cache_write_1h_tokens,
            usage.service_tier,
        ],
        response.provider,
        response.model,
        response.id,
        response.citations,
        response.request_id,
        response.warnings,
    ]
    if response.raw is None:
        return _framed(_ANSWER, document)
    return _framed(_ANSWER_WITH_RAW, document) + response.raw


def encode_error(error: ProviderError) -> bytes:
    """A refusal, without what the server said: that may quote the prompt."""
    said = [type(error).__name__, error.message, error.status_code, error.code, error.provider, error.model]
    return _framed(_ERROR, said)


def decode(value: bytes) -> Response[Any] | RequestError | None:
    """What was encoded, or None for another version or bytes that are none of ours."""
    try:
        version, kind, length = _HEAD.unpack_from(value)
        if version != VERSION:
            return None
        text = value[6 : 6 + length]
        document: Any
        if kind & _ESCAPED:
            document = json.loads(text)
            kind &= ~_ESCAPED
        else:
            document = load_json(text)
        if kind == _ERROR:
            return _error(*document)
        return _response(document, value[6 + length :] if kind == _ANSWER_WITH_RAW else None)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, struct.error, RecursionError):
        return None


def _response(document: Any, raw: bytes | None) -> Response[Any]:
    said, writer, finish, raw_finish, usage, provider, model, identity, citations, request_id, warnings = document
    # The strings are a provider's few words: interned by whoever made them first, equal here.
    return Response(
        Message("assistant", tuple([Text(part) if type(part) is str else decode_part(part) for part in said]), writer),
        finish,
        Usage(*usage),
        provider,
        model,
        identity,
        raw_finish,
        None,
        tuple(citations),
        request_id=request_id,
        raw=raw,
        warnings=tuple(warnings),
    )


def encode_part(part: Part) -> list[Any]:
    """A part of a message as JSON data."""
    letter = _LETTERS[type(part)]
    values = [getattr(part, name) for name in part.__dataclass_fields__]
    if letter in _WITH_DATA and values[0] is not None:
        values[0] = base64.b64encode(values[0]).decode()
    return [letter, *values]


def decode_part(part: list[Any]) -> Part:
    """What was encoded.

    Raises:
        ValueError, KeyError, TypeError: It was not.
    """
    letter, *values = part
    if letter in _WITH_DATA and values[0] is not None:
        values[0] = base64.b64decode(values[0], validate=True)
    made: Part = _KINDS[letter](*values)
    return made


def _error(name: str, message: str, status: int | None, code: str | None, *where: str) -> RequestError:
    kind = getattr(errors, name)
    if not issubclass(kind, ProviderError):  # of a class that only a newer version has, or of no class at all
        raise TypeError(name)
    provider, model = where
    error: RequestError = kind(message, status_code=status, code=code, provider=provider, model=model)
    return error


def _framed(kind: int, document: list[Any]) -> bytes:
    text = dump_json(document)
    if text is None:  # half a surrogate pair, say, which a tool's arguments may hold
        kind |= _ESCAPED
        text = json.dumps(document).encode()
    return _HEAD.pack(VERSION, kind, len(text)) + text
