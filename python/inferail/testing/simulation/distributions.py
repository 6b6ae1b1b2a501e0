"""A body like a lognormal and a tail like a Pareto: what latencies of providers look like, stated or fitted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Final

from inferail.errors import ConfigError
from inferail.testing.load.percentiles import quantile

__all__ = ["Tailed"]

_NORMAL: Final = NormalDist()
_TINY: Final = 1e-12
_ENOUGH_FOR_A_TAIL: Final = 100  # samples: five of them are a tail of 5 %
_TAIL: Final = 0.05
# The 84th and the 16th percentile of a normal distribution are two standard deviations apart.
_HIGH, _LOW = 0.8413, 0.1587
# A tail falls off no slower than this: of anything flatter the mean says nothing.
_FLATTEST, _STEEPEST = 0.8, 20.0


@dataclass(frozen=True, slots=True)
class Tailed:
    """A distribution of positive numbers.

    Below the quantile `1 - tail` it is lognormal; above, it falls off as a Pareto of that exponent, from where the body ends
    unless `starts` says otherwise. `tail=0` is a lognormal, `sigma=0` as well is the constant `median`.

    Attributes:
        median: Of the body.
        sigma: Standard deviation of the body's logarithm.
        tail: The share of the numbers in the tail, 0 up to 0.5.
        exponent: How fast the tail falls off: the smaller the heavier. 1.2 is heavy, 3 is light.
        starts: Where the tail starts; None is where the body ends.
        longest: Nothing is larger.
    """

    median: float
    sigma: float = 0.0
    tail: float = 0.0
    exponent: float = 2.0
    starts: float | None = None
    longest: float = 600.0

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("median", self.median, _TINY, 1e9),
            ("sigma", self.sigma, 0.0, 10.0),
            ("tail", self.tail, 0.0, 0.5),
            ("exponent", self.exponent, 0.1, 1e3),
            ("starts", self.starts, 0.0, 1e9),
            ("longest", self.longest, _TINY, 1e9),
        ):
            if value is not None and not (math.isfinite(value) and low <= value <= high):
                raise ConfigError(f"the {name} of a distribution is a number from {low:g} to {high:g}, not {value!r}")

    def quantile(self, share: float) -> float:
        """The number below which that share of all are; of a uniform draw it makes a number of this distribution."""
        body = 1.0 - self.tail
        if share <= body or not self.tail:
            return min(self.longest, self._body(share))
        return min(self.longest, self.begins * math.pow(self.tail / max(_TINY, 1.0 - share), 1.0 / self.exponent))

    @property
    def begins(self) -> float:
        """Where the tail begins."""
        return self._body(1.0 - self.tail) if self.starts is None else self.starts

    def scaled(self, factor: float) -> Tailed:
        """The same, so many times as large."""
        return replace(self, median=self.median * factor, starts=None if self.starts is None else self.starts * factor)

    def __str__(self) -> str:
        body = f"lognormal, median {self.median:.3g}, sigma {self.sigma:.2g}"
        return f"{body}; the top {self.tail:.2g} a Pareto of exponent {self.exponent:.3g}" if self.tail else body

    @classmethod
    def fit(cls, samples: Sequence[float]) -> Tailed:
        """The distribution that samples come from, by their quantiles; the tail by Hill's estimator where there are many.

        Raises:
            ConfigError: No sample is a positive number.
        """
        ordered = sorted(value for value in samples if value > 0 and math.isfinite(value))
        if not ordered:
            raise ConfigError("there is nothing to fit: no sample is a positive number")
        middle = quantile(ordered, 0.5)
        sigma = max(0.0, math.log(quantile(ordered, _HIGH) / quantile(ordered, _LOW)) / 2.0)
        if len(ordered) < _ENOUGH_FOR_A_TAIL:
            return cls(middle, min(10.0, sigma))
        starts = quantile(ordered, 1.0 - _TAIL)
        excesses = [math.log(value / starts) for value in ordered if value > starts]
        mean = sum(excesses) / len(excesses) if excesses else 0.0
        exponent = _STEEPEST if mean <= 1.0 / _STEEPEST else max(_FLATTEST, 1.0 / mean)
        return cls(middle, min(10.0, sigma), _TAIL, exponent, starts, max(600.0, ordered[-1]))

    def _body(self, share: float) -> float:
        if not self.sigma:
            return self.median
        return self.median * math.exp(self.sigma * _NORMAL.inv_cdf(min(max(share, _TINY), 1.0 - _TINY)))
