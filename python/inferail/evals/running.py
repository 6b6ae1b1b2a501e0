"""Runs every case through what is evaluated, several at a time, and scores what comes back."""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack, cast

from inferail._sync import drive
from inferail.concurrency import all_of
from inferail.errors import BudgetError, CancelledError, ConfigError, DeadlineError, RequestError
from inferail.evals.asking import TRIAL_LABEL, Asked, Evaluated, Where
from inferail.evals.case import Case, Scorer, Scoring, as_cases, as_scorer, check_passing
from inferail.evals.metering import Meter
from inferail.evals.results import CaseResult, EvalResult, Trial
from inferail.evals.scorers.texts import Normalised
from inferail.transport.clock import clock_of
from inferail.types.response import Response
from inferail.types.scope import Budget, Scope, current_scope
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inferail.types.response import Attempt

__all__ = ["EvalOptions", "arun_eval", "run_eval"]

_FREE: Final = Usage(cost_usd=0.0)


class EvalOptions(TypedDict, total=False):
    """What an evaluation may set.

    Attributes:
        trials: How often each case is run; 1 by default.
        at_once: How many trials run at a time; 8 by default.
        passing: For a scorer that is a plain function: the value from which on an answer passes; 0.5 by default.
        budget: What everything together may cost, the scorer's calls included, besides what the Scope's Budget allows. What is left
            when one is spent is not run, and says so.
        cache: Where the model's answers are remembered (`remembered`): a path, a `redis://` address, or a Store.
        fresh: Whether remembered answers are left aside and replaced.
        name: What the result is called; by default the model, or the function.
        on_trial: Called with the case and each trial as it ends, from whichever thread ran it.
    """

    trials: int
    at_once: int
    passing: float
    budget: Budget | None
    cache: Where | None
    fresh: bool
    name: str
    on_trial: Callable[[Case, Trial], None]


def run_eval(
    cases: Iterable[Any] | str | os.PathLike[str],
    fn: Evaluated,
    scorer: Scoring | None = None,
    **options: Unpack[EvalOptions],
) -> EvalResult:
    """How good a function or a model is at some cases; blocks meanwhile.

        score = run_eval([Case("2 + 2?", "4")], lambda question: client.complete(question).text)

    An answer that does not come (an exception of the function) counts as 0, with the class of the exception; one that cannot be
    scored does not count, and makes the result incomplete. Neither ends the evaluation.

    Args:
        cases: Cases, anything with `input` and `expected`, or the path of a JSONL file (`datasets.load`).
        fn: A function of the input, called from several threads; or `provider:model`, a Model, an `ir.Client`.
        scorer: By default `Normalised()`: the expected text, but for case, blanks and marks at its ends.
        options: See `EvalOptions`.

    Raises:
        ConfigError: No cases, or a wrong argument; nothing was run.
        FormatError: The file has a broken line; nothing was run.
    """
    return drive(_Run(cases, fn, scorer, options, blocking=True).result())


def arun_eval(
    cases: Iterable[Any] | str | os.PathLike[str],
    fn: Evaluated,
    scorer: Scoring | None = None,
    **options: Unpack[EvalOptions],
) -> Coroutine[Any, Any, EvalResult]:
    """The same, to be awaited: functions may be coroutine functions, and clients are `ir.AsyncClient`s.

    Raises:
        ConfigError: As `run_eval`, at once.
        FormatError: As `run_eval`, at once.
    """
    return _Run(cases, fn, scorer, options, blocking=False).result()


class _Run:
    """One evaluation."""

    def __init__(
        self, cases: Any, fn: Evaluated, scorer: Scoring | None, options: EvalOptions, *, blocking: bool
    ) -> None:
        if unknown := options.keys() - EvalOptions.__annotations__.keys():
            known = ", ".join(EvalOptions.__annotations__)
            raise ConfigError(f"an evaluation has no option {min(unknown)!r}; known: {known}")
        self._trials = _number(options, "trials", 1)
        self._at_once = _number(options, "at_once", 8)
        passing = options.get("passing", 0.5)
        check_passing(passing)
        budget = options.get("budget")
        if not (budget is None or isinstance(budget, Budget)):
            raise ConfigError(f"budget must be a Budget, for example ir.Budget(usd=1), not {type(budget).__name__}")
        self._cases = _listed(cases)
        self._scorer: Scorer = Normalised() if scorer is None else as_scorer(scorer, passing)
        self._check_scorer(blocking=blocking)
        self._asked = Asked(fn, blocking=blocking, cache=options.get("cache"), fresh=options.get("fresh", False))
        self._name = options.get("name") or self._asked.name
        self._on_trial = options.get("on_trial")
        self._blocking = blocking
        self._scope = current_scope()
        self._budgets = (budget, self._scope.budget)
        self._stopped: str | None = None

    def _check_scorer(self, *, blocking: bool) -> None:
        kind: bool | None = getattr(self._scorer, "blocking", None)
        if kind is not None and kind != blocking:
            which = "ir.Client or ir.Embedder" if blocking else "ir.AsyncClient or ir.AsyncEmbedder"
            raise ConfigError(
                f"the scorer {self._scorer.name} of {'run' if blocking else 'arun'}_eval needs an {which}"
            )

    async def result(self) -> EvalResult:
        """Runs everything: first trials of all cases, then second ones, so that a budget that ends cuts none off wholly."""
        began = time.monotonic()
        places = [(place, number) for number in range(1, self._trials + 1) for place in range(len(self._cases))]
        jobs = [partial(self._trial, self._cases[place], number) for place, number in places]
        try:
            ended = await all_of(jobs, at_once=self._at_once, blocking=self._blocking)
        finally:
            await self._asked.aclose()
        count = len(self._cases)
        results = tuple(CaseResult(case, tuple(ended[place::count])) for place, case in enumerate(self._cases))
        return EvalResult(self._name, results, self._scorer.name, self._trials, time.monotonic() - began)

    async def _trial(self, case: Case, number: int) -> Trial:
        reason = self._ending()
        if case.problem is not None:
            trial = Trial(number, "unscored", error="FormatError", reason=case.problem)
        elif reason is not None:
            trial = Trial(number, "not_run", reason=reason)
        else:
            trial = await self._run(case, number)
        if self._on_trial is not None:
            self._on_trial(case, trial)
        return trial

    async def _run(self, case: Case, number: int) -> Trial:
        labels = {"eval": self._name, "eval_case": case.id, TRIAL_LABEL: str(number)}
        meter = Meter(*self._budgets)
        began = time.monotonic()
        try:
            with self._scope_of(meter, labels).enter():
                output = await self._asked.answer(case.input)
                if inspect.isawaitable(output):
                    output = await self._awaited(output)
        except Exception as error:  # noqa: BLE001 - whatever a function raises is what became of this trial
            seconds, usage = time.monotonic() - began, _usage(meter, error)
            reason = self._ending_by(error)
            if reason is not None:
                return Trial(number, "not_run", error=type(error).__name__, reason=reason, seconds=seconds, usage=usage)
            return Trial(number, "failed", error=type(error).__name__, seconds=seconds, usage=usage)
        seconds, usage = time.monotonic() - began, _usage(meter, output)
        cached = isinstance(output, Response) and output.cache is not None
        scoring = Meter(*self._budgets)
        try:
            with self._scope_of(scoring, labels).enter():
                score = await self._scorer.score(case, output)
        except Exception as error:  # noqa: BLE001 - a judge that fails says nothing of the answer
            reason = self._ending_by(error) or _reason(error)
            return Trial(
                number, "unscored", None, output, type(error).__name__, reason, seconds, usage, scoring.total, cached
            )
        return Trial(number, "scored", score, output, None, None, seconds, usage, scoring.total, cached)

    def _scope_of(self, meter: Meter, labels: dict[str, str]) -> Scope:
        return self._scope.but(budget=cast("Budget", meter), labels={**self._scope.labels, **labels})

    async def _awaited(self, output: Any) -> Any:
        if not self._blocking:
            return await output
        if inspect.iscoroutine(output):
            output.close()
        raise ConfigError("the function returned an awaitable: await arun_eval(…)")

    def _ending(self) -> str | None:
        """Why nothing may be run any more; None while it may."""
        if self._stopped is None:
            scope = self._scope
            if scope.cancellation is not None and scope.cancellation.cancelled:
                self._stopped = "cancelled"
            elif scope.deadline is not None and clock_of(scope).now() >= scope.deadline:
                self._stopped = "deadline"
            else:
                try:
                    Meter(*self._budgets).check()
                except BudgetError:
                    self._stopped = "budget"
        return self._stopped

    def _ending_by(self, error: Exception) -> str | None:
        """The same, after an error that may have come of it: a budget or a deadline of the function's own is its own."""
        return self._ending() if isinstance(error, BudgetError | DeadlineError | CancelledError) else None


def _listed(cases: Any) -> tuple[Case, ...]:
    if isinstance(cases, str | os.PathLike):
        from inferail.evals.datasets.jsonl import load

        return tuple(load(os.fspath(cast("str", cases))))
    return as_cases(cases)


def _number(options: EvalOptions, name: str, default: int) -> int:
    number: Any = options.get(name, default)
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise ConfigError(f"{name} must be a number, 1 or more, not {number!r}")
    return number


def _usage(meter: Meter, ended: Any) -> Usage:
    """What a trial consumed: what was spent in its Scope, or where nothing was (a test double) what its Response or its error says."""
    if meter.counted:
        return meter.total
    attempts: Sequence[Attempt] = ended.attempts if isinstance(ended, Response | RequestError) else ()
    if isinstance(ended, Response) and not attempts:
        return _FREE if ended.cache is not None else ended.usage
    return sum((attempt.usage for attempt in attempts), _FREE)


def _reason(error: Exception) -> str | None:
    """Our own sentence, which quotes nothing; of another's error the class has to do."""
    return error.message if isinstance(error, ConfigError) else None
