"""Several rankings as one."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["fused"]

# Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods", 2009.
_CONSTANT = 60


def fused(rankings: Sequence[Sequence[int]], *, weights: Sequence[float] | None = None) -> list[tuple[int, float]]:
    """Keys and scores by reciprocal rank fusion, best first, of equals the smaller key.

    A key scores `weight / (60 + rank)` in each ranking that has it, ranks counted from 1.
    """
    scores: dict[int, float] = {}
    for ranking, weight in zip(rankings, weights or [1.0] * len(rankings), strict=True):
        for rank, key in enumerate(ranking, 1):
            scores[key] = scores.get(key, 0.0) + weight / (_CONSTANT + rank)
    return sorted(scores.items(), key=lambda scored: (-scored[1], scored[0]))
