"""From a similarity to a decision: the zones, and which vetoes hold in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from inferail.cache.veto.judge import ENGLISH, GREY, Veto, first_reason
from inferail.errors import ConfigError

if TYPE_CHECKING:
    from inferail.cache.veto.features import Features

__all__ = ["Zone", "Zones"]

Zone: TypeAlias = Literal["hit", "grey", "miss"]


@dataclass(frozen=True, slots=True)
class Zones:
    """Where a similarity is enough (`high` and above), and where it is not enough alone (`low` to `high`).

    Attributes:
        low: Below it nothing is looked at.
        high: From it on a hit needs no verifier. The precise vetoes hold even there: the same sentence with the two cities
            exchanged is nearer than most paraphrases.
        above: Vetoes that hold everywhere.
        grey: Vetoes that hold in the grey zone, instead of those.
    """

    low: float
    high: float
    above: Sequence[Veto] = ENGLISH
    grey: Sequence[Veto] = GREY

    @classmethod
    def of(
        cls,
        threshold: float,
        grey: tuple[float, float] | None,
        vetoes: Sequence[Veto] | None,
        *,
        learning: bool,
        verified: bool,
    ) -> Zones:
        """The zones of what a user gives.

        Where thresholds are learned, every neighbour is grey. The stricter vetoes guess, so they only speak where nobody
        better is asked: neither a verifier nor what an entry has learned.

        Raises:
            ConfigError: A threshold is no number from -1 to 1, or the two are in the wrong order.
        """
        low, high = (threshold, threshold) if grey is None else _pair(grey)
        for name, bound in (("threshold", threshold), ("grey", low), ("grey", high)):
            if isinstance(bound, bool) or not isinstance(bound, int | float) or not -1.0 <= bound <= 1.0:
                raise ConfigError(f"{name} must be a cosine similarity from -1 to 1, not {bound!r}")
        if low > high:
            raise ConfigError(f"grey must be (low, high) with low ≤ high, not ({low!r}, {high!r})")
        if vetoes is not None:
            return cls(low, high, tuple(vetoes), tuple(vetoes))
        return cls(low, math.inf if learning else high, ENGLISH, ENGLISH if learning or verified else GREY)

    def zone(self, similarity: float) -> Zone:
        """Where a similarity lies."""
        if similarity >= self.high:
            return "hit"
        return "grey" if similarity >= self.low else "miss"

    def veto(self, cached: Features, asked: Features, similarity: float) -> str | None:
        """Why the answer may not be given, in a word; None if nothing speaks against it."""
        return first_reason(cached, asked, self.above if similarity >= self.high else self.grey)


def _pair(grey: tuple[float, float]) -> tuple[float, float]:
    try:
        low, high = grey
    except (TypeError, ValueError):
        raise ConfigError("grey must be two similarities, for example grey=(0.8, 0.92)") from None
    return low, high
