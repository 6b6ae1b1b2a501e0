"""The two real clocks, and what surrounds a call. Both read `time.monotonic`: moments may pass from one to the other."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING, Final

from inferail.transport.cancellation import SLICE, waiting_cancellation

if TYPE_CHECKING:
    from inferail.types.clock import Clock
    from inferail.types.scope import Scope

__all__ = ["AsyncClock", "BlockingClock", "clock_of", "time_left"]


class AsyncClock:
    """Real time under asyncio, or trio."""

    # Seconds since an arbitrary moment; never goes back. The function itself: it is called once per read of a stream.
    now = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        """Waits without blocking the loop; zero or less only lets other tasks run."""
        if asyncio._get_running_loop() is None:  # noqa: SLF001 - the public one raises instead of answering
            import trio

            await trio.sleep(max(0.0, seconds))
            return
        await asyncio.sleep(seconds)


class BlockingClock:
    """Real time without an event loop."""

    # Seconds since an arbitrary moment; never goes back. The function itself: it is called once per read of a stream.
    now = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        """Blocks the thread; the coroutine never suspends. Zero or less returns at once.

        Raises:
            CancelledError: The Scope of the call was cancelled meanwhile.
        """
        cancellation = waiting_cancellation()
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if cancellation is not None:
                cancellation.check()
                left = min(left, SLICE)
            time.sleep(left)  # noqa: ASYNC251 - there is no loop to block, and the coroutine may not suspend


_CLOCK: Final = AsyncClock()


def clock_of(scope: Scope) -> Clock:
    """The clock of the Scope's transport, or a real one where it has none."""
    clock: Clock = _CLOCK if scope.transport is None else scope.transport.clock
    return clock


def time_left(scope: Scope) -> float:
    """Seconds until a call may not run any more; infinite is no limit."""
    return math.inf if scope.ends is None else scope.ends - clock_of(scope).now()
