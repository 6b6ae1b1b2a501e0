"""Negation: one text denies what the other does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inferail.cache.veto.features import Features

__all__ = ["negation"]


def negation(cached: Features, asked: Features) -> str | None:
    """`negation` where one has an odd number of negations and the other an even one (two deny each other)."""
    return "negation" if (cached.negations ^ asked.negations) & 1 else None
