"""One call that waits to be woken, or for a moment: a task of asyncio or trio, or a thread that may be blocked."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from inferail.concurrency import surrounding
from inferail.transport.cancellation import SLICE, Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from inferail.types.clock import Clock
    from inferail.types.scope import Scope

__all__ = ["Signal"]


class Signal:
    """Wakes the one call that made it, as often as it is set; once if nobody waits. `set` may be called from any thread."""

    __slots__ = ("_clock", "_kind", "_scope", "_wake", "is_set")

    def __init__(self, scope: Scope, clock: Clock) -> None:
        self.is_set = False
        self._scope = scope
        self._clock = clock
        self._kind = surrounding(scope)
        self._wake: Callable[[], None] | None = None

    def set(self) -> None:
        """Ends the wait that runs, or the next one."""
        self.is_set = True
        wake = self._wake
        if wake is not None:
            wake()

    async def wait(self, seconds: float) -> None:
        """Waits until it is set, or for so many seconds on the clock of the call; infinite is no limit.

        Raises:
            CancelledError: The Scope was cancelled.
        """
        try:
            if self._kind == "thread":
                await self._in_thread(seconds)
            else:
                with Watch(self._scope.cancellation, blocking=False):
                    await (self._in_asyncio if self._kind == "asyncio" else self._in_trio)(seconds)
        finally:
            self._wake = None
            self.is_set = False

    async def _in_thread(self, seconds: float) -> None:
        event = threading.Event()
        self._wake = event.set
        real = self._clock.now is time.monotonic
        if self.is_set:
            return
        if not real and math.isfinite(seconds):
            await self._clock.sleep(seconds)  # a clock of a test: nobody else makes its time go on
            return
        cancellation = self._scope.cancellation
        end = time.monotonic() + seconds
        while not event.is_set() and (left := end - time.monotonic()) > 0:
            if cancellation is not None:
                cancellation.check()
                left = min(left, SLICE)
            event.wait(min(left, threading.TIMEOUT_MAX))

    async def _in_asyncio(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop has been closed, and nothing waits in it any more
                loop.call_soon_threadsafe(_settle, woken)

        self._wake = wake
        if self.is_set:
            return
        if math.isinf(seconds):
            await woken
            return
        if self._clock.now is time.monotonic:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await woken
            return
        sleep = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({sleep, woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()

    async def _in_trio(self, seconds: float) -> None:
        import trio

        token, event = trio.lowlevel.current_trio_token(), trio.Event()

        def wake() -> None:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(event.set)

        self._wake = wake
        if not self.is_set:
            with trio.move_on_after(seconds):
                await event.wait()


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
