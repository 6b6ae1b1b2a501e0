"""What an evaluation found: a trial, a case with its trials, and the whole of it, which reads as a number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from inferail.errors import ConfigError
from inferail.evals.case import Case, Score
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.evals.statistics.bootstrap import Interval

__all__ = ["CaseResult", "EvalResult", "Status", "Trial"]

Status: TypeAlias = Literal["scored", "failed", "unscored", "not_run"]
_NOTHING = Usage(cost_usd=0.0)


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of one case.

    Attributes:
        number: Which one of the case, from 1.
        status: `scored`; `failed`: there was no answer, which counts as 0; `unscored`: there was one, or the case is broken,
            and nobody could say how good; `not_run`: a budget, a deadline or a cancellation came first.
        score: Where it was scored.
        output: What the function gave.
        error: Class name of what was raised, or None.
        reason: Why it was not run or not scored, in a word or a sentence.
        seconds: How long the function took.
        usage: Tokens and cost of every attempt it made, also failed ones; the cost is None where a price is not known.
        scoring: The same of the scorer.
        cached: Whether a cache gave the answer.
    """

    number: int
    status: Status
    score: Score | None = None
    output: Any = field(default=None, repr=False)
    error: str | None = None
    reason: str | None = None
    seconds: float = 0.0
    usage: Usage = _NOTHING
    scoring: Usage = _NOTHING
    cached: bool = False

    @property
    def value(self) -> float | None:
        """The score, 0 for no answer, None where nobody knows."""
        if self.status == "failed":
            return 0.0
        return self.score.value if self.score is not None else None

    @property
    def passed(self) -> bool:
        """Whether there was an answer and it is good enough."""
        return self.score is not None and self.score.passed


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What became of one case.

    Attributes:
        case: The case.
        trials: Its runs, in order.
    """

    case: Case
    trials: tuple[Trial, ...]

    @property
    def values(self) -> tuple[float, ...]:
        """The scores of the trials that count, in order; no answer is 0."""
        return tuple(value for trial in self.trials if (value := trial.value) is not None)

    @property
    def value(self) -> float | None:
        """Their mean; None where none counts."""
        values = self.values
        return fmean(values) if values else None

    @property
    def spread(self) -> float:
        """Their standard deviation: how much answers to the same question differ in quality."""
        values = self.values
        return pstdev(values) if values else 0.0

    @property
    def num_passed(self) -> int:
        """How many trials passed."""
        return sum(trial.passed for trial in self.trials)

    @property
    def flaky(self) -> bool:
        """Whether some trials passed and some that count did not."""
        return 0 < self.num_passed < len(self.values)

    @property
    def passed(self) -> bool:
        """Whether every trial counts and passed."""
        return self.num_passed == len(self.trials)

    @property
    def seconds(self) -> float | None:
        """Mean time of the trials that answered; None where none did."""
        times = [trial.seconds for trial in self.trials if trial.status in ("scored", "unscored") and not trial.cached]
        return fmean(times) if times else None

    @property
    def usage(self) -> Usage:
        """Of all trials together."""
        return sum((trial.usage for trial in self.trials), _NOTHING)


@dataclass(frozen=True, eq=False)
class EvalResult:
    """What an evaluation found. It reads as its score: `float(result)`, `result >= 0.9`, `f"{result:.1%}"`.

    Attributes:
        name: What was evaluated: the model, or the function.
        cases: One for each case, in the order of the dataset.
        scorer: What measured.
        trials: How often each case was to be run.
        seconds: From the first to the last.
    """

    name: str
    cases: tuple[CaseResult, ...]
    scorer: str = ""
    trials: int = 1
    seconds: float = 0.0

    def __repr__(self) -> str:
        return f"EvalResult({self.name!r}, {self.score:.4f} of {self.scorer} over {len(self.cases)} cases)"

    @cached_property
    def score(self) -> float:
        """Mean over the cases of the mean over their trials; not a number where no case counts."""
        values = [value for each in self.cases if (value := each.value) is not None]
        return fmean(values) if values else math.nan

    def __float__(self) -> float:
        return self.score

    def __format__(self, form: str) -> str:
        return format(self.score, form) if form else repr(self)

    def __lt__(self, other: float) -> bool:
        return self.score < float(other)

    def __le__(self, other: float) -> bool:
        return self.score <= float(other)

    def __gt__(self, other: float) -> bool:
        return self.score > float(other)

    def __ge__(self, other: float) -> bool:
        return self.score >= float(other)

    def count(self, status: Status) -> int:
        """How many trials ended so."""
        return sum(trial.status == status for each in self.cases for trial in each.trials)

    @property
    def complete(self) -> bool:
        """Whether every trial was run and scored, or failed by itself."""
        return not (self.count("not_run") or self.count("unscored"))

    @property
    def answered(self) -> bool:
        """Whether there was any answer at all: where there was none, something else is wrong than the quality."""
        return bool(self.count("scored") or self.count("unscored"))

    @property
    def num_cached(self) -> int:
        """How many trials a cache answered."""
        return sum(trial.cached for each in self.cases for trial in each.trials)

    @property
    def flaky(self) -> tuple[CaseResult, ...]:
        """The cases that passed in some trials only."""
        return tuple(each for each in self.cases if each.flaky)

    @property
    def spread(self) -> float:
        """Mean over the cases of the standard deviation of their trials: what the model's own chance does."""
        spreads = [each.spread for each in self.cases if len(each.values) > 1]
        return fmean(spreads) if spreads else 0.0

    @property
    def pass_rate(self) -> float:
        """Share of the trials that passed, of those that count."""
        counted = sum(len(each.values) for each in self.cases)
        return sum(each.num_passed for each in self.cases) / counted if counted else math.nan

    @property
    def usage(self) -> Usage:
        """Tokens and cost of what was evaluated."""
        return sum((each.usage for each in self.cases), _NOTHING)

    @property
    def scoring(self) -> Usage:
        """Tokens and cost of the scorer (a judge)."""
        return sum((trial.scoring for each in self.cases for trial in each.trials), _NOTHING)

    @property
    def reasons(self) -> Mapping[str, int]:
        """Why trials were not run, not scored or failed, and how many each."""
        found: dict[str, int] = {}
        for trial in (trial for each in self.cases for trial in each.trials if trial.status != "scored"):
            reason = trial.reason or trial.error or trial.status
            found[reason] = found.get(reason, 0) + 1
        return found

    def tags(self) -> dict[str, EvalResult]:
        """The result of the cases of each tag."""
        names = sorted({tag for each in self.cases for tag in each.case.tags})
        return {
            name: EvalResult(
                self.name, tuple(each for each in self.cases if name in each.case.tags), self.scorer, self.trials
            )
            for name in names
        }

    def seconds_at(self, share: float) -> float | None:
        """The time that this share of the trials did not exceed, of those that were really asked; None where there is none."""
        times = sorted(
            trial.seconds
            for each in self.cases
            for trial in each.trials
            if trial.status in ("scored", "unscored") and not trial.cached and not each.case.problem
        )
        return times[max(0, math.ceil(share * len(times)) - 1)] if times else None

    def pass_at(self, k: int) -> float:
        """pass@k: the chance that at least one of k trials passes, mean over the cases (`statistics.trials.pass_at`).

        Raises:
            ConfigError: A case has fewer than k trials that count.
        """
        from inferail.evals.statistics.trials import pass_at

        return self._over_trials(pass_at, k)

    def pass_every(self, k: int) -> float:
        """pass^k: the chance that all of k trials pass, mean over the cases (`statistics.trials.pass_every`).

        Raises:
            ConfigError: A case has fewer than k trials that count.
        """
        from inferail.evals.statistics.trials import pass_every

        return self._over_trials(pass_every, k)

    def interval(self, *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0) -> Interval:
        """The bootstrap interval of the score, cases drawn again with replacement; within 0 to 1.

        Raises:
            ConfigError: No case counts, or a number is out of range.
        """
        from inferail.evals.statistics.bootstrap import bootstrap

        values = [value for each in self.cases if (value := each.value) is not None]
        found = bootstrap(values, confidence=confidence, resamples=resamples, seed=seed)
        return replace(found, low=max(0.0, found.low), high=min(1.0, found.high))

    def _over_trials(self, of: Any, k: int) -> float:
        counted = [each for each in self.cases if each.values]
        if not counted:
            raise ConfigError("no case has been scored")
        return fmean(of(len(each.values), each.num_passed, k) for each in counted)
