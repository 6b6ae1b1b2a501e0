"""Models whose streams the test steers, and the raw sockets it reads them with."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from urllib.parse import urlsplit

from inferail.core import Delta
from inferail.testing import ScriptedModel
from inferail.testing.streams import ScriptStream


class GatedModel(ScriptedModel):
    """Says a word whenever the test lets it, from any thread; knows how much was read and when its stream was left."""

    def __init__(self, words: list[str], *, open_for: int = 0) -> None:
        super().__init__([])
        self.closed = threading.Event()
        self.read = 0
        self._words = words
        self._open_for = open_for
        self._gate: asyncio.Semaphore | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def let(self, words: int = 1) -> None:
        """Lets it say that many more."""
        assert self._loop is not None
        assert self._gate is not None
        for _ in range(words):
            self._loop.call_soon_threadsafe(self._gate.release)

    def stream(self, request):
        self._loop = asyncio.get_running_loop()
        self._gate = asyncio.Semaphore(self._open_for)
        return ScriptStream(self._say(self._gate), provider="gated", model="gated")

    async def _say(self, gate: asyncio.Semaphore) -> AsyncIterator[list[Delta]]:
        try:
            for word in self._words:
                await gate.acquire()
                self.read += 1
                yield [Delta("text", text=word)]
            yield [Delta("finish", reason="stop")]
        finally:
            self.closed.set()


class EndlessModel(ScriptedModel):
    """Says the same as often as somebody reads it."""

    def __init__(self, text: str) -> None:
        super().__init__([])
        self.closed = threading.Event()
        self.read = 0
        self._text = text

    def stream(self, request):
        return ScriptStream(self._say(), provider="endless", model="endless")

    async def _say(self) -> AsyncIterator[list[Delta]]:
        try:
            while True:
                self.read += 1
                yield [Delta("text", text=self._text)]
        finally:
            self.closed.set()


@contextmanager
def connected(url: str) -> Generator[socket.socket]:
    """A socket on which a GET was sent."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30.0) as connection:
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.sendall(f"GET {target} HTTP/1.1\r\nhost: here\r\n\r\n".encode())
        yield connection


def received_until(connection: socket.socket, end: bytes) -> bytes:
    """What arrives up to `end`, which must come."""
    received = b""
    while end not in received:
        piece = connection.recv(65536)
        assert piece, f"the server closed before {end!r}"
        received += piece
    return received
