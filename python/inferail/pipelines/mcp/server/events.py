"""A stream of messages to one client that may be read again from any point, by whoever holds the last event's id."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

__all__ = ["EventStream"]

# What is kept for a client that comes back: events of one stream, and their bytes.
_EVENTS: Final = 1000
_BYTES: Final = 16 * 1024 * 1024


class EventStream:
    """Messages in order, numbered from 1. One reader at a time; a new reader takes the place of the last one.

    Attributes:
        name: Part of its events' ids.
        finished: Whether nothing follows.
        status: For HTTP, where the last message is all there is.
        last: The number of the newest message.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.finished = False
        self.status = 200
        self.last = 0
        self._kept: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._reader = 0
        self._news = asyncio.Event()

    def add(self, message: bytes) -> None:
        """Adds a message; the oldest are forgotten where too many are kept."""
        self.last += 1
        self._kept.append((self.last, message))
        self._bytes += len(message)
        while len(self._kept) > _EVENTS or (self._bytes > _BYTES and len(self._kept) > 1):
            self._bytes -= len(self._kept.popleft()[1])
        self._news.set()

    def finish(self) -> None:
        """Nothing follows: readers end once they have read what there is."""
        self.finished = True
        self._news.set()

    def interrupt(self, reader: int | None = None) -> None:
        """The present reader ends, if it is this one; what follows waits for the next one."""
        if reader is None or reader == self._reader:
            self._reader += 1
            self._news.set()

    def take(self) -> int:
        """Takes the place of the present reader; the number is for `read` and `interrupt`."""
        self.interrupt()
        return self._reader

    async def read(self, mine: int, *, after: int = 0, every: float) -> AsyncIterator[tuple[int, bytes]]:
        """The messages after the number `after`, as they come; `(0, b"")` after so many seconds without one."""
        while mine == self._reader:
            self._news.clear()
            for number, message in [each for each in self._kept if each[0] > after]:
                after = number
                yield number, message
                if mine != self._reader:
                    return
            if self.finished and after >= self.last:
                return
            try:
                async with asyncio.timeout(every):
                    await self._news.wait()
            except TimeoutError:
                yield 0, b""
