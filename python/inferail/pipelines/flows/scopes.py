"""What the Scope around a flow means for its steps: nothing begins that it forbids, and records say which step they are of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inferail.errors import DeadlineError
from inferail.transport.clock import clock_of
from inferail.types.scope import Budget

if TYPE_CHECKING:
    from inferail.types.scope import Scope
    from inferail.types.usage import Usage

__all__ = ["STEP", "allowed", "at_step", "within"]

STEP = "step"
"""The label that says which step a record is of: `report/extract` is the step `extract` of the step `report`."""


def at_step(scope: Scope, name: str, **changes: Any) -> Scope:
    """`scope` as a step sees it."""
    outer = scope.labels.get(STEP)
    labels = {**scope.labels, STEP: f"{outer}/{name}" if outer else name}
    return scope.but(labels=labels, **changes)


def allowed(scope: Scope) -> None:
    """Raises what keeps a step from being begun.

    Raises:
        CancelledError: The Scope was cancelled.
        BudgetError: Its budget is spent.
        DeadlineError: Its time is over.
    """
    if scope.cancellation is not None:
        scope.cancellation.check()
    if scope.budget is not None:
        scope.budget.check()
    if scope.ends is not None and clock_of(scope).now() >= scope.ends:
        raise DeadlineError("no time is left for another step", phase="total")


def within(budget: Budget | None, outer: Budget | None) -> Budget | None:
    """The budget under which both hold."""
    if budget is None or outer is None or budget is outer:
        return budget or outer
    return _Within(budget, outer)


class _Within(Budget):
    """A budget inside another one: what is spent is spent of both."""

    def __init__(self, inner: Budget, outer: Budget) -> None:
        self._inner, self._outer = inner, outer
        self.usd, self.tokens = inner.usd, inner.tokens

    def __getattr__(self, name: str) -> Any:  # a bound of another kind, where budgets have one
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._inner, name)

    @property
    def spent(self) -> Usage:
        """What the inner one has spent."""
        return self._inner.spent

    def spend(self, usage: Usage) -> None:
        """Adds it to both."""
        self._inner.spend(usage)
        self._outer.spend(usage)

    def check(self) -> None:
        """Raises BudgetError if nothing is left of one of them."""
        self._inner.check()
        self._outer.check()
