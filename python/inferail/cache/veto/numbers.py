"""Numbers, units and dates: what is counted has to be the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inferail.cache.veto.features import Features

__all__ = ["numbers", "units"]


def numbers(cached: Features, asked: Features) -> str | None:
    """`numbers` where one text has a number that the other has not. `1,000`, `1000` and `one thousand` are the same."""
    if cached.numbers == asked.numbers:
        return None
    if sorted([value for value, _ in cached.numbers]) != sorted([value for value, _ in asked.numbers]):
        return "numbers"
    return None


def units(cached: Features, asked: Features) -> str | None:
    """`units` where the same number is of different things: 5 km, 5 miles. A number without a unit goes with any."""
    if cached.numbers == asked.numbers:
        return None
    for value, unit in cached.numbers:
        others = [other for number, other in asked.numbers if number == value]
        if unit and others and all(other and other != unit for other in others):
            return "units"
    return None
