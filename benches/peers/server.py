"""The loopback server of the peer benchmarks: as little work per request as asyncio allows.

It answers from prepared bytes, so that what the benchmark sees is the client:

- `POST …/chat/completions`: OpenAI chat completions. Unary about 600 bytes; streamed 200 content events, one with the
  finish reason, one with usage, then `[DONE]` (203 events).
- `POST …/messages`: Anthropic Messages. Unary, or streamed `message_start`, `content_block_start`, 200
  `content_block_delta`, `content_block_stop`, `message_delta`, `message_stop` (205 events).
- `GET /health`: `ok`.

A streamed answer is a *burst* (every event its own HTTP chunk, all of them in one write), or, when the model's name ends
in `-paced`, one event every 2 ms. Start it with `python server.py --port 0 --core 1`; the first line on standard output
is the port.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import socket
import sys
import threading
from dataclasses import dataclass
from typing import cast

CONTENT_EVENTS = 200
PACE_SECONDS = 0.002
# Pieces of different lengths: litellm ends a stream whose pieces repeat.
_SENTENCE = (
    "A signal tells the driver whether the block ahead is free , so two trains never meet on one piece of track ."
)
WORDS = [f" {word}" for word in (_SENTENCE.split() * CONTENT_EVENTS)[:CONTENT_EVENTS]]
ANSWER = "".join(WORDS)
UNARY_ANSWER = "".join(WORDS[:30])

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_STREAM = re.compile(rb'"stream"\s*:\s*true')
_PACED = re.compile(rb'"model"\s*:\s*"[^"]*-paced"')


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def openai_unary() -> bytes:
    """The body of a whole chat completion, in the shape api.openai.com sends."""
    return _compact(
        {
            "id": "chatcmpl-bench",
            "object": "chat.completion",
            "created": 1763700000,
            "model": "bench",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": UNARY_ANSWER, "refusal": None, "annotations": []},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {
                "prompt_tokens": 12,
                "completion_tokens": 30,
                "total_tokens": 42,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
            },
            "service_tier": "default",
            "system_fingerprint": "fp_bench",
        }
    )


def openai_events() -> list[bytes]:
    """The 203 events of a streamed chat completion."""
    head = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1763700000,
        "model": "bench",
        "service_tier": "default",
        "system_fingerprint": "fp_bench",
    }

    def chunk(delta: dict[str, str], reason: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return _compact({**head, "choices": [choice], "usage": None})

    usage = {"prompt_tokens": 12, "completion_tokens": CONTENT_EVENTS, "total_tokens": 12 + CONTENT_EVENTS}
    payloads = [chunk({"role": "assistant", "content": WORDS[0]}, None)]
    payloads += [chunk({"content": word}, None) for word in WORDS[1:]]
    payloads += [chunk({}, "stop"), _compact({**head, "choices": [], "usage": usage}), b"[DONE]"]
    return [b"data: " + payload + b"\n\n" for payload in payloads]


def anthropic_unary() -> bytes:
    """The body of a whole message, in the shape api.anthropic.com sends."""
    return _compact(
        {
            "id": "msg_bench",
            "type": "message",
            "role": "assistant",
            "model": "bench",
            "content": [{"type": "text", "text": UNARY_ANSWER}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {
                "input_tokens": 12,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": 30,
                "service_tier": "standard",
            },
        }
    )


def anthropic_events() -> list[bytes]:
    """The 205 events of a streamed message."""
    message = {
        "id": "msg_bench",
        "type": "message",
        "role": "assistant",
        "model": "bench",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 12, "output_tokens": 1},
    }
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}} for word in WORDS
    ]
    payloads: list[dict[str, object]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *deltas,
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": CONTENT_EVENTS},
        },
        {"type": "message_stop"},
    ]
    return [b"event: %s\ndata: %s\n\n" % (str(item["type"]).encode(), _compact(item)) for item in payloads]


def _whole(body: bytes, content_type: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\nx-request-id: req_bench\r\ncontent-length: %d\r\n\r\n"
    return head % (content_type, len(body)) + body


_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req_bench\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class Answers:
    """The prepared bytes of one wire format: the unary answer, the stream in one piece, the stream event by event."""

    unary: bytes
    burst: bytes
    pieces: tuple[bytes, ...]

    @classmethod
    def of(cls, unary: bytes, events: list[bytes]) -> Answers:
        """Frames a unary body and a list of events for HTTP/1.1; the last piece also ends the body."""
        chunks = [b"%x\r\n%s\r\n" % (len(event), event) for event in events]
        chunks[-1] += b"0\r\n\r\n"
        return cls(_whole(unary, b"application/json"), _STREAM_HEAD + b"".join(chunks), tuple(chunks))


OPENAI = Answers.of(openai_unary(), openai_events())
ANTHROPIC = Answers.of(anthropic_unary(), anthropic_events())
EVENTS = {"openai": len(OPENAI.pieces), "anthropic": len(ANTHROPIC.pieces)}


class Connection(asyncio.Protocol):
    """One client connection: keep-alive, one request after another."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport and turns Nagle's algorithm off."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's class is not derived from asyncio's
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Lets a paced answer that is under way end."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Answers every whole request that has arrived."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            length = _LENGTH.search(head)
            size = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < size:
                return
            body = self._buffer[end + 4 : size]
            self._buffer = self._buffer[size:]
            self._answer(head[: head.find(b"\r\n")], body)

    def _answer(self, line: bytes, body: bytes) -> None:
        assert self._transport is not None
        path = line.split(b" ", 2)[1]
        if path.endswith(b"/chat/completions"):
            answers = OPENAI
        elif path.endswith(b"/messages"):
            answers = ANTHROPIC
        elif path == b"/health":
            self._transport.write(_whole(b"ok", b"text/plain"))
            return
        else:
            self._transport.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
            return
        if not _STREAM.search(body):
            self._transport.write(answers.unary)
        elif _PACED.search(body):
            self._transport.write(_STREAM_HEAD)
            self._pace(answers.pieces, 0, self._loop.time())
        else:
            self._transport.write(answers.burst)

    def _pace(self, pieces: tuple[bytes, ...], position: int, started: float) -> None:
        if self._transport is None:
            return
        self._transport.write(pieces[position])
        if position + 1 < len(pieces):
            due = started + (position + 1) * PACE_SECONDS
            self._loop.call_at(due, self._pace, pieces, position + 1, started)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Serves until it is ended by a signal, or by its parent closing its standard input (`--with-parent`)."""
    parser = argparse.ArgumentParser(description="Loopback answers for the peer benchmarks; prints its port.")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one (default)")
    parser.add_argument("--core", type=int, help="pin to this CPU core, so that the client has the other one to itself")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input closes")
    options = parser.parse_args()
    if options.with_parent:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    if options.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.core})
    try:
        import uvloop  # optional: the server is faster with it, and works without

        run = uvloop.run
        print("uvloop", uvloop.__version__, file=sys.stderr, flush=True)
    except ImportError:
        run = asyncio.run
    try:
        run(_serve(options.port))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
