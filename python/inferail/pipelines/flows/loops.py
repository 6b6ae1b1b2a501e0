"""The same step again and again, until its result will do: bounded by steps, money and time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from inferail.errors import CancelledError, ConfigError
from inferail.pipelines.flows.failing import StepError, failed
from inferail.pipelines.flows.scopes import allowed, at_step, within
from inferail.pipelines.flows.steps import AsyncFlow, Either, Flow, called, function_of, named
from inferail.transport.clock import clock_of
from inferail.types.scope import Budget, Scope, current_scope

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["aloop", "loop"]

StateT = TypeVar("StateT")


class _Rounds:
    """What both kinds share."""

    def __init__(
        self, step: Any, until: Any, max_steps: int, budget: Budget | None, timeout: float | None, *, blocking: bool
    ) -> None:
        self._step = function_of(step, "step", blocking=blocking)
        self._until = function_of(until, "until", blocking=blocking)
        if isinstance(max_steps, bool) or not isinstance(max_steps, int) or max_steps < 1:
            raise ConfigError(f"max_steps must be a whole number, 1 or more, not {max_steps!r}")
        if budget is not None and not isinstance(budget, Budget):
            raise ConfigError(f"budget must be a Budget, for example ir.Budget(usd=0.05), not {type(budget).__name__}")
        check_seconds("timeout", timeout)
        self._max_steps, self._budget, self._timeout = max_steps, budget, timeout
        self._blocking = blocking
        self.name = named(step, "step")

    async def run(self, state: Any) -> Any:
        scope = self._scope()
        states: list[Any] = []
        for number in range(1, self._max_steps + 1):
            try:
                allowed(scope)
                with at_step(scope, self.name).enter():
                    state = await called(self._step, state, blocking=self._blocking)
                    states.append(state)
                    if await called(self._until, state, blocking=self._blocking):
                        return state
            except CancelledError:
                raise
            except Exception as error:
                place = f" (round {number} of at most {self._max_steps})"
                raise failed(self.name, place, error, states, number) from error
        raise self._exhausted(states)

    def _exhausted(self, states: Sequence[Any]) -> StepError:
        return StepError(
            f"step {self.name!r}: {self._max_steps} rounds were not enough for `until`",
            step=self.name,
            reason="limit",
            results=states,
            rejected=states[-1],
            tries=self._max_steps,
        )

    def _scope(self) -> Scope:
        scope = current_scope()
        if self._budget is not None:
            scope = scope.but(budget=within(self._budget, scope.budget))
        if self._timeout is not None:
            ends = clock_of(scope).now() + self._timeout
            scope = scope.but(deadline=min(ends, math.inf if scope.deadline is None else scope.deadline))
        return scope


class _Loop(Flow[StateT, StateT]):
    def __init__(self, rounds: _Rounds) -> None:
        super().__init__("loop")
        self._rounds = rounds

    async def run(self, value: Any) -> Any:
        return await self._rounds.run(value)


class _AsyncLoop(AsyncFlow[StateT, StateT]):
    def __init__(self, rounds: _Rounds) -> None:
        super().__init__("loop")
        self._rounds = rounds

    async def run(self, value: Any) -> Any:
        return await self._rounds.run(value)


def loop(
    step: Callable[[StateT], StateT],
    *,
    until: Callable[[StateT], object],
    max_steps: int,
    budget: Budget | None = None,
    timeout: float | None = None,
) -> Flow[StateT, StateT]:
    """A function that runs a step again and again on its own result, until that will do.

    Args:
        step: Makes the next state of a state: a draft better, a plan shorter.
        until: Says whether a state is the last one; asked after each step.
        max_steps: The most steps, 1 or more.
        budget: Money and tokens of all steps together, inside of what the Scope allows. A Budget is used up once: made here,
            it holds for every call of the loop together.
        timeout: Seconds after which no step begins and no model goes on.

    Raises:
        ConfigError: A wrong option.
        StepError: When it is called: a step failed, or `max_steps` were not enough (`reason` is `limit`); `.results` has
            every state.
        CancelledError: When it is called: the Scope was cancelled.
    """
    return _Loop(_Rounds(step, until, max_steps, budget, timeout, blocking=True))


def aloop(
    step: Either[StateT, StateT],
    *,
    until: Callable[[StateT], object],
    max_steps: int,
    budget: Budget | None = None,
    timeout: float | None = None,
) -> AsyncFlow[StateT, StateT]:
    """The twin of `loop` for async functions; `until` may be asynchronous as well."""
    return _AsyncLoop(_Rounds(step, until, max_steps, budget, timeout, blocking=False))


def check_seconds(name: str, seconds: float | None) -> None:
    """Raises ConfigError unless it is a positive number of seconds, or None."""
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if seconds is not None and not (is_number and 0 < seconds < math.inf):
        raise ConfigError(f"{name} must be a positive number of seconds or None, not {seconds!r}")
