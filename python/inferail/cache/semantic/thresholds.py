"""Thresholds that each entry learns for itself, under a bound on the share of wrong answers.

After the idea of vCache (Schroeder et al., "vCache: Verified Semantic Prompt Caching", arXiv 2502.03771); written from the
paper, with a posterior on a grid in place of its maximum-likelihood fit, because a few labels of one sort have no finite
maximum.

Model. That an entry's answer is right for a prompt of similarity s has the probability

    L(s; t, g) = 1 / (1 + exp(-g (s - t)))

with a threshold t and a steepness g of that entry. Labels (s, right or wrong) come from prompts that were asked upstream
although the entry was near, and whose answer was compared with the entry's.

Decision. With the probability x the prompt is asked upstream (and labels the entry), otherwise the entry answers. The
chance of a wrong answer is (1 - x)(1 - p), where p is the chance that the entry is right, so it is at most δ if

    x ≥ 1 - δ / (1 - p)

p is not known. Under the posterior of (t, g) let q be the value that L(s) exceeds with probability 1 - e. Then
p ≥ (1 - e) q for every e, and the greatest of these lower bounds is used. An entry without labels has only the prior: it
asks upstream nearly always.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from inferail.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Grid = NDArray[np.float64]

__all__ = ["MOST_LABELS", "Label", "LearnedThreshold", "check_error_bound"]

MOST_LABELS: Final = 64  # of one entry; the oldest are forgotten, so a changed world is learned again

# The prior: thresholds up to beyond 1, where not even the same text is right (an answer that depends on the hour), and
# steepness from nearly flat to nearly a step. Uniform in t and in log g.
_THRESHOLDS: Final = (0.50, 1.20, 57)
_STEEPNESS: Final = (4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
_DOUBTS: Final = (0.005, 0.01, 0.02, 0.04, 0.07, 0.11, 0.17, 0.25, 0.35, 0.5)
_LEAST_CHANCE: Final = 0.5


class Label(NamedTuple):
    """What was seen: how near the prompt was, and whether the entry's answer was right for it."""

    similarity: float
    right: bool


def check_error_bound(error_bound: float | None) -> None:
    """Raises ConfigError unless it is a share between 0 and 1, or None."""
    if error_bound is not None and not (
        isinstance(error_bound, int | float) and not isinstance(error_bound, bool) and 0.0 < error_bound < 1.0
    ):
        raise ConfigError(f"error_bound must be a share such as 0.02, or None, not {error_bound!r}")


class LearnedThreshold:
    """What one entry has learned: its labels, and the posterior of its threshold and steepness.

    Not safe to change from several threads at once: the cache that owns it holds its lock.

    Attributes:
        labels: The last labels, oldest first.
    """

    __slots__ = ("_log", "labels")

    def __init__(self, labels: Iterable[Label] = ()) -> None:
        """Starts from the labels of an earlier life, if there are any."""
        self.labels: list[Label] = []
        self._log: Grid | None = None
        for label in labels:
            self.add(label)

    def add(self, label: Label) -> None:
        """Learns from one comparison; the oldest label is forgotten where there are too many."""
        self.labels.append(label)
        if len(self.labels) > MOST_LABELS:
            del self.labels[0]
            self._log = None
        elif self._log is not None:
            self._log = self._log + _log_chance(label)

    def chance_of_right(self, similarity: float) -> float:
        """A lower bound on the chance that the entry is right for a prompt of this similarity, 0 to 1."""
        import numpy as np

        if self._log is None:
            self._log = sum((_log_chance(label) for label in self.labels), np.zeros_like(_grid()[0]))
        weights = np.exp(self._log - self._log.max())
        right = _right(similarity)
        order = np.argsort(right)
        below = np.cumsum(weights[order])
        values = right[order[np.searchsorted(below, _doubts() * below[-1])]]
        return float(((1.0 - _doubts()) * values).max())

    def explore_probability(self, similarity: float, error_bound: float) -> float:
        """How often a prompt of this similarity has to be asked upstream, 0 to 1, for wrong answers to stay in the bound.

        Args:
            similarity: Of the prompt to the entry.
            error_bound: The share of such prompts that may get a wrong answer, 0 to 1.

        Always 1 where the entry is more likely wrong than right: the bound alone would let it answer now and then.
        """
        right = self.chance_of_right(similarity)
        if right < _LEAST_CHANCE:
            return 1.0
        return max(0.0, 1.0 - error_bound / (1.0 - right)) if 1.0 - right > error_bound else 0.0


def _log_chance(label: Label) -> Grid:
    import numpy as np

    right = _right(label.similarity)
    chance: Grid = np.log(np.maximum(right if label.right else 1.0 - right, 1e-12))
    return chance


def _right(similarity: float) -> Grid:
    import numpy as np

    thresholds, steepness = _grid()
    chance: Grid = 1.0 / (1.0 + np.exp(np.clip(-steepness * (similarity - thresholds), -60.0, 60.0)))
    return chance


@cache
def _doubts() -> Grid:
    import numpy as np

    return np.array(_DOUBTS)


@cache
def _grid() -> tuple[Grid, Grid]:
    import numpy as np

    low, high, steps = _THRESHOLDS
    thresholds, steepness = np.meshgrid(np.linspace(low, high, steps), np.array(_STEEPNESS), indexing="ij")
    return thresholds.ravel(), steepness.ravel()
