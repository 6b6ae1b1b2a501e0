"""Lets calls in as far as their limits allow, and books what they consumed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from inferail.core import AdaptiveConcurrency, Refusal
from inferail.errors import BudgetError, CapacityError, ConfigError
from inferail.limits.books import Ask, Refused, Spent
from inferail.limits.gate import Gate
from inferail.limits.limits import LimitUsage
from inferail.limits.told import Told
from inferail.limits.waiting import Signal
from inferail.transport.clock import clock_of, time_left

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inferail.limits.books import Book
    from inferail.limits.gate import Need
    from inferail.limits.limits import Rule
    from inferail.types.clock import Clock
    from inferail.types.request import Request
    from inferail.types.scope import Scope

__all__ = ["Admission", "Admissions", "Outcome"]

Outcome: TypeAlias = Literal["succeeded", "limited", "failed", "unknown"]

_PRIORITIES: Final = {"high": 0, "normal": 1, "low": 2, **{str(number): number for number in range(10)}}
_NORMAL: Final = 1
_ADAPTIVE: Final = -1  # stand for rules of their own
_PROVIDER: Final = -2
_LOOK: Final = (
    5.0  # seconds after which to look again where a call has to end: one that was lost returns when it expires
)
_GRACE: Final = 60.0  # seconds after the deadline of a call at which its reservation returns by itself
_UNKNOWN_LENGTH: Final = 600.0  # of a call without a deadline


class Admission:
    """A call that was let in. `end` it once; later calls do nothing."""

    __slots__ = ("_admissions", "_began", "_clock", "_hold")

    def __init__(self, admissions: Admissions, hold: Any, clock: Clock, began: float) -> None:
        self._admissions: Admissions | None = admissions
        self._hold = hold
        self._clock = clock
        self._began = began

    def end(self, spent: Spent, outcome: Outcome = "unknown") -> None:
        """It has consumed this; the outcome is one of `AdaptiveConcurrency.release`."""
        admissions, self._admissions = self._admissions, None
        if admissions is not None:
            admissions.end(self._hold, spent, outcome, self._began, self._clock.now())


class Admissions:
    """The way in for the calls of one `Limited`. Thread-safe.

    Attributes:
        told: What the provider says is left.
        adaptive: The limit on concurrent calls that is found out, if one is.
    """

    def __init__(self, rules: Sequence[Rule], book: Book, *, adaptive: bool, queue: int, ageing: float) -> None:
        self.told = Told()
        self.adaptive = AdaptiveConcurrency() if adaptive else None
        self._rules = rules
        self._book = book
        self._queue = queue
        self._gate = Gate(queue, ageing)
        self._keyed = any(rule.per for rule in rules) or any(rule.group for rule in rules)
        self._labels = [per for _, per in sorted({(rule.group, rule.per) for rule in rules}, key=lambda pair: pair[0])]

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return len(self._gate)

    async def enter(self, request: Request, scope: Scope, tokens: int, micros: int) -> Admission:
        """Waits until there is room, as long as the call may run.

        Raises:
            CapacityError: There is no room in time, or too many wait already.
            BudgetError: Its money is spent, or the call alone is too large.
            CancelledError: The Scope was cancelled.
            ConfigError: The label `priority` has an unknown value.
        """
        clock = clock_of(scope)
        now = clock.now()
        left = time_left(scope)
        ttl = (left if math.isfinite(left) else _UNKNOWN_LENGTH) + _GRACE
        ask = Ask(self._keys(request, scope), tokens, micros, max(_GRACE, ttl))
        if not self._gate:
            got = await self._try(ask, now)
            if not isinstance(got, Refusal | Refused):
                return Admission(self, got, clock, now)
            self._check(got, ask, left)
        else:
            got = None
        if scope.alternatives or scope.rivals or not self._queue:  # while another model is left nobody waits
            raise self._refusal(got, ask, "no queue")
        return await self._wait(ask, scope, clock, _priority(request, scope), got)

    def end(self, hold: Any, spent: Spent, outcome: Outcome, began: float, now: float) -> None:
        """A call has ended."""
        if self.adaptive is not None:
            self.adaptive.release(outcome, began, now)
        self._book.settle(hold, spent, now, self._gate.released)

    async def usage(self, request: Request | None, scope: Scope) -> dict[str, LimitUsage]:
        """How far each limit is used, on the accounts that this call would be charged to."""
        counts = await self._book.used(self._keys(request, scope), clock_of(scope).now())
        told: dict[str, LimitUsage] = {}
        for rule, (used, held) in zip(self._rules, counts, strict=True):
            unit = 1e6 if rule.unit == "micros" else 1
            told[rule.label] = LimitUsage(rule.most / unit, used / unit, held / unit)
        return told

    async def aclose(self) -> None:
        """Settles what is left to settle."""
        await self._book.aclose()

    async def _wait(
        self, ask: Ask, scope: Scope, clock: Clock, priority: int, got: Refusal | Refused | None
    ) -> Admission:
        signal = Signal(scope, clock)
        waiter = self._gate.join(clock.now(), priority, self._needs(ask), signal)
        if waiter is None:
            raise self._refusal(got, ask, f"{self._queue} calls wait already")
        pause = self._book.poll
        try:
            while True:
                wait = math.inf
                if self._gate.may_try(waiter):
                    releases, now = self._gate.releases, clock.now()
                    tried = await self._try(ask, now)
                    if not isinstance(tried, Refusal | Refused):
                        return Admission(self, tried, clock, now)
                    got = tried
                    self._check(got, ask, time_left(scope))
                    if not self._gate.refused(waiter, self._need(got, ask), releases):
                        continue
                    wait = _LOOK if got.retry_after is None else got.retry_after
                    if pause is not None:
                        wait, pause = min(wait, pause), min(1.0, pause * 1.5)
                left = time_left(scope)
                if left <= 0:
                    raise self._refusal(got, ask, "no room in time")
                # A moment later than told: the slot has then surely left, whatever the rounding.
                await signal.wait(min(wait + 1e-6, left))
                if waiter.displaced:
                    raise self._refusal(got, ask, "more important calls took its place")
                self._gate.again(waiter)
        finally:
            self._gate.leave(waiter)

    async def _try(self, ask: Ask, now: float) -> Any:
        """A hold, or why there is none."""
        adaptive = self.adaptive
        wait = self.told.wait(ask.tokens, now)
        if wait > 0:
            return Refused(_PROVIDER, wait, 0, 0)
        if adaptive is not None and not adaptive.acquire():
            return Refused(_ADAPTIVE, None, adaptive.in_flight, adaptive.in_flight)
        got: Any = None
        try:
            got = await self._book.reserve(ask, now)
        finally:
            if adaptive is not None and (got is None or isinstance(got, Refusal | Refused)):
                adaptive.release("unknown", now, now)
        if not isinstance(got, Refusal | Refused):
            self.told.took(ask.tokens)
        return got

    def _check(self, got: Refusal | Refused, ask: Ask, left: float) -> None:
        """Raises where waiting is of no use."""
        rule = self._rules[got.limit] if got.limit >= 0 else None
        if got.retry_after is not None and math.isinf(got.retry_after):
            raise self._refusal(got, ask, "")
        if rule is not None and rule.unit == "micros" and got.used - got.held + ask.micros > rule.most:
            raise self._refusal(got, ask, "")
        if got.retry_after is not None and not got.held and got.retry_after > left:
            raise self._refusal(got, ask, "no room in time")

    def _refusal(self, got: Refusal | Refused | None, ask: Ask, why: str) -> CapacityError | BudgetError:
        if got is None:
            return CapacityError(f"others wait for their limits before this call: {why}")
        if got.limit == _ADAPTIVE:
            return CapacityError(f"{got.used} calls run, as many as the provider bears: {why}")
        if got.limit == _PROVIDER:
            return CapacityError(f"the provider says that nothing is left: {why}", retry_after=got.retry_after)
        rule = self._rules[got.limit]
        asked = {"micros": ask.micros, "tokens": ask.tokens}.get(rule.unit, 1)
        if rule.unit == "micros":
            most, spent, held, asks = (n / 1e6 for n in (rule.most, max(0, got.used - got.held), got.held, asked))
            return BudgetError(
                f"the limit {rule} does not allow {asks:g} more: {spent:g} are spent, {held:g} reserved by calls that run",
                limit=most,
                spent=spent,
                reserved=held,
            )
        if asked > rule.most:
            return BudgetError(
                f"the call may consume {asked:,} {rule.unit}, more than the limit {rule} ever allows: lower its max_tokens",
                limit=rule.most,
                spent=0,
            )
        return CapacityError(f"the limit {rule} has no room: {why}", retry_after=got.retry_after)

    def _keys(self, request: Request | None, scope: Scope) -> tuple[str, ...]:
        return tuple([_key(per, request, scope) for per in self._labels]) if self._keyed else ("",)

    def _needs(self, ask: Ask) -> list[Need]:
        special = [(_ADAPTIVE, ""), (_PROVIDER, "")]
        return special + [(number, ask.keys[rule.group]) for number, rule in enumerate(self._rules)]

    def _need(self, got: Refusal | Refused, ask: Ask) -> Need:
        return got.limit, ask.keys[self._rules[got.limit].group] if got.limit >= 0 else ""


def _key(per: str | None, request: Request | None, scope: Scope) -> str:
    if per is None:
        return ""  # the account of all
    own = None if request is None else request.labels.get(per)
    value = scope.labels.get(per) if own is None else own
    return "-" if value is None else f"={value}"


def _priority(request: Request, scope: Scope) -> int:
    label = request.labels.get("priority", scope.labels.get("priority"))
    if label is None:
        return _NORMAL
    if label not in _PRIORITIES:
        raise ConfigError(f"the label 'priority' is high, normal or low, or 0 (high) to 9, not {label!r}")
    return _PRIORITIES[label]
