"""Time comes from here and nowhere else, so that tests can bring their own."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Clock"]


class Clock(Protocol):
    """A monotonic clock in seconds, and the way to wait on it."""

    def now(self) -> float:
        """Seconds since an arbitrary moment; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Waits; a blocking clock does it without ever suspending the coroutine."""
        ...
