"""The two real clocks. Both read `time.monotonic`, so moments may be passed from one to the other."""

from __future__ import annotations

import asyncio
import time

__all__ = ["AsyncClock", "BlockingClock"]


class AsyncClock:
    """Real time under asyncio."""

    # Seconds since an arbitrary moment; never goes back. The function itself: it is called once per read of a stream.
    now = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        """Waits without blocking the loop; zero or less only lets other tasks run."""
        await asyncio.sleep(seconds)


class BlockingClock:
    """Real time without an event loop."""

    # Seconds since an arbitrary moment; never goes back. The function itself: it is called once per read of a stream.
    now = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        """Blocks the thread; the coroutine never suspends. Zero or less returns at once."""
        if seconds > 0:
            time.sleep(seconds)  # noqa: ASYNC251 - there is no loop to block, and the coroutine may not suspend
