"""Which of two evaluations has the better answers, by a judge that sees them side by side in both orders."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from inferail._sync import drive
from inferail.concurrency import all_of
from inferail.errors import ConfigError
from inferail.evals.statistics.bootstrap import Interval, bootstrap

if TYPE_CHECKING:
    from inferail.evals.case import Case
    from inferail.evals.results import CaseResult, EvalResult
    from inferail.evals.scorers.judge import PairJudge, Preference

__all__ = ["Pairs", "acompare_pairs", "compare_pairs"]


@dataclass(frozen=True, slots=True)
class Pairs:
    """What a judge preferred.

    Attributes:
        wins: Cases in which it preferred the second.
        losses: In which it preferred the first.
        ties: In which it preferred neither in both orders.
        swayed: In which it said something else in the other order: these count half for each.
        failures: In which it did not answer: these do not count.
        interval: Share of wins, ties as halves, less 0.5: above 0 the second is better.
    """

    wins: int
    losses: int
    ties: int
    swayed: int
    failures: int
    interval: Interval

    @property
    def win_rate(self) -> float:
        """Share of wins, ties as halves."""
        return self.interval.mean + 0.5

    @property
    def position_bias(self) -> float:
        """Share of the cases in which the judge went by the order of the answers."""
        return self.swayed / (self.wins + self.losses + self.ties + self.swayed)


def compare_pairs(
    before: EvalResult,
    after: EvalResult,
    judge: PairJudge,
    *,
    at_once: int = 8,
    confidence: float = 0.95,
    seed: int = 0,
) -> Pairs:
    """Asks the judge about each case that was answered in both, twice; blocks meanwhile.

    Args:
        before: The first answers.
        after: The second ones.
        judge: On an `ir.Client`.
        at_once: How many cases at a time.
        confidence: Of the interval.
        seed: Of the bootstrap.

    Raises:
        ConfigError: No case was answered in both, no answer of the judge, or one that is on an `ir.AsyncClient`.
    """
    if not judge.blocking:
        raise ConfigError("compare_pairs needs a PairJudge on an ir.Client; await acompare_pairs with this one")
    return drive(_compared(before, after, judge, at_once, confidence=confidence, seed=seed))


def acompare_pairs(
    before: EvalResult,
    after: EvalResult,
    judge: PairJudge,
    *,
    at_once: int = 8,
    confidence: float = 0.95,
    seed: int = 0,
) -> Coroutine[Any, Any, Pairs]:
    """The same, to be awaited, with a judge on an `ir.AsyncClient`.

    Raises:
        ConfigError: As `compare_pairs`.
    """
    if judge.blocking:
        raise ConfigError("acompare_pairs needs a PairJudge on an ir.AsyncClient")
    return _compared(before, after, judge, at_once, confidence=confidence, seed=seed)


async def _compared(
    before: EvalResult, after: EvalResult, judge: PairJudge, at_once: int, *, confidence: float, seed: int
) -> Pairs:
    if isinstance(at_once, bool) or not isinstance(at_once, int) or at_once < 1:
        raise ConfigError(f"at_once must be a number, 1 or more, not {at_once!r}")
    second = {each.case.id: output for each in after.cases if (output := _answer(each)) is not None}
    jobs = [
        partial(_preferred, judge, each.case, output, second[each.case.id])
        for each in before.cases
        if each.case.id in second and (output := _answer(each)) is not None
    ]
    if not jobs:
        raise ConfigError("no case was answered in both evaluations: run both on the same dataset")
    said = await all_of(jobs, at_once=at_once, blocking=judge.blocking)
    known = [each for each in said if each is not None]
    if not known:
        raise ConfigError(f"the judge answered none of {len(said)} cases: look at one with judge.prefer(…)")
    even = [each for each in known if each.value == 0.5]
    return Pairs(
        sum(each.value == 1.0 for each in known),
        sum(each.value == 0.0 for each in known),
        sum(each.consistent for each in even),
        sum(not each.consistent for each in even),
        len(said) - len(known),
        bootstrap([each.value - 0.5 for each in known], confidence=confidence, seed=seed),
    )


async def _preferred(judge: PairJudge, case: Case, first: Any, second: Any) -> Preference | None:
    try:
        return await judge.prefer(case, first, second)
    except Exception:  # noqa: BLE001 - counted: one answer that does not come leaves the others
        return None


def _answer(each: CaseResult) -> Any:
    """The output of the first trial that has one."""
    return next((trial.output for trial in each.trials if trial.status in ("scored", "unscored")), None)
