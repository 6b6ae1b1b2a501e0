"""The highest rate at which a percentile stays under a target: doubled until it does not, then halved in between."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from inferail.errors import ConfigError

if TYPE_CHECKING:
    from inferail.testing.load.results import Of, Run

__all__ = ["Found", "highest_rate"]

_SHARE: Final = 0.95
_LOWEST: Final = 0.01  # requests a second: a server too slow for that is not to be load tested


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Attributes:
        runs: One for each rate that was tried, in the order of trying.
        best: The run at the highest rate that held the target, or None where none did.
        failed_at: The lowest rate that did not hold it, or None where every one did.
    """

    runs: Sequence[Run]
    best: Run | None
    failed_at: float | None

    @property
    def rate(self) -> float | None:
        """Requests a second."""
        return None if self.best is None else self.best.rate


async def highest_rate(
    measure: Callable[[float], Awaitable[Run]],
    target: float,
    *,
    start: float,
    of: Of = "total",
    share: float = _SHARE,
    within: float = 0.1,
    ceiling: float = 10_000.0,
    steps: int = 12,
) -> Found:
    """The highest rate whose percentile is under `target`, to within a tenth.

    Args:
        measure: Makes a run at a rate.
        target: Seconds.
        start: The first rate; doubled while it holds, halved while it does not.
        of: Of whole answers, or of first content.
        share: The percentile; failed requests count as infinitely long, so more of them than `1 - share` miss any target.
        within: The bracket is narrow enough when its ends differ by that share.
        ceiling: No higher rate is tried.
        steps: No more runs than that.

    Raises:
        ConfigError: `target` or `start` is not above 0.
    """
    if not (target > 0 and start > 0):
        raise ConfigError("a search needs a target and a rate above 0")
    runs: list[Run] = []
    best: Run | None = None
    low, high = 0.0, math.inf
    rate = min(start, ceiling)
    while len(runs) < steps:
        run = await measure(rate)
        runs.append(run)
        if run.stopped == "interrupted" or not run.samples:
            break
        if run.quantile(share, of) <= target:
            best, low = run, rate
        else:
            high = rate
        if run.stopped is not None and low == rate:
            break  # the bounds of the whole search are used up
        if (high < math.inf and high - low <= within * high) or low >= ceiling or high <= _LOWEST:
            break
        rate = min(ceiling, low * 2) if high == math.inf else math.sqrt(low * high) if low else high / 2
    return Found(tuple(runs), best, None if high == math.inf else high)
