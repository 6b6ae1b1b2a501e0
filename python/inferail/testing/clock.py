"""A clock that tests move by hand."""

from __future__ import annotations

__all__ = ["VirtualClock"]


class VirtualClock:
    """A `inferail.types.clock.Clock` on which waiting takes no time: sleeping advances it at once."""

    def __init__(self, now: float = 0.0) -> None:
        self._now = now
        self.slept: list[float] = []

    def now(self) -> float:
        """Seconds since an arbitrary moment."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Moves the clock forward; a negative number does nothing."""
        self._now += max(0.0, seconds)

    def advance_to(self, moment: float) -> None:
        """Moves the clock forward to `moment`; nothing happens if that has passed."""
        self._now = max(self._now, moment)

    async def sleep(self, seconds: float) -> None:
        """Advances the clock without suspending; every sleep is noted in `slept`."""
        self.slept.append(seconds)
        self.advance(seconds)
