"""Streamed answers as prepared bytes: what the decoding benchmarks feed to everyone.

The OpenAI and Anthropic events are those of the loopback server; Gemini's and Cohere's are made here. The pieces of text
are the server's words, over and over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from server import WORDS, anthropic_events, openai_events


@dataclass(frozen=True, slots=True)
class Body:
    """One streamed answer.

    Attributes:
        events: Its events, each with its blank line.
        texts: How many of them carry a piece of text.
        last: The last piece of text.
    """

    events: tuple[bytes, ...]
    texts: int
    last: str

    def pieces(self, read_bytes: int | None) -> list[bytes]:
        """The bytes in reads of that size; one event per read for None."""
        if read_bytes is None:
            return list(self.events)
        whole = b"".join(self.events)
        return [whole[at : at + read_bytes] for at in range(0, len(whole), read_bytes)]


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _stretched(events: Sequence[bytes], first: int, texts: int) -> tuple[bytes, ...]:
    """The server's events with so many pieces of text, which begin with event `first`."""
    pieces = events[first + 1 : first + len(WORDS)]
    repeated = [pieces[at % len(pieces)] for at in range(texts - 1)]
    return (*events[: first + 1], *repeated, *events[first + len(WORDS) :])


def _last(texts: int) -> str:
    return WORDS[1 + (texts - 2) % (len(WORDS) - 1)]


def openai(texts: int) -> Body:
    """Chat completion chunks, about 250 bytes each."""
    return Body(_stretched(openai_events(), 0, texts), texts, _last(texts))


def anthropic(texts: int) -> Body:
    """Messages events with their `event:` lines, about 120 bytes each."""
    return Body(_stretched(anthropic_events(), 2, texts), texts, _last(texts))


def gemini(texts: int) -> Body:
    """`streamGenerateContent?alt=sse`, about 250 bytes each, CR LF line endings as the API sends them."""

    def event(at: int) -> bytes:
        candidate: dict[str, object] = {"content": {"parts": [{"text": WORDS[at % len(WORDS)]}], "role": "model"}}
        if at == texts - 1:
            candidate["finishReason"] = "STOP"
        counts = {"promptTokenCount": 12, "candidatesTokenCount": at + 1, "totalTokenCount": at + 13}
        answer = {"candidates": [{**candidate, "index": 0}], "usageMetadata": counts}
        return b"data: " + json.dumps({**answer, "modelVersion": "bench", "responseId": "r"}).encode() + b"\r\n\r\n"

    return Body(tuple(event(at) for at in range(texts)), texts, WORDS[(texts - 1) % len(WORDS)])


def cohere(texts: int) -> Body:
    """Chat v2 events with their `event:` lines, about 130 bytes each."""
    tokens = {"input_tokens": 12, "output_tokens": texts}
    message = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    payloads: list[dict[str, object]] = [
        {"id": "bench", "type": "message-start", "delta": {"message": message}},
        {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}},
    ]
    for at in range(texts):
        content = {"text": WORDS[at % len(WORDS)]}
        payloads.append({"type": "content-delta", "index": 0, "delta": {"message": {"content": content}}})
    usage = {"billed_units": tokens, "tokens": tokens}
    payloads += [
        {"type": "content-end", "index": 0},
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": usage}},
    ]
    events = (b"event: %s\ndata: %s\n\n" % (str(item["type"]).encode(), _compact(item)) for item in payloads)
    return Body(tuple(events), texts, WORDS[(texts - 1) % len(WORDS)])


def huge(megabytes: int) -> Body:
    """One event of so many megabytes: an image in a chunk, or a proxy that joins."""
    text = "x" * (megabytes << 20)
    return Body((b"data: " + text.encode() + b"\n\n",), 1, text)


WIRES: dict[str, Callable[[int], Body]] = {
    "openai": openai,
    "anthropic": anthropic,
    "gemini": gemini,
    "cohere": cohere,
    "huge": huge,
}
