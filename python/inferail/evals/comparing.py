"""A against B, case by case: how much better or worse, how sure that is, and what the comparison could have seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from inferail.errors import ConfigError
from inferail.evals.statistics.bootstrap import Interval, bootstrap
from inferail.evals.statistics.power import cases_needed, detectable_drop, power_to_see

if TYPE_CHECKING:
    from inferail.evals.results import CaseResult, EvalResult

__all__ = ["Change", "Comparison", "Verdict", "compare"]

Verdict: TypeAlias = Literal["dropped", "held", "inconclusive"]
# With fewer pairs not even all of them changing for the worse is significant: the two-sided sign test of n equal signs has
# p = 2 / 2^n, which is below 0.05 from 6 on.
LEAST_PAIRS: Final = 6


@dataclass(frozen=True, slots=True)
class Change:
    """One case that both were run on.

    Attributes:
        id: Of the case.
        before: Its score there.
        after: Its score here.
    """

    id: str
    before: float
    after: float

    @property
    def difference(self) -> float:
        """After minus before."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed between two evaluations of the same cases.

    Attributes:
        before: The first.
        after: The second.
        changes: The cases that count in both, in the order of the first.
        unpaired: Ids of cases that count in one of them only.
        interval: Mean difference, after minus before, with its bootstrap interval.
        max_drop: The drop that is accepted: 0.012 is 1.2 points of a score from 0 to 1.
        spread: Standard deviation of the differences.
    """

    before: EvalResult = field(repr=False)
    after: EvalResult = field(repr=False)
    changes: tuple[Change, ...] = field(repr=False)
    unpaired: tuple[str, ...]
    interval: Interval
    max_drop: float
    spread: float

    @property
    def difference(self) -> float:
        """Mean over the pairs of after minus before."""
        return self.interval.mean

    @property
    def verdict(self) -> Verdict:
        """What can be said.

        `dropped`: the mean fell by more than `max_drop`, and the whole interval lies below 0. `held`: the whole interval lies
        above `-max_drop`. `inconclusive`: neither, or fewer than six pairs; `str()` says how many cases would tell.
        """
        if len(self.changes) < LEAST_PAIRS:
            return "inconclusive"
        if self.interval.mean < -self.max_drop and self.interval.high < 0.0:
            return "dropped"
        return "held" if self.interval.low >= -self.max_drop else "inconclusive"

    @property
    def complete(self) -> bool:
        """Whether everything was run and scored in both, every case has its pair, and both gave answers."""
        both = (self.before, self.after)
        return all(each.complete and each.answered for each in both) and not self.unpaired

    @property
    def worse(self) -> tuple[Change, ...]:
        """The cases that fell, those that fell furthest first."""
        return tuple(sorted((each for each in self.changes if each.difference < 0), key=lambda each: each.difference))

    @property
    def better(self) -> tuple[Change, ...]:
        """The cases that rose, those that rose furthest first."""
        return tuple(sorted((each for each in self.changes if each.difference > 0), key=lambda each: -each.difference))

    def power(self, drop: float = 0.04) -> float:
        """The chance that a true drop of this size would have been reported as `dropped` (`statistics.power.power_to_see`).

        Where no two scores differ there is no spread to reckon with: then it is taken as that of one differing case.

        Raises:
            ConfigError: The drop is not a positive number.
        """
        if len(self.changes) < LEAST_PAIRS:
            return 0.0
        confidence, tolerated = self.interval.confidence, self.max_drop
        return power_to_see(drop, len(self.changes), self._spread, tolerated=tolerated, confidence=confidence)

    def detectable(self, power: float = 0.8) -> float:
        """The smallest true drop that would have been reported with this power."""
        confidence, tolerated = self.interval.confidence, self.max_drop
        return detectable_drop(len(self.changes), self._spread, power=power, tolerated=tolerated, confidence=confidence)

    def cases_needed(self, drop: float = 0.04, power: float = 0.8) -> int | None:
        """How many cases like these would report a true drop of this size; None where no number does (it is tolerated)."""
        confidence, tolerated = self.interval.confidence, self.max_drop
        needed = cases_needed(drop, self._spread, power=power, tolerated=tolerated, confidence=confidence)
        return None if needed is None else max(needed, LEAST_PAIRS)

    def __str__(self) -> str:
        interval = self.interval
        first = (
            f"{self.verdict}: {self.before.name} {self.before.score:.4f} -> {self.after.name} {self.after.score:.4f}, "
            f"difference {interval.mean:+.4f} ({interval.confidence:.0%} interval {interval.low:+.4f} to "
            f"{interval.high:+.4f}, p = {interval.p_value:.4f}) over {len(self.changes)} cases; "
            f"accepted: a drop of {self.max_drop:g}"
        )
        lines = [first, self.power_in_words()]
        if self.unpaired:
            lines.append(f"{len(self.unpaired)} cases count in one of the two only and are left out")
        return "\n".join(lines)

    def power_in_words(self, drop: float = 0.04) -> str:
        """What this comparison could have seen, in a sentence."""
        needed = self.cases_needed(drop)
        more = (
            f"{needed:,} cases see that with 80 %"
            if needed is not None
            else "no number of cases reports what is accepted"
        )
        return (
            f"a true drop of {drop:.1%} is reported with a power of {self.power(drop):.0%} ({more}); "
            f"the smallest drop seen with 80 % is {self.detectable():.1%}"
        )

    @property
    def _spread(self) -> float:
        return self.spread or len(self.changes) ** -0.5


def compare(
    before: EvalResult,
    after: EvalResult,
    *,
    max_drop: float = 0.0,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Compares two evaluations of the same cases: before and after a change of prompt, model or weights.

    Cases are paired by their ids, so what makes one case harder than another cancels. Trials of a case are one value, their mean.

    Args:
        before: What was.
        after: What is.
        max_drop: The drop of the mean that is accepted, 0 to 1.
        confidence: Of the interval.
        resamples: Of the bootstrap.
        seed: Of the bootstrap; the same seed gives the same interval.

    Raises:
        ConfigError: No case counts in both, or a number is out of range.
    """
    if isinstance(max_drop, bool) or not isinstance(max_drop, int | float) or not 0.0 <= max_drop <= 1.0:
        raise ConfigError(f"max_drop must be a number from 0 to 1, such as 0.012, not {max_drop!r}")
    first, second = _values(before.cases), _values(after.cases)
    changes = tuple(Change(name, value, second[name]) for name, value in first.items() if name in second)
    if not changes:
        raise ConfigError("no case counts in both evaluations: run both on the same dataset")
    unpaired = tuple([name for name in first if name not in second] + [name for name in second if name not in first])
    differences = [each.difference for each in changes]
    interval = bootstrap(differences, confidence=confidence, resamples=resamples, seed=seed)
    spread = stdev(differences) if len(differences) > 1 and fmean(map(abs, differences)) else 0.0
    return Comparison(before, after, changes, unpaired, interval, float(max_drop), spread)


def _values(cases: tuple[CaseResult, ...]) -> dict[str, float]:
    return {each.case.id: value for each in cases if (value := each.value) is not None}
