"""What surrounds a call: deadline, budget, cancellation and labels, and who carries it.

A Scope is a context variable: it flows into everything that a call starts. A stream captures the Scope in which it was
made; a Model that opens other Models later (a fallback) enters the captured Scope again with `with scope.enter():`.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Protocol

from inferail.errors import BudgetError, CancelledError, ConfigError
from inferail.frozen import quick
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Budget", "Cancellation", "Recorder", "Scope", "current_scope", "scope"]


class Recorder(Protocol):
    """Where Records go (a sink of `inferail.telemetry`)."""

    def record(self, record: Any) -> None:
        """Takes one Record; must not raise into the call."""
        ...


class Cancellation:
    """Cancels every call whose Scope holds it. Thread-safe; cancelling twice is the same as once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._callbacks: dict[int, Callable[[], None]] = {}

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled

    def cancel(self) -> None:
        """Stops the calls: each raises `CancelledError` with what it had."""
        with self._lock:
            self._cancelled = True
            callbacks = list(self._callbacks.values())
            self._callbacks.clear()
        for callback in callbacks:
            callback()

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Runs `callback` on cancellation (at once if it has happened); returns how to unsubscribe."""
        with self._lock:
            if not self._cancelled:
                key = id(callback)
                self._callbacks[key] = callback
                return lambda: self._callbacks.pop(key, None) and None
        callback()
        return lambda: None

    def check(self, *, provider: str | None = None, model: str | None = None, partial: Any = None) -> None:
        """Raises CancelledError if cancelled."""
        if self.cancelled:
            raise CancelledError("the call was cancelled by its Scope", provider=provider, model=model, partial=partial)


class Budget:
    """An upper bound on money and tokens, shared by every call in its Scope; and on the steps of an agent. Thread-safe.

    A call is refused with `BudgetError` once the bound is reached. What is spent is known after an answer, so calls
    that run at the same moment can together exceed the bound by what they are spending.
    """

    def __init__(self, *, usd: float | None = None, tokens: int | None = None, steps: int | None = None) -> None:
        """Sets the bound: at most `usd` US dollars, at most `tokens` tokens; None is no bound.

        `steps` is for an `Agent`, which keeps to it; a call by itself has none.

        Raises:
            ConfigError: Not a number, or negative.
        """
        for name, bound in (("usd", usd), ("tokens", tokens), ("steps", steps)):
            if bound is not None and not (_is_number(bound) and bound >= 0):
                raise ConfigError(f"{name} must be a number, 0 or more, not {bound!r}")
        self.usd = usd
        self.tokens = tokens
        self.steps = steps
        self._lock = threading.Lock()
        self._spent = Usage(cost_usd=0.0)

    @property
    def spent(self) -> Usage:
        """Everything spent so far (`cost_usd` sums the known costs)."""
        return self._spent

    def spend(self, usage: Usage) -> None:
        """Adds what an attempt consumed."""
        with self._lock:
            self._spent = self._spent + usage.with_cost(usage.cost_usd or 0.0)

    def check(self) -> None:
        """Raises BudgetError if nothing is left."""
        spent_usd = self._spent.cost_usd or 0.0
        if self.usd is not None and spent_usd >= self.usd:
            raise BudgetError(f"the budget of {self.usd:g} USD is spent", limit=self.usd, spent=spent_usd)
        if self.tokens is not None and self._spent.total_tokens >= self.tokens:
            raise BudgetError(
                f"the budget of {self.tokens} tokens is spent", limit=self.tokens, spent=self._spent.total_tokens
            )


@quick
@dataclass(frozen=True, slots=True)
class Scope:
    """What surrounds a call.

    Attributes:
        deadline: Moment on the transport's clock after which nothing may run, or None.
        default_deadline: The same where nobody asked for a deadline; a target with timeouts of its own goes by those.
        budget: Bound on money and tokens, or None.
        labels: Carried to the Records.
        cancellation: Cancels the call from elsewhere, or None.
        transport: Carries wire requests (`inferail.transport.Transport`); set by the client.
        recorder: Takes the Records; set by the client.
        alternatives: How many other targets are left if this one fails. A target with alternatives does not wait to
            retry: moving on is faster.
        reason: Why the next attempt is made: `first`, `fallback`, `hedge`, ….
        timeouts: The client's `inferail.Timeouts`, for targets that have none of their own.
        rivals: How many other targets are asked at the same time, or will be once this one fails. A target with rivals does
            not wait to retry either, but has all of the time.
        call_id: Names the call; every attempt made for it carries it to its Record.
        policy: Which labelled data may go where (`inferail.governance.DataPolicy`), or None for what is known by itself.
        path: How the call comes to its models: `direct`, or `gateway` (our server), `local`, `batch`.
    """

    deadline: float | None = None
    default_deadline: float | None = None
    budget: Budget | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    cancellation: Cancellation | None = None
    transport: Any = None
    recorder: Recorder | None = None
    alternatives: int = 0
    reason: str = "first"
    timeouts: Any = None
    rivals: int = 0
    call_id: str = ""
    policy: Any = None
    path: str = "direct"

    def enter(self) -> Entered:
        """Makes this the current Scope inside a `with` block."""
        return Entered(self)

    def but(self, **changes: Any) -> Scope:
        """The same Scope with some things changed."""
        # By position: `dataclasses.replace` takes twice as long, and combinations of models do this for every call.
        values = [*_VALUES(self)]
        for name, value in changes.items():
            values[_PLACES[name]] = value
        return Scope(*values)

    @property
    def ends(self) -> float | None:
        """The moment after which nothing of a call may run, whether anybody asked for that or not; None is no limit."""
        asked, by_default = self.deadline, self.default_deadline
        if asked is None or by_default is None:
            return by_default if asked is None else asked
        return min(asked, by_default)


_PLACES: Final = {each.name: place for place, each in enumerate(fields(Scope))}
_VALUES: Final = attrgetter(*_PLACES)


class Entered:
    """The `with` block of `Scope.enter`; about a third of the cost of `contextlib.contextmanager`."""

    __slots__ = ("_scope", "_token")

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def __enter__(self) -> Scope:
        self._token: Token[Scope] = _current.set(self._scope)
        return self._scope

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _current.reset(self._token)


_current: ContextVar[Scope] = ContextVar("inferail_scope", default=Scope())  # noqa: B039 - frozen data


def current_scope() -> Scope:
    """The Scope around the running code."""
    return _current.get()


def scope(
    *,
    timeout: float | None = None,
    budget: Budget | None = None,
    labels: Mapping[str, str] | None = None,
    cancellation: Cancellation | None = None,
    policy: Any = None,
) -> Entered:
    """A `with` block whose calls share a deadline, a budget, labels or a cancellation.

    Blocks nest: the earlier deadline wins, labels are joined, the inner budget and cancellation replace the outer.

    Args:
        timeout: Seconds from now until nothing may run any more; 0 or less means that no time is left.
        budget: Bound on money and tokens of everything inside.
        labels: Carried to the Records.
        cancellation: Cancels everything inside from elsewhere.
        policy: A `DataPolicy` for everything inside; one of a Scope around must agree as well.

    Raises:
        ConfigError: `timeout` is not a number, or a label is not a string.
    """
    if not (timeout is None or _is_number(timeout)):
        raise ConfigError(f"timeout must be a finite number of seconds or None, not {timeout!r}")
    if not (budget is None or isinstance(budget, Budget)):
        raise ConfigError(f"budget must be a Budget, for example ir.Budget(usd=0.05), not {type(budget).__name__}")
    if not (cancellation is None or isinstance(cancellation, Cancellation)):
        raise ConfigError(f"cancellation must be a Cancellation, not {type(cancellation).__name__}")
    check_labels(labels or {})
    outer = current_scope()
    deadline = outer.deadline
    if timeout is not None:
        deadline = min(time.monotonic() + timeout, deadline if deadline is not None else math.inf)
    return outer.but(
        deadline=deadline,
        budget=budget or outer.budget,
        labels={**outer.labels, **(labels or {})},
        cancellation=cancellation or outer.cancellation,
        policy=agreed(outer.policy, policy),
    ).enter()


def check_labels(labels: Mapping[str, str]) -> None:
    """Raises ConfigError unless names and values are strings: Records with anything else could not be read back."""
    right = isinstance(labels, (dict, Mapping))  # `dict` first: the check of an abstract class takes five times as long
    for name, text in labels.items() if right else ():
        right = right and isinstance(name, str) and isinstance(text, str)
    if not right:
        raise ConfigError("labels are strings by name, for example labels={'task': 'faq'}")


def agreed(outer: Any, inner: Any) -> Any:
    """What two data policies around a call both allow, where there are two.

    Raises:
        ConfigError: `inner` is no DataPolicy.
    """
    if inner is not None and not hasattr(inner, "also"):
        raise ConfigError("policy must be a DataPolicy, for example DataPolicy.load('policy.toml')")
    return inner if outer is None else outer if inner is None or inner is outer else outer.also(inner)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
