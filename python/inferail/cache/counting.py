"""What a policy has done, counted from many threads."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from inferail.cache.policy import CacheStats, FalseHits

if TYPE_CHECKING:
    from inferail.types.usage import Usage

__all__ = ["Tally"]


class Tally:
    """Counts for `CacheStats`. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hits: dict[str, int] = {}
        self._refused: dict[str, int] = {}
        self._misses = self._stale = self._coalesced = self._stored = self._failures = 0
        self._input = self._output = 0
        self._usd = 0.0

    def hit(self, kind: str, usage: Usage, *, fresh: bool = True) -> None:
        """A kept answer of `kind` served a request that would have consumed `usage`."""
        with self._lock:
            self._hits[kind] = self._hits.get(kind, 0) + 1
            if not fresh:
                self._stale += 1
            self._input += usage.input_tokens
            self._output += usage.output_tokens
            self._usd += usage.cost_usd or 0.0

    def coalesced(self, usage: Usage) -> None:
        """A request got the answer of another one."""
        with self._lock:
            self._coalesced += 1
            self._input += usage.input_tokens
            self._output += usage.output_tokens
            self._usd += usage.cost_usd or 0.0

    def missed(self) -> None:
        """Nothing was found."""
        with self._lock:
            self._misses += 1

    def stored(self) -> None:
        """An answer was kept."""
        with self._lock:
            self._stored += 1

    def failed(self) -> bool:
        """The cache itself failed; whether it was the first time."""
        with self._lock:
            self._failures += 1
            return self._failures == 1

    def refused(self, reason: str) -> None:
        """An answer was not kept."""
        with self._lock:
            self._refused[reason] = self._refused.get(reason, 0) + 1

    def stats(self, *, evictions: int = 0, false_hits: FalseHits | None = None) -> CacheStats:
        """What was counted so far, and what is counted elsewhere."""
        with self._lock:
            return CacheStats(
                hits=dict(self._hits),
                misses=self._misses,
                stale=self._stale,
                coalesced=self._coalesced,
                stored=self._stored,
                refused=dict(self._refused),
                evictions=evictions,
                failures=self._failures,
                saved_input_tokens=self._input,
                saved_output_tokens=self._output,
                saved_usd=self._usd,
                false_hits=false_hits,
            )
