"""Several scorers as one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from inferail.errors import ConfigError
from inferail.evals.case import Score, as_scorer, check_passing

if TYPE_CHECKING:
    from inferail.evals.case import Case, Scoring

__all__ = ["Weighted"]


class Weighted:
    """The weighted mean of several scorers; `Score.parts` has each one's value.

    Passes where every part does, or with `passing` where the mean reaches it.
    """

    def __init__(self, *parts: tuple[Scoring, float], passing: float | None = None, name: str = "weighted") -> None:
        """Takes scorers and weights: `Weighted((Exact(), 1.0), (Judge(client, rubric), 3.0))`.

        Raises:
            ConfigError: There is none, two have the same name, or a weight is not a positive number.
        """
        if not parts or not all(isinstance(part, Sequence) and len(part) == 2 for part in parts):
            raise ConfigError("Weighted takes pairs of a scorer and its weight: Weighted((Exact(), 1.0), …)")
        if passing is not None:
            check_passing(passing)
        self.name = name
        self._parts = [(as_scorer(scoring), float(weight)) for scoring, weight in parts]
        self._passing = passing
        if not all(math.isfinite(weight) and weight > 0 for _, weight in self._parts):
            raise ConfigError("the weight of a scorer is a positive number")
        names = [scorer.name for scorer, _ in self._parts]
        if len(set(names)) < len(names):
            raise ConfigError("two scorers have the same name: give one another, for example Matches(…, name='number')")
        kinds = {blocking for scorer, _ in self._parts if (blocking := getattr(scorer, "blocking", None)) is not None}
        if len(kinds) > 1:
            raise ConfigError("one scorer blocks and another does not: use ir.Client everywhere, or ir.AsyncClient")
        self.blocking: bool | None = next(iter(kinds), None)

    async def score(self, case: Case, output: Any) -> Score:
        """The mean; one part after the other is asked."""
        scores = [(scorer.name, await scorer.score(case, output), weight) for scorer, weight in self._parts]
        total = sum(weight for _, _, weight in scores)
        value = min(1.0, math.fsum(score.value * weight for _, score, weight in scores) / total)
        passed = all(score.passed for _, score, _ in scores) if self._passing is None else value >= self._passing
        notes = "; ".join(f"{name}: {score.note}" for name, score, _ in scores if score.note)
        return Score(value, passed, note=notes, parts={name: score.value for name, score, _ in scores})
