"""What one trial consumes: a Budget that counts every attempt inside it and passes it on to the one around it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.types.scope import Budget

__all__ = ["Meter"]

_NOTHING = Usage(cost_usd=0.0)


class Meter:
    """Stands in the Scope where a Budget does: what leaves a Record is spent there, also of failed, hedged and retried attempts.

    Everything else it is asked, the Budget around answers, the first of several. Thread-safe.
    """

    def __init__(self, *outer: Budget | None) -> None:
        """Counts from nothing; `outer` are the Budgets that it passes on to, each of which may refuse."""
        self._budgets = [budget for budget in outer if budget is not None]
        first = self._budgets[0] if self._budgets else None
        self._outer = first
        self._lock = threading.Lock()
        self._usages: list[Usage] = []
        self.usd = None if first is None else first.usd
        self.tokens = None if first is None else first.tokens

    def __getattr__(self, name: str) -> Any:
        # Bounds that a Budget may have besides (steps) are those of the outer one; without one there are none.
        if name.startswith("_"):
            raise AttributeError(name)
        return None if self._outer is None else getattr(self._outer, name)

    @property
    def spent(self) -> Usage:
        """What the Budget around has spent, or this trial where there is none."""
        return self.total if self._outer is None else self._outer.spent

    @property
    def counted(self) -> bool:
        """Whether anything was spent."""
        return bool(self._usages)

    @property
    def total(self) -> Usage:
        """What was spent here; the cost is None where that of an attempt is not known."""
        with self._lock:
            return sum(self._usages, _NOTHING)

    def spend(self, usage: Usage) -> None:
        """Counts it, here and outside."""
        with self._lock:
            self._usages.append(usage)
        for budget in self._budgets:
            budget.spend(usage)

    def check(self) -> None:
        """Raises BudgetError if nothing is left of a Budget around."""
        for budget in self._budgets:
            budget.check()
