"""How far a judge agrees with people: calibration before its scores are trusted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean

from inferail.errors import ConfigError

__all__ = ["Agreement", "agreement"]


@dataclass(frozen=True, slots=True)
class Agreement:
    """A judge beside people, over the same answers.

    Attributes:
        same: Share of the answers on which both say "passes" or both say "fails".
        kappa: Cohen's kappa of that (1960): 0 is what chance gives, 1 is full agreement. 1 where both only ever say one thing.
        correlation: Pearson's, of the values; None where one of the two never changes.
        bias: Mean of judge minus people: above 0 the judge is too kind.
        too_kind: Answers that only the judge lets pass.
        too_strict: Answers that only people let pass.
        count: Answers.
    """

    same: float
    kappa: float
    correlation: float | None
    bias: float
    too_kind: int
    too_strict: int
    count: int


def agreement(judge: Sequence[float], people: Sequence[float], *, passing: float = 0.5) -> Agreement:
    """How far a judge agrees with people.

    Args:
        judge: Its scores, 0 to 1.
        people: Theirs, of the same answers in the same order.
        passing: The value from which on an answer passes.

    Raises:
        ConfigError: There are none, or not as many of the one as of the other.
    """
    if not judge or len(judge) != len(people):
        raise ConfigError(f"compare a score of people with each of the judge: there are {len(people)} and {len(judge)}")
    count = len(judge)
    pairs = Counter((one >= passing, other >= passing) for one, other in zip(judge, people, strict=True))
    same = (pairs[True, True] + pairs[False, False]) / count
    yes_judge = (pairs[True, True] + pairs[True, False]) / count
    yes_people = (pairs[True, True] + pairs[False, True]) / count
    by_chance = yes_judge * yes_people + (1 - yes_judge) * (1 - yes_people)
    kappa = 1.0 if by_chance == 1.0 else (same - by_chance) / (1 - by_chance)
    return Agreement(
        same,
        kappa,
        _correlation(judge, people),
        fmean(judge) - fmean(people),
        pairs[True, False],
        pairs[False, True],
        count,
    )


def _correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    mean_first, mean_second = fmean(first), fmean(second)
    shared = sum((a - mean_first) * (b - mean_second) for a, b in zip(first, second, strict=True))
    spread = sqrt(sum((a - mean_first) ** 2 for a in first) * sum((b - mean_second) ** 2 for b in second))
    return shared / spread if spread else None
