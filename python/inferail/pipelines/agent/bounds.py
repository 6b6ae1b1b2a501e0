"""The money and the tokens of one run, inside those of the Scope around it."""

from __future__ import annotations

from typing import Literal

from inferail.errors import BudgetError, ConfigError
from inferail.types.scope import Budget
from inferail.types.usage import Usage

__all__ = ["DEFAULT_STEPS", "RunBudget", "steps_of"]

# A run without a bound of its own still ends.
DEFAULT_STEPS = 20


class RunBudget(Budget):
    """What one run may spend. What it spends is spent from the budget around it as well."""

    def __init__(self, bounds: Budget | None, outer: Budget | None) -> None:
        """Nothing spent yet.

        Args:
            bounds: How much it may spend.
            outer: The budget around the run, or None.
        """
        super().__init__(usd=None if bounds is None else bounds.usd, tokens=None if bounds is None else bounds.tokens)
        self.outer = outer
        self.priced = True  # whether everything that was spent had a known price

    @property
    def usage(self) -> Usage:
        """Everything spent; the cost is None where something had no known price."""
        return self.spent if self.priced else self.spent.with_cost(None)

    def spend(self, usage: Usage) -> None:
        """Adds what was consumed, here and around."""
        self.restore(usage, priced=usage.cost_usd is not None or not usage.total_tokens, around=True)

    def restore(self, usage: Usage, *, priced: bool, around: bool) -> None:
        """Adds what was consumed before a restart.

        Args:
            usage: How much.
            priced: Whether its cost is all of it.
            around: Whether the budget around the run does not know of it yet.
        """
        self.priced = self.priced and priced
        super().spend(usage)
        if around and self.outer is not None:
            self.outer.spend(usage)

    def check(self) -> None:
        """Raises BudgetError if nothing is left, here or around."""
        super().check()
        if self.outer is not None:
            self.outer.check()

    def used_up(self) -> Literal["money", "tokens"] | None:
        """What nothing is left of."""
        try:
            self.check()
        except BudgetError:
            return self._which()
        return None

    def _which(self) -> Literal["money", "tokens"]:
        budget: Budget | None = self
        while budget is not None:
            if budget.usd is not None and (budget.spent.cost_usd or 0.0) >= budget.usd:
                return "money"
            if budget.tokens is not None and budget.spent.total_tokens >= budget.tokens:
                return "tokens"
            budget = budget.outer if isinstance(budget, RunBudget) else None
        return "money"


def steps_of(budget: Budget | None) -> int:
    """How many steps a run may take.

    Raises:
        ConfigError: Not a Budget, or a number of steps that is none.
    """
    if not (budget is None or isinstance(budget, Budget)):
        raise ConfigError(f"budget must be a Budget, for example ir.Budget(usd=0.05), not {type(budget).__name__}")
    steps = DEFAULT_STEPS if budget is None or budget.steps is None else budget.steps
    if not isinstance(steps, int) or steps < 1:
        raise ConfigError(f"an agent needs a whole number of steps, 1 or more, not {steps!r}")
    return steps
