"""Something that happens once, for which tasks of asyncio and trio and threads can wait side by side."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from inferail.concurrency import surrounding
from inferail.transport.cancellation import Watch, in_slices

if TYPE_CHECKING:
    from inferail.types.scope import Scope

__all__ = ["Latch"]


class Latch:
    """Open once, open for ever. Thread-safe."""

    __slots__ = ("_lock", "_open", "_waiting")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = False
        self._waiting: dict[object, Callable[[], None]] = {}

    @property
    def is_open(self) -> bool:
        """Whether it has happened."""
        return self._open

    def open(self) -> None:
        """Lets everybody go on; a second time does nothing."""
        with self._lock:
            self._open = True
            waiting = list(self._waiting.values())
            self._waiting.clear()
        for wake in waiting:
            wake()

    async def wait(self, scope: Scope, seconds: float | None = None) -> bool:
        """Waits for it in the way of whatever runs here.

        Args:
            scope: Whose cancellation ends the wait.
            seconds: At most so many; None is no limit.

        Returns:
            Whether it has happened.

        Raises:
            CancelledError: The Scope was cancelled.
        """
        if not self._open:
            kind = surrounding(scope)
            if kind == "thread":
                self._wait_in_thread(scope, seconds)
            else:
                with Watch(scope.cancellation, blocking=False):
                    await (self._wait_in_asyncio if kind == "asyncio" else self._wait_in_trio)(seconds)
        return self._open

    def _wait_in_thread(self, scope: Scope, seconds: float | None) -> None:
        event = threading.Event()

        def wait(at_most: float | None) -> None:
            if not event.wait(at_most):
                raise TimeoutError

        with _Waiting(self, event.set), suppress(TimeoutError):
            if scope.cancellation is None:
                wait(seconds)
            else:
                in_slices(scope.cancellation, seconds, wait, TimeoutError)

    async def _wait_in_asyncio(self, seconds: float | None) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop has been closed, and nothing waits in it any more
                loop.call_soon_threadsafe(_settle, future)

        with _Waiting(self, wake), suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await future

    async def _wait_in_trio(self, seconds: float | None) -> None:
        import trio

        token, event = trio.lowlevel.current_trio_token(), trio.Event()

        def wake() -> None:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(event.set)

        with _Waiting(self, wake), trio.move_on_after(math.inf if seconds is None else max(0.0, seconds)):
            await event.wait()

    def enter(self, key: object, wake: Callable[[], None]) -> None:
        """Calls `wake` once it has happened: now, or from whichever thread opens it."""
        with self._lock:
            if not self._open:
                self._waiting[key] = wake
                return
        wake()

    def leave(self, key: object) -> None:
        """Calls it no more."""
        with self._lock:
            self._waiting.pop(key, None)


class _Waiting:
    """A `with` block in which `wake` is called once the latch opens."""

    __slots__ = ("_latch", "_wake")

    def __init__(self, latch: Latch, wake: Callable[[], None]) -> None:
        self._latch = latch
        self._wake = wake

    def __enter__(self) -> None:
        self._latch.enter(self, self._wake)

    def __exit__(self, *raised: object) -> None:
        self._latch.leave(self)


def _settle(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_result(None)
