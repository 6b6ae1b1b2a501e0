"""What a provider says is left, until its window is whole again."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from inferail.providers.rate_limits import rate_limits

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Told"]

_UNITS = {"req": "requests", "tok": "tokens"}


class Told:
    """The provider's own view of our limits: others may use the same key, and a tier may be smaller than was thought.

    What is left counts down with what is admitted here and is not taken to grow before the moment at which the provider
    says the window is whole: each answer brings a newer number. Thread-safe.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: dict[str, tuple[int, float]] = {}  # by unit: how much, and until when that holds

    def wait(self, tokens: int, now: float) -> float:
        """Seconds until there may be room for a request of so many tokens; 0 is now."""
        if not self._left:
            return 0.0
        with self._lock:
            wait = 0.0
            for unit, (left, until) in list(self._left.items()):
                if until <= now:
                    del self._left[unit]
                elif left < (1 if unit == "requests" else tokens):
                    wait = max(wait, until - now)
            return wait

    def took(self, tokens: int) -> None:
        """A request was admitted."""
        if self._left:
            with self._lock:
                for unit, (left, until) in self._left.items():
                    self._left[unit] = (left - (1 if unit == "requests" else tokens), until)

    def answered(self, headers: Mapping[str, str], now: float) -> None:
        """An answer came, with these headers."""
        found = rate_limits(headers) if headers else {}
        with self._lock:
            fresh: dict[str, tuple[int, float]] = {}
            for kind, limit in found.items():
                # `requests`, `tokens`, and Mistral's `req-minute`, `tokens-minute`; `input-tokens` is another count.
                unit = _UNITS.get(kind[:3])
                if unit is not None and limit.remaining is not None and limit.reset is not None:
                    known = fresh.get(unit, (limit.remaining, now + limit.reset))
                    fresh[unit] = min(known, (limit.remaining, now + limit.reset))
            self._left |= fresh

    def refused(self, retry_after: float, now: float) -> None:
        """A 429 came: nothing is left for so long."""
        with self._lock:
            self._left["requests"] = (0, now + retry_after)
