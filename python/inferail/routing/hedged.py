"""Hedged: another model is asked too where the first one takes longer than usual, and the first answer wins."""

from __future__ import annotations

import math
import re
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, Self

from inferail.errors import ConfigError, RequestError
from inferail.routing.fallback import Fallback
from inferail.routing.health import Health, rough_tokens
from inferail.routing.racing import Contest, Entrant
from inferail.transport.clock import clock_of
from inferail.types.model import Among, explained
from inferail.types.response import Partial, text_message
from inferail.types.scope import current_scope

if TYPE_CHECKING:
    from types import TracebackType

    from inferail.core import Delta
    from inferail.types.model import DeltaStream, Model
    from inferail.types.request import Request
    from inferail.types.response import Attempt, Response
    from inferail.types.scope import Scope

__all__ = ["ExtraLoad", "HedgeBudget", "HedgeStatistics", "Hedged", "HedgedStream", "seconds"]

_QUANTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?)\Z", re.ASCII)
# A whole answer takes about so many times as long as its first word.
_WHOLE = 10.0


class HedgeBudget(Protocol):
    """Decides whether one more request may be made beside another one (`inferail.core.RetryBudget` is one).

    Where it has a method `spend(usd)`, that is told what the extra requests cost; where it has a method `settle()`, that a
    request has an answer, or none, and will ask for no more.
    """

    def deposit(self) -> None:
        """A request was made."""
        ...

    def withdraw(self) -> bool:
        """Whether an extra one may be."""
        ...


class ExtraLoad:
    """Extra requests as a share of all: over any time, never more than `1 + share * requests` that ran in it. Thread-safe.

    It grants all that this allows. What a request pays in stays in hand until it is settled, for requests that run at the
    same time have all paid in before the first of them is late: a bucket that holds one extra request at most (a
    `RetryBudget` with `burst=1`) let one of sixteen be hedged, with a share of 1. Of those that were settled, one extra
    request is saved up.
    """

    def __init__(self, share: float) -> None:
        """Begins with one extra request in hand."""
        self._share = share
        self._in_hand = 1.0
        self._running = 0
        self._lock = threading.Lock()

    def deposit(self) -> None:
        """A request was made."""
        with self._lock:
            self._running += 1
            self._in_hand += self._share

    def withdraw(self) -> bool:
        """Whether an extra one may be made; it is counted then."""
        with self._lock:
            # Twenty times 0.05 can be a little less than 1.
            if self._in_hand < 1.0 - 1e-9:
                return False
            self._in_hand -= 1.0
            return True

    def settle(self) -> None:
        """A request that was made has an answer, or none."""
        with self._lock:
            self._running -= 1
            self._in_hand = min(self._in_hand, 1.0 + self._share * self._running)


@dataclass(frozen=True, slots=True)
class HedgeStatistics:
    """What a Hedged did so far.

    Attributes:
        requests: Those it was asked.
        hedged: Those for which another model was asked because the first was late.
        won: Those among them that the model asked later answered.
    """

    requests: int = 0
    hedged: int = 0
    won: int = 0


class Hedged(Among):
    """Asks its first model, and the next one too if no answer has begun after a while; the first to answer wins.

    First is the first content of a stream, or the first whole answer where it is not streamed. A model that fails does
    not end the others, and one that fails before the delay is over is followed by the next at once. Losers are
    cancelled, their connections closed; what they cost is in `Response.attempts` and in the Records, with
    `reason="hedge"` for those that were asked second.

    Extra requests are bounded by `max_extra`. A request with a tool that has side effects is never hedged: its models
    are asked one after another, as by a `Fallback`. Models that rest (see `Health`) come last, and are never asked as
    extra ones.

    Without streaming, a synchronous call waits up to 0.1 s for the loser's thread to notice that it has lost.
    """

    def __init__(
        self,
        *models: str | Model,
        after: float | str = "p95",
        default: float = 1.0,
        max_extra: float = 0.05,
        budget: HedgeBudget | None = None,
        health: Health | None = None,
    ) -> None:
        """Takes `provider:model` strings and Models, the preferred one first; the same string twice is two models.

        Args:
            models: Two or more, in the order in which they are asked.
            after: Seconds without content before the next model is asked; or a quantile (`"p95"`, `"p50"`) of what the
                model took for prompts of about this length, as its health knows it.
            default: Seconds to wait where `after` is a quantile and fewer than 20 calls are known; ten times as long for
                an answer that is not streamed.
            max_extra: The largest share of extra requests, 0 to 1: over any time, never more than
                `1 + max_extra * requests` that ran in it.
            budget: Decides that instead, for several models together.
            health: Shared with other combiners; its own by default.

        Raises:
            ConfigError: Fewer than two models, a string that names none, or a wrong option.
        """
        if len(models) < 2:
            raise ConfigError("Hedged needs at least two models: the same one twice is allowed")
        self.health = health if health is not None else Health()
        # Asks one after another where hedging is not allowed, and knows what belongs to all models.
        self._chain = Fallback(*models, health=self.health)
        self.models: tuple[Model, ...] = self._chain.models
        self._quantile = _quantile(after)
        self._after = seconds("default" if self._quantile else "after", default if self._quantile else after)
        if budget is not None and not (hasattr(budget, "deposit") and hasattr(budget, "withdraw")):
            raise ConfigError("budget needs deposit() and withdraw(), as an inferail.core.RetryBudget has them")
        if isinstance(max_extra, bool) or not isinstance(max_extra, int | float) or not 0 <= max_extra <= 1:
            raise ConfigError(f"max_extra must be a share of the requests, 0 to 1, not {max_extra!r}")
        self.budget: HedgeBudget = budget if budget is not None else ExtraLoad(max_extra)
        self._counts = [0, 0, 0]
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """`hedged(first, second, …)`."""
        return f"hedged({', '.join(model.name for model in self.models)})"

    def __repr__(self) -> str:
        return f"Hedged({', '.join(repr(model) for model in self.models)})"

    @property
    def statistics(self) -> HedgeStatistics:
        """How many requests were hedged so far, and what for."""
        with self._lock:
            return HedgeStatistics(*self._counts)

    async def generate(self, request: Request) -> Response[Any]:
        """The first whole answer; its `.attempts` holds those of the losers.

        Raises:
            RouteError: Every model failed.
        """
        scope = current_scope()
        self.count(requests=1)
        try:
            if not self.may_hedge(request, scope):
                return await self._chain.generate(request)
            hedge = _Hedge(self, request, scope, streamed=False)
            winner = await hedge.winner()
        finally:
            self.settle()
        if winner is None or winner.response is None:
            raise hedge.contest.exhausted()
        return hedge.told(winner.response)

    def stream(self, request: Request) -> HedgedStream:
        """The answer while it arrives, from the first model that brings any content."""
        return HedgedStream(self, request, current_scope())

    def one_after_another(self, request: Request, scope: Scope) -> DeltaStream:
        """A stream of the models in their order, for a request that may not be hedged."""
        with scope.enter():
            return self._chain.stream(request)

    def may_hedge(self, request: Request, scope: Scope) -> bool:
        """Whether nothing happens twice if two models answer, and one of them does not rest (a Fallback waits for it)."""
        if any(tool.side_effects for tool in request.tools):
            return False
        now = clock_of(scope).now()
        return any(self.health.of(model).ready_at(now) <= now for model in self.models)

    def delay(self, model: Model, request: Request, *, streamed: bool) -> float:
        """Seconds to wait for `model` before another one is asked too."""
        if self._quantile is None:
            return self._after
        known = self.health.of(model).quantile(self._quantile, streamed=streamed, input_tokens=rough_tokens(request))
        return known if known is not None else self._after * (1.0 if streamed else _WHOLE)

    def count(self, *, requests: int = 0, hedged: int = 0, won: int = 0) -> None:
        """Adds to the statistics; a request also pays into the budget."""
        with self._lock:
            self._counts = [self._counts[0] + requests, self._counts[1] + hedged, self._counts[2] + won]
        if requests:
            self.budget.deposit()

    def settle(self) -> None:
        """A request that was counted will ask nobody else any more."""
        settle = getattr(self.budget, "settle", None)
        if settle is not None:
            settle()

    def explain(self, request: Request, *, stream: bool = False) -> str:
        """What each model would send, in the order in which they are asked."""
        after = f"{self._after:g} s" if self._quantile is None else f"its {self._quantile:.0%} quantile"
        hedges = self.may_hedge(request, current_scope())
        how = (
            f"the next if one has brought nothing after {after}" if hedges else "each only if the ones before it failed"
        )
        return explained(f"# {self.name}: in this order, {how}", self.models, request, stream=stream)


class HedgedStream:
    """The stream of a Hedged; see `inferail.types.model.DeltaStream`."""

    def __init__(self, hedged: Hedged, request: Request, scope: Scope) -> None:
        self._hedged = hedged
        self._request = request
        self._scope = scope
        self._hedge: _Hedge | None = None
        self._winner: Entrant | None = None
        self._plain: DeltaStream | None = None

    @property
    def partial(self) -> Partial:
        """What has arrived of the answer that is being shown."""
        if self._plain is not None:
            return self._plain.partial
        return self._winner.reading.partial if self._winner is not None else Partial(text_message(""))

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts that have ended, of every model."""
        if self._plain is not None:
            return tuple(self._plain.attempts)
        return self._hedge.contest.attempts if self._hedge is not None else ()

    async def __aenter__(self) -> Self:
        if self._hedge is not None or self._plain is not None:
            raise ConfigError("a stream is entered once: ask for a new one")
        self._hedged.count(requests=1)
        try:
            if not self._hedged.may_hedge(self._request, self._scope):
                self._plain = self._hedged.one_after_another(self._request, self._scope)
                await self._plain.__aenter__()
                return self
            self._hedge = _Hedge(self._hedged, self._request, self._scope, streamed=True)
            self._winner = await self._hedge.winner()
        finally:
            self._hedged.settle()
        if self._winner is None:
            raise self._hedge.contest.exhausted()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._plain is not None:
            await self._plain.__aexit__(kind, error, traceback)
        elif self._winner is not None and self._hedge is not None:
            self._winner.succeeded()  # it had begun well; what its reader does is not its fault
            try:
                await self._winner.leave()
            finally:
                await self._hedge.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Delta]:
        if self._plain is not None:
            return await self._plain.__anext__()
        winner, hedge = self._begun()
        if winner.held:
            return winner.held.pop(0)
        try:
            return await winner.reading.__anext__()
        except StopAsyncIteration:
            winner.succeeded()
            await hedge.close(winner)
            raise
        except RequestError as error:
            winner.failed(error)
            await hedge.close(winner)
            error.attempts = hedge.contest.attempts
            raise

    async def final(self) -> Response[Any]:
        """The whole answer, with the attempts of every model."""
        if self._plain is not None:
            return await self._plain.final()
        async for _ in self:
            pass
        winner, hedge = self._begun()
        return hedge.told(await winner.reading.final())

    def _begun(self) -> tuple[Entrant, _Hedge]:
        if self._winner is None or self._hedge is None:
            raise ConfigError("the stream has not been entered: use it in a `with` block")
        return self._winner, self._hedge


class _Hedge:
    """The models of one request: who is asked when."""

    def __init__(self, hedged: Hedged, request: Request, scope: Scope, *, streamed: bool) -> None:
        self.contest = Contest(request, scope, hedged.health)
        self._hedged = hedged
        self._request = request
        self._streamed = streamed
        self._left = hedged.health.ordered(hedged.models, self._now())
        self._late: set[int] = set()
        self._by: float | None = None

    async def winner(self) -> Entrant | None:
        """The first to answer; None if all failed. The losers of a stream are still being closed then.

        Raises:
            Exception: What is the caller's; everything is closed then.
        """
        try:
            winner = await self._first()
        except BaseException as error:
            await self.close()
            if isinstance(error, RequestError):
                error.attempts = self.contest.attempts
            raise
        if winner is not None and winner.number in self._late:
            self._hedged.count(won=1)
        if winner is None or not self._streamed:
            await self.close(winner)
        else:
            self.contest.stop(*self.contest.entrants)
        return winner

    def told(self, response: Response[Any]) -> Response[Any]:
        """The answer with what the others did."""
        if len(self.contest.entrants) == 1:
            return response
        return replace(response, attempts=self.contest.attempts, warnings=(*response.warnings, *self.contest.warnings))

    async def close(self, winner: Entrant | None = None) -> None:
        """Lets go of everything but the winner, and tells a budget of money what the extra requests cost."""
        await self.contest.close(winner)
        late, self._late = self._late, set()
        spend = getattr(self._hedged.budget, "spend", None)
        if spend is not None and late:
            made = [attempt for number in late for attempt in self.contest.entrants[number].attempts]
            spend(sum(attempt.usage.cost_usd or 0.0 for attempt in made))

    async def _first(self) -> Entrant | None:
        self._ask(self.contest.scope.reason)
        while self.contest.running:
            happening = await self.contest.next(self._by)
            if happening is None:
                self._hedge()
                continue
            entrant = self.contest.entrants[happening.runner]
            if entrant.error is None:
                return entrant
            if self._left:
                self._ask("fallback")
        return None

    def _hedge(self) -> None:
        """The delay is over: asks the next model too, if that is allowed and sensible."""
        self._by = None
        if self._hedged.health.of(self._left[0]).available(self._now()) and self._hedged.budget.withdraw():
            self._late.add(len(self.contest.entrants))
            if len(self._late) == 1:
                self._hedged.count(hedged=1)
            self._ask("hedge")

    def _ask(self, reason: str) -> None:
        model = self._left.pop(0)
        work = Entrant.open if self._streamed else Entrant.answer
        # With nobody beside it and nobody after it, a target does better to wait and retry.
        rivals = len(self._left) + sum(entrant.running for entrant in self.contest.entrants)
        scope = self.contest.scope
        self.contest.ask(model, work, reason=reason, rivals=scope.rivals + rivals)
        delay = self._hedged.delay(model, self._request, streamed=self._streamed)
        self._by = self.contest.now() + delay if self._left else None

    def _now(self) -> float:
        return self.contest.clock.now()


def _quantile(after: float | str) -> float | None:
    if not isinstance(after, str):
        return None
    match = _QUANTILE.match(after)
    if match is None or not 0 < float(match[1]) < 100:
        raise ConfigError(f"after must be seconds, or a quantile such as 'p95', not {after!r}")
    return float(match[1]) / 100.0


def seconds(name: str, value: Any) -> float:
    """A checked number of seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ConfigError(f"{name} must be a number of seconds, 0 or more, not {value!r}")
    return float(value)
