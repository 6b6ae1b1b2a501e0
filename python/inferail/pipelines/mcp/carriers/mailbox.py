"""What threads put in and waiters take out: tasks of asyncio or trio, or threads."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Generic, TypeAlias, TypeVar

from inferail.transport.cancellation import SLICE, waiting_cancellation

__all__ = ["Mailbox"]

ItemT = TypeVar("ItemT")


class Mailbox(Generic[ItemT]):
    """A queue from any thread to whoever waits for an item, wherever that one runs."""

    __slots__ = ("_blocking", "_condition", "_items", "_waiters")

    def __init__(self, *, blocking: bool) -> None:
        self._blocking = blocking
        self._condition = threading.Condition()
        self._items: deque[ItemT] = deque()
        self._waiters: set[_Waiting] = set()

    def put(self, item: ItemT) -> None:
        """Adds an item and wakes whoever waits. Safe from any thread."""
        with self._condition:
            self._items.append(item)
            # All of them: one alone might be cancelled just then, and nobody would take the item.
            waiters, self._waiters = self._waiters, set()
            self._condition.notify()
        for waiting in waiters:
            waiting.wake()

    async def get(self, by: float | None) -> ItemT:
        """The oldest item.

        Args:
            by: Moment of `time.monotonic` at which to give up.

        Raises:
            TimeoutError: It came first.
            CancelledError: The Scope of a blocking call was cancelled.
        """
        if self._blocking:
            return self._get_in_thread(by)
        while True:
            waited = self._waiting()
            with self._condition:
                if self._items:
                    return self._items.popleft()
                self._waiters.add(waited)
            left = None if by is None else by - time.monotonic()
            try:
                if left is not None and left <= 0:
                    raise TimeoutError
                await waited.wait(left)
            finally:
                with self._condition:
                    self._waiters.discard(waited)

    def _waiting(self) -> _Waiting:
        if asyncio._get_running_loop() is None:  # noqa: SLF001 - the public one raises instead of answering
            return _TrioWaiting()
        return _LoopWaiting()

    def _get_in_thread(self, by: float | None) -> ItemT:
        cancellation = waiting_cancellation()
        with self._condition:
            while not self._items:
                if cancellation is not None:
                    cancellation.check()
                left = None if by is None else by - time.monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError
                # A thread cannot be woken by a cancellation: it looks.
                piece = SLICE if cancellation is not None else left
                self._condition.wait(piece if left is None or piece is None else min(piece, left))
            return self._items.popleft()


class _LoopWaiting:
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def wake(self) -> None:
        with suppress(RuntimeError):  # the loop has been closed, and nobody waits in it any more
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self, seconds: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()


class _TrioWaiting:
    def __init__(self) -> None:
        import trio

        self._token = trio.lowlevel.current_trio_token()
        self._event = trio.Event()

    def wake(self) -> None:
        import trio

        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._event.set)

    async def wait(self, seconds: float | None) -> None:
        import trio

        with trio.move_on_after(float("inf") if seconds is None else seconds):
            await self._event.wait()


_Waiting: TypeAlias = _LoopWaiting | _TrioWaiting
