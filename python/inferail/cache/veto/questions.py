"""What is asked for: a time, a place, a reason, a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from inferail.cache.veto.features import Features

_APART: Final = 2  # of texts that are less alike, each may ask for several things

__all__ = ["questions"]


def questions(cached: Features, asked: Features) -> str | None:
    """`questions` where the question words ask for different things: when, where; how many, how long.

    Plain `how` and `what` ask for anything ("how do I find" is "where do I find"), so they never differ.
    """
    if len(cached.bag ^ asked.bag) > _APART:
        return None
    mine, other = cached.question, asked.question
    return "questions" if mine and other and mine != other else None
