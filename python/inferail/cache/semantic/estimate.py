"""How many hits are wrong, from a sample of them: the share and its 95 % interval."""

from __future__ import annotations

import math
from typing import Final

from inferail.cache.policy import FalseHits

__all__ = ["false_hits", "wilson"]

_Z: Final = 1.959963984540054  # of 95 %


def wilson(wrong: int, compared: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share: right also for few observations and for none that is wrong.

    With n observations, share p and z = 1.96: (p + z²/2n ± z·sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n).
    """
    if not compared:
        return 0.0, 1.0
    share, square = wrong / compared, _Z * _Z / compared
    middle = share + square / 2
    spread = math.sqrt(share * (1 - share) * square + square * square / 4)
    low, high = (middle - spread) / (1 + square), (middle + spread) / (1 + square)
    return (0.0 if wrong == 0 else low), (1.0 if wrong == compared else high)


def false_hits(wrong: int, compared: int) -> FalseHits | None:
    """The estimate; None where nothing was compared."""
    if not compared:
        return None
    low, high = wilson(wrong, compared)
    return FalseHits(wrong / compared, low, high, compared)
