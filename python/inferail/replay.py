"""A whole answer taken apart into the deltas that it would have streamed as."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from inferail.core import Delta
from inferail.types.message import Part, Reasoning, Refusal, Text, ToolCall
from inferail.types.response import Response

__all__ = ["can_stream", "deltas_of", "deltas_of_part"]

_STREAMED = (Text, ToolCall, Reasoning, Refusal)


def can_stream(response: Response[Any]) -> bool:
    """Whether deltas can say all of it: a picture in an answer, for one, has none."""
    return all(isinstance(part, _STREAMED) for part in response.message.parts)


def deltas_of(response: Response[Any], pieces: Callable[[str], list[str]] | None = None) -> Iterator[list[Delta]]:
    """The lists of deltas of an answer: one that starts, those of its parts, one that ends with usage and reason.

    Args:
        response: A whole answer.
        pieces: Divides a text, each piece in a list of its own; by default it comes whole.
    """
    yield [Delta("start", id=response.id, name=response.model or None)]
    for block, part in enumerate(response.message.parts):
        yield from deltas_of_part(part, block, pieces)
    if response.citations:
        yield [Delta("citation", text=citation) for citation in response.citations]
    last = [Delta("usage", usage=response.usage)] if response.usage.total_tokens else []
    yield [*last, Delta("finish", reason=response.finish_reason, raw_reason=response.raw_finish_reason)]


def deltas_of_part(part: Part, block: int, pieces: Callable[[str], list[str]] | None = None) -> Iterator[list[Delta]]:
    """The lists of deltas of one part, in one block; none for what has no delta. `pieces`: see `deltas_of`."""
    pieces = pieces or _whole
    match part:
        case ToolCall():
            yield [Delta("tool_start", block=block, id=part.id, name=part.name)]
            for piece in pieces(part.arguments):
                yield [Delta("tool_args", block=block, text=piece)]
            yield [Delta("tool_end", block=block)]
        case Reasoning(redacted=str(data)):
            yield [Delta("reasoning_redacted", block=block, text=data)]
        case Text() | Refusal() | Reasoning():
            kind = "text" if isinstance(part, Text) else "refusal" if isinstance(part, Refusal) else "reasoning"
            for piece in pieces(part.text):
                yield [Delta(kind, block=block, text=piece)]
        case _:
            return
    signature: str | None = getattr(part, "signature", None)
    if signature is not None:
        yield [Delta("reasoning_signature", block=block, text=signature)]


def _whole(text: str) -> list[str]:
    return [text] if text else []
