"""A Model that is asked no more than its limits allow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Self

from inferail.errors import (
    BudgetError,
    CancelledError,
    CapacityError,
    ConfigError,
    ConnectError,
    InferailError,
    OverloadedError,
    RateLimitError,
    RequestError,
    ServerError,
    StreamError,
    TransportError,
)
from inferail.limits.admission import Admissions
from inferail.limits.books import LocalBook, SharedBook, Spent
from inferail.limits.counting import Estimator
from inferail.limits.limits import Limits, micros
from inferail.transport.clock import clock_of
from inferail.types.model import Around
from inferail.types.registry import resolve
from inferail.types.response import Partial, Response, text_message
from inferail.types.scope import Budget, Scope, current_scope
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from types import TracebackType

    from inferail.core import Delta
    from inferail.limits.admission import Admission, Outcome
    from inferail.limits.limits import LimitUsage, Rule
    from inferail.store.redis import RedisStore
    from inferail.telemetry.prices import PriceTable
    from inferail.types.model import DeltaStream, Model
    from inferail.types.request import Request
    from inferail.types.response import Attempt

__all__ = ["Limited", "LimitedStream"]

_MAX_GROUPS: Final = 4
_NOT_SENT: Final = (ConfigError, BudgetError, CapacityError)
_SERVERS_FAULT: Final = (ServerError, OverloadedError, TransportError, StreamError)


class Limited(Around):
    """Asks its model as far as the limits allow. It is a Model, so it nests in all others.

        model = ir.Limited("openai:gpt-5-mini", ir.Limits(requests_per_minute=500, tokens_per_minute=200_000))
        model = ir.Limited(router, [ir.Limits(concurrent=64), ir.Limits(usd_per_day=5.0, per="tenant")])

    Before a call everything that it may consume is reserved, for all limits or none; afterwards the accounts have what it
    did consume, also of one that failed, was cancelled, or whose stream broke. A call for which there is no room waits in a
    queue until its deadline, or not at all while its Scope has another model to turn to. The label `priority` of a
    request or its Scope is `high`, `normal` (the default) or `low`, or a number from 0 (high) to 9; whoever waits rises by
    one in `ageing` seconds. Money that is spent does not come back by waiting: that is a `BudgetError` at once.

    What the provider says is left, in its headers or with a 429, is obeyed as well.
    """

    def __init__(
        self,
        model: str | Model,
        limits: Limits | Sequence[Limits],
        *,
        store: RedisStore | None = None,
        name: str | None = None,
        queue: int = 1000,
        ageing: float = 10.0,
        output_tokens: int = 1024,
        prices: PriceTable | None = None,
        **target: Any,
    ) -> None:
        """Puts limits around a model.

        Args:
            model: `provider:model`, or any Model.
            limits: One set, or up to four with accounts by different labels; all of them hold.
            store: Keeps the accounts for every process that uses this server and `name`; by default they are this object's.
            name: Of the accounts in the store; by default the model's name.
            queue: How many calls may wait; 0 refuses at once.
            ageing: Seconds of waiting that weigh as much as one step of priority.
            output_tokens: What is reserved for the answer to a request without `max_tokens`.
            prices: For limits of money: prices instead of the bundled table, or of the Target.
            target: Options of `Target` where `model` is a string.

        Raises:
            ConfigError: Unknown model string, or a wrong option.
        """
        sets = tuple(limits) if isinstance(limits, Sequence) else (limits,)
        if not sets or not all(isinstance(one, Limits) for one in sets):
            raise ConfigError("limits is a Limits, or several: for example ir.Limits(requests_per_minute=60)")
        for option, value, least in (("queue", queue, 0), ("output_tokens", output_tokens, 1)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"{option} must be a whole number, {least} or more, not {value!r}")
        if store is not None and not hasattr(store, "evaluate"):
            raise ConfigError("limits are shared through Redis: store must be a RedisStore")
        self.model: Model = resolve(model, **target)
        self.limits = sets
        rules = _rules(sets)
        adaptive = any(one.concurrent == "adaptive" for one in sets)
        book = LocalBook(rules) if store is None else SharedBook(store, name or self.model.name, rules)
        self._admissions = Admissions(rules, book, adaptive=adaptive, queue=queue, ageing=ageing)
        self._per_request = min((one.usd_per_request for one in sets if one.usd_per_request is not None), default=None)
        priced = self._per_request is not None or any(rule.unit == "micros" for rule in rules)
        self._estimator = Estimator(self.model, output_tokens=output_tokens, prices=prices, priced=priced)
        told = [*map(str, rules)] + (["concurrent adaptive"] if adaptive else [])
        self._told = ", ".join(told + ([f"usd_per_request {self._per_request:g}"] if self._per_request else []))

    @property
    def name(self) -> str:
        """`limited(…)` around the name of the model."""
        return f"limited({self.model.name})"

    @property
    def waiting(self) -> int:
        """How many calls wait for room."""
        return self._admissions.waiting

    @property
    def concurrency(self) -> int | None:
        """How many calls may run at a time at present, where that is found out; else None."""
        adaptive = self._admissions.adaptive
        return None if adaptive is None else adaptive.limit

    async def usage(self, request: Request | None = None) -> dict[str, LimitUsage]:
        """How far each limit is used, by its name (`usd_per_day per tenant`).

        Of limits by a label it is the account of the request, or of the Scope around.
        """
        return await self._admissions.usage(request, current_scope())

    def __repr__(self) -> str:
        return f"Limited({self.model.name!r}, {self._told})"

    async def generate(self, request: Request) -> Response[Any]:
        """The model's answer.

        Raises:
            CapacityError: There is no room in time; `.retry_after` says when there will be, where that is known.
            BudgetError: The money is spent, or this call alone is more than a limit allows.
            RequestError: The model's.
        """
        scope = current_scope()
        call = await self.enter(request, scope)
        try:
            with call.scope.enter():
                response = await self.model.generate(request)
        except BaseException as error:
            call.end(None, error, None)
            raise
        call.end(response, None, None)
        return response

    def stream(self, request: Request) -> LimitedStream:
        """The model's answer while it arrives; entering the stream waits for room."""
        return LimitedStream(self, request, current_scope())

    def explain(self, request: Request, *, stream: bool = False) -> str:
        """What the model would send, and what is reserved for it."""
        explain = getattr(self.model, "explain", None)
        inner = explain(request, stream=stream) if explain else f"# {self.model.name}: cannot be explained"
        tokens, cost = self._estimator.of(request)
        money = f" and {cost / 1e6:g} USD" if cost else ""
        return f"# {self.name}: sent once {tokens:,} tokens{money} can be reserved ({self._told})\n\n{inner}"

    async def aclose(self) -> None:
        """Books what is left to book, and closes what the model opened for itself."""
        await self._admissions.aclose()
        await super().aclose()

    async def enter(self, request: Request, scope: Scope) -> _Call:
        """Waits for room; see `generate`. What is let in has to be ended."""
        tokens, cost = self._estimator.of(request)
        if self._per_request is not None and cost > micros(self._per_request):
            raise BudgetError(
                f"the call may cost {cost / 1e6:g} USD, more than usd_per_request {self._per_request:g}: lower its max_tokens",
                limit=self._per_request,
                spent=0.0,
            )
        if scope.cancellation is not None:
            scope.cancellation.check()
        admission = await self._admissions.enter(request, scope, tokens, cost)
        return _Call(admission, self._admissions, self._estimator, scope)


class LimitedStream:
    """The stream of a Limited; see `inferail.types.model.DeltaStream`."""

    def __init__(self, limited: Limited, request: Request, scope: Scope) -> None:
        self._limited = limited
        self._request = request
        self._scope = scope
        self._call: _Call | None = None
        self._stream: DeltaStream | None = None

    @property
    def partial(self) -> Partial:
        """What has arrived so far."""
        return self._stream.partial if self._stream is not None else Partial(text_message(""))

    @property
    def attempts(self) -> Sequence[Attempt]:
        """The attempts that have ended."""
        return self._stream.attempts if self._stream is not None else ()

    async def __aenter__(self) -> Self:
        if self._call is not None:
            raise ConfigError("a stream is entered once: ask for a new one")
        self._call = await self._limited.enter(self._request, self._scope)
        try:
            with self._call.scope.enter():
                self._stream = self._limited.model.stream(self._request)
                await self._stream.__aenter__()
        except BaseException as error:
            self._call.end(None, error, self.partial)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if self._stream is not None:
                await self._stream.__aexit__(kind, error, traceback)
        finally:
            if self._call is not None:  # left before its end: it has consumed what came
                self._call.end(None, error, self.partial)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Delta]:
        stream, call = self._entered()
        try:
            return await stream.__anext__()
        except StopAsyncIteration:
            if not call.ended:
                call.end(await stream.final(), None, None)
            raise
        except BaseException as error:
            call.end(None, error, stream.partial)
            raise

    async def final(self) -> Response[Any]:
        """The whole answer; reads what is left of the stream first."""
        stream, call = self._entered()
        try:
            response = await stream.final()
        except BaseException as error:
            call.end(None, error, stream.partial)
            raise
        call.end(response, None, None)
        return response

    def _entered(self) -> tuple[DeltaStream, _Call]:
        if self._stream is None or self._call is None:
            raise ConfigError("the stream has not been entered: use it in a `with` block")
        return self._stream, self._call


class _Call:
    """A call that was let in, and what it spends."""

    __slots__ = ("_admission", "_admissions", "_clock", "_estimator", "_meter", "ended", "scope")

    def __init__(self, admission: Admission, admissions: Admissions, estimator: Estimator, scope: Scope) -> None:
        self.ended = False
        self._meter = _Meter(scope.budget)
        self.scope = scope.but(budget=self._meter)
        self._admission = admission
        self._admissions = admissions
        self._estimator = estimator
        self._clock = clock_of(scope)

    def end(self, response: Response[Any] | None, error: BaseException | None, partial: Partial | None) -> None:
        """It has ended in one of these ways; only the first one counts."""
        if self.ended:
            return
        self.ended = True
        try:
            attempts = _attempts(response, error)
            spent = self._spent(response, error, partial, attempts)
        except BaseException:
            self._admission.end(Spent(1), "unknown")
            raise
        self._learn(response, error, attempts)
        adaptive = self._admissions.adaptive is not None
        self._admission.end(spent, _outcome(response, error, attempts) if adaptive else "unknown")

    def _spent(
        self,
        response: Response[Any] | None,
        error: BaseException | None,
        partial: Partial | None,
        attempts: Sequence[Attempt],
    ) -> Spent:
        requests = len(self._meter.usages) or len(attempts)
        if self._meter.usages:
            usage = self._meter.total()
        elif response is not None:
            if response.cache is not None:
                return Spent()
            usage, requests = response.usage, max(1, requests)
        elif attempts:
            usage = Usage(cost_usd=0.0)
            for attempt in attempts:
                usage = usage + attempt.usage
        elif isinstance(error, _NOT_SENT):
            return Spent()
        else:
            usage, requests = (partial.usage if partial is not None else Usage()), 1
        if partial is not None and not usage.total_tokens:
            usage = partial.usage
        return Spent(requests, usage.total_tokens, self._estimator.cost(usage) if usage.total_tokens else 0)

    def _learn(self, response: Response[Any] | None, error: BaseException | None, attempts: Sequence[Attempt]) -> None:
        """What the provider says of its limits; of several providers nothing can be said."""
        if not self._estimator.is_one:
            return
        now = self._clock.now()
        if response is not None and response.headers:
            self._admissions.told.answered(response.headers, now)
        elif isinstance(error, RateLimitError):
            retry_after = error.retry_after or (attempts[-1].retry_after if attempts else None)
            if retry_after:
                self._admissions.told.refused(retry_after, now)


class _Meter(Budget):
    """Sees what every attempt of a call consumes, in front of the budget of its Scope."""

    def __init__(self, outer: Budget | None) -> None:
        # Not that of a Budget, whose lock and sums are not needed: one call spends one attempt after the other, and what
        # a hedge adds from another thread is added under the lock of the interpreter.
        self.usages: list[Usage] = []
        self._outer = outer
        self.usd, self.tokens = (None, None) if outer is None else (outer.usd, outer.tokens)

    @property
    def spent(self) -> Usage:
        """What the Budget of the Scope has spent, or this call where there is none."""
        return self.total() if self._outer is None else self._outer.spent

    def total(self) -> Usage:
        """What this call has consumed."""
        if len(self.usages) == 1:
            return self.usages[0]
        total = Usage(cost_usd=0.0)
        for usage in self.usages:
            total = total + usage
        return total

    def spend(self, usage: Usage) -> None:
        """Counts it, here and outside."""
        self.usages.append(usage)
        if self._outer is not None:
            self._outer.spend(usage)

    def check(self) -> None:
        """Raises BudgetError if nothing is left of the outer one."""
        if self._outer is not None:
            self._outer.check()


def _rules(sets: Sequence[Limits]) -> list[Rule]:
    rules: list[Rule] = []
    group = 0
    for one in sets:
        found = one.rules(group)
        rules += found
        group += bool(found)
    if group > _MAX_GROUPS:
        raise ConfigError(f"at most {_MAX_GROUPS} sets of limits, not {group}: nest two Limited")
    return rules


def _attempts(response: Response[Any] | None, error: BaseException | None) -> Sequence[Attempt]:
    if response is not None:
        return response.attempts
    return error.attempts if isinstance(error, RequestError) else ()


def _outcome(response: Response[Any] | None, error: BaseException | None, attempts: Sequence[Attempt]) -> Outcome:
    """For a limit that is found out: a 429 shrinks it, also one that a retry got over."""
    if isinstance(error, RateLimitError) or any(attempt.status_code == 429 for attempt in attempts):
        return "limited"
    if isinstance(error, CancelledError | ConnectError) or not isinstance(error, InferailError | None):
        return "unknown"
    if isinstance(error, _SERVERS_FAULT):
        return "failed"
    return "unknown" if response is None and error is not None else "succeeded"
