"""An endpoint of a simulation as a Model: it waits on the call's clock as a provider would, and says nothing."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from inferail.core import Delta
from inferail.errors import CancelledError, OverloadedError, RateLimitError, RequestError, StreamError
from inferail.telemetry.estimate import estimate_usage
from inferail.telemetry.prices import PriceTable
from inferail.telemetry.records import Record
from inferail.testing.simulation.calls import Arrival, Call, current_call
from inferail.testing.simulation.draws import Draws
from inferail.testing.simulation.endpoints import BREAKS, SILENT, error_of
from inferail.transport.cancellation import Watch
from inferail.transport.clock import clock_of
from inferail.transport.deadlines import Deadlines, Timeouts
from inferail.transport.retries import RetryPolicy
from inferail.types.accumulate import Accumulator
from inferail.types.response import Attempt, Partial, Response, Timing
from inferail.types.scope import current_scope
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from types import TracebackType

    from inferail.testing.simulation.endpoints import Endpoint
    from inferail.types.request import Request
    from inferail.types.scope import Scope

__all__ = ["EPOCH", "SimulatedModel", "SimulatedStream"]

EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)  # when Records of a simulation say that it began
# Purposes of draws; each attempt of a call has so many of its own.
_FIRST_TOKEN, _PACE, _ERROR, _BREAK, _JITTER, _PURPOSES = 0, 1, 2, 3, 4, 8
# Whoever was given up on had read the prompt by then, and bills it.
_READ_THE_PROMPT: Final = frozenset({"CancelledError", "DeadlineError", "StreamError"})
_REFUSED: Final = 0.02  # seconds that a 429 or a 503 takes
_FOREVER: Final = 600.0  # seconds after which a connection without a deadline is given up by whoever is between


class SimulatedModel:
    """A Model with the behaviour of an `Endpoint`.

    Deadlines are shared out and kept as by a `Target`, and what a Target would retry is retried where nobody else is left.
    Answers have no content worth reading; their tokens, cost, timing and errors are those of the endpoint.

    Attributes:
        endpoint: What it is like.
        in_flight: Calls that run now.
    """

    def __init__(self, endpoint: Endpoint, *, seed: int = 0, retries: int = 3) -> None:
        """The same seed gives each call the same luck, whatever else is asked."""
        self.endpoint = endpoint
        self.in_flight = 0
        self.price = endpoint.priced()
        self.prices = PriceTable.bundled()
        if self.price is not None:
            self.prices = self.prices.override({endpoint.name: self.price})
        self.draws = Draws(seed, endpoint.name)
        self.retries = RetryPolicy(retries=retries)
        self._tokens, self._refilled = 1.0, 0.0
        self._unnumbered = 0

    @property
    def name(self) -> str:
        """`provider:model`."""
        return self.endpoint.name

    @property
    def provider(self) -> str:
        """Who is asked."""
        return self.endpoint.provider

    @property
    def model(self) -> str:
        """For which model."""
        return self.endpoint.model

    def __repr__(self) -> str:
        return f"SimulatedModel({self.name!r})"

    async def generate(self, request: Request) -> Response[Any]:
        """The whole answer, once a stream of it would have ended."""
        async with SimulatedStream(self, request, current_scope(), streamed=False) as stream:
            return await stream.final()

    def stream(self, request: Request) -> SimulatedStream:
        """The answer while it arrives: its first words, then the rest."""
        return SimulatedStream(self, request, current_scope(), streamed=True)

    def explain(self, request: Request, *, stream: bool = False) -> str:  # noqa: ARG002 - every Model is asked the same way
        """Says that nothing would be sent."""
        return f"{self.name}: simulated, sends nothing"

    def call_of(self, request: Request) -> Call:
        """The call that a request belongs to; one of its own outside a simulation."""
        call = current_call()
        if call is None:
            self._unnumbered += 1
            prompt = estimate_usage(request, 0).input_tokens
            call = Call(self._unnumbered, Arrival(0.0, prompt, request.sampling.max_tokens or 128))
        return call

    def admit(self, now: float) -> float:
        """Takes a place in the minute's limit of requests: 0, or the seconds until there is one."""
        limit = self.endpoint.requests_per_minute
        if limit is None:
            return 0.0
        rate = limit / 60.0
        self._tokens = min(max(1.0, rate), self._tokens + (now - self._refilled) * rate)
        self._refilled = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / rate

    def slower(self, now: float) -> float:
        """How many times longer everything takes than usual: the load of the moment, and an outage of that kind."""
        endpoint = self.endpoint
        factor = 1.0
        if endpoint.capacity is not None and self.in_flight > endpoint.capacity:
            factor = (self.in_flight / endpoint.capacity) ** endpoint.slowdown
        outage = endpoint.outage(now)
        return factor * outage.factor if outage is not None and outage.kind == "slow" else factor

    def cost(self, usage: Usage) -> float | None:
        """US dollars, or None where no price is known."""
        if not usage.total_tokens:
            return 0.0
        return None if self.price is None else self.price.cost_usd(usage)


class _Jitter:
    """The randomness of retries, from the draws of a call."""

    def __init__(self, draws: Draws, call: int, number: int) -> None:
        self._draw = draws.number(call, number * _PURPOSES + _JITTER)

    def uniform(self, a: float, b: float, /) -> float:
        return a + (b - a) * self._draw


class SimulatedStream:
    """The stream of a SimulatedModel; see `inferail.types.model.DeltaStream`."""

    def __init__(self, model: SimulatedModel, request: Request, scope: Scope, *, streamed: bool) -> None:
        self._model = model
        self._request = request
        self._scope = scope
        self._streamed = streamed
        self._clock = clock_of(scope)
        self._accumulator = Accumulator()
        self._attempts: tuple[Attempt, ...] = ()
        self._held: list[Delta] = []
        self._open = self._over = False
        self._tokens = 0
        self._pace = 0.0
        self._first: float | None = None
        self._started = 0.0
        self._reason = scope.reason
        self._number = 0
        self._breaks_after: int | None = None
        self._call: Call
        self._deadlines: Deadlines

    @property
    def partial(self) -> Partial:
        """What has arrived so far, with its running cost."""
        partial = self._accumulator.partial()
        return Partial(partial.message, self._usage(whole=False), partial.id, partial.model) if self._open else partial

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts that have ended."""
        return self._attempts

    async def __aenter__(self) -> Self:
        """Waits for the first content; an attempt that fails is made again as a Target would."""
        model, scope = self._model, self._scope
        self._call = model.call_of(self._request)
        self._deadlines = self._limits()
        if not self._deadlines.fits(0.0):  # nothing is sent, so it is no attempt
            raise self._deadlines.error("total", provider=model.provider, model=model.model)
        while True:
            try:
                await self._begin()
            except RequestError as error:
                alone = not (scope.alternatives or scope.rivals)
                jitter = _Jitter(model.draws, self._call.number, self._number)
                wait = model.retries.delay(len(self._attempts), error, None, jitter) if alone else None
                if wait is None or not self._deadlines.fits(wait):
                    error.attempts = self._attempts
                    raise
                await self._wait(wait)
                self._reason = "retry"
            else:
                return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._open:
            self._end(CancelledError("the stream was left before its end"))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Delta]:
        if self._held:
            held, self._held = self._held, []
            return held
        if not self._open:
            raise StopAsyncIteration
        try:
            return await self._rest()
        except RequestError as error:
            raise self._failed(error) from None
        except BaseException as error:
            self._end(error)
            raise

    async def final(self) -> Response[Any]:
        """The whole answer; reads what is left first."""
        async for _ in self:
            pass
        if not self._over:
            raise StreamError("the stream was left before its end", provider=self._model.provider, partial=self.partial)
        last = self._attempts[-1]
        return self._accumulator.response(
            provider=self._model.provider,
            model=self._model.model,
            usage=last.usage,
            timing=last.timing,
            attempts=self._attempts,
        )

    def _limits(self) -> Deadlines:
        """The deadlines of a call that begins now, shared out as `Target.deadlines` does it."""
        scope, until = self._scope, self._scope.ends
        timeouts: Timeouts = scope.timeouts or Timeouts()
        if until is not None and scope.alternatives:
            left = max(0.0, until - self._clock.now())
            timeouts = timeouts.sharing(left / (scope.alternatives + 1), stream=self._streamed)
        return Deadlines(timeouts, self._clock, until=until, stream=self._streamed)

    async def _begin(self) -> None:
        """One attempt up to its first content."""
        model, call, endpoint = self._model, self._call, self._model.endpoint
        self._started = now = self._clock.now()
        self._deadlines.restart()
        self._number = call.asked.get(endpoint.name, 0)
        call.asked[endpoint.name] = self._number + 1
        model.in_flight += 1
        self._open, self._first, self._tokens = True, None, 0
        try:
            breaks = await self._until_content(now)
        except RequestError as error:
            raise self._failed(error) from None
        except BaseException as error:
            self._end(error)
            raise
        self._start_answer(breaks=breaks)

    async def _until_content(self, now: float) -> bool:
        """Waits for the first content; whether the stream is going to break after it."""
        model, endpoint = self._model, self._model.endpoint
        if (wait := model.admit(now)) > 0:
            await self._wait(_REFUSED)
            raise RateLimitError("the simulated endpoint has a limit", retry_after=wait, status_code=429)
        outage = endpoint.outage(now)
        if outage is not None and outage.kind == "down":
            await self._wait(_REFUSED)
            raise OverloadedError("the simulated endpoint is down", status_code=503)
        fate = SILENT if outage is not None and outage.kind == "silent" else self._fate()
        first_token = endpoint.first_token.quantile(self._draw(_FIRST_TOKEN)) * model.slower(now)
        if fate == SILENT:
            await self._wait(_FOREVER)
            raise StreamError("the simulated connection was closed without an answer")
        if fate is not None and fate != BREAKS:
            await self._wait(first_token / 2.0)
            raise error_of(fate)
        await self._wait(first_token)
        return fate == BREAKS

    def _start_answer(self, *, breaks: bool) -> None:
        """The first content is there."""
        now = self._clock.now()
        self._first = now - self._started
        self._deadlines.progress()
        endpoint, call = self._model.endpoint, self._call
        self._pace = endpoint.seconds_per_token.quantile(self._draw(_PACE)) * self._model.slower(now)
        self._tokens = max(1, round(call.arrival.output_tokens * endpoint.verbosity))
        self._breaks_after = max(1, round(self._tokens * self._draw(_BREAK))) if breaks else None
        self._accumulator = Accumulator()
        self._held = [Delta("start", name=endpoint.model), Delta("text", text=f"Answer {call.number} begins here. ")]
        self._accumulator.add(self._held)

    async def _rest(self) -> list[Delta]:
        """The rest of the answer, all at once when its last token would have come."""
        if self._breaks_after is not None:
            await self._wait((self._breaks_after - 1) * self._pace)
            raise StreamError("the simulated stream broke off")
        await self._wait((self._tokens - 1) * self._pace)
        usage = self._usage(whole=True)
        deltas = [
            Delta("text", text="It ends here."),
            Delta("usage", usage=usage),
            Delta("finish", reason="stop"),
        ]
        self._accumulator.add(deltas)
        self._over = True
        self._end(None)
        return deltas

    async def _wait(self, seconds: float) -> None:
        """Lets time pass.

        Raises:
            DeadlineError: A deadline comes first.
            CancelledError: The Scope was cancelled meanwhile.
        """
        deadlines = self._deadlines
        # While tokens flow nothing is idle: the pieces that are not simulated one by one would have said so.
        by, phase = (deadlines.total, "total") if deadlines.begun else (deadlines.by, deadlines.phase)
        now = self._clock.now()
        late = by is not None and now + seconds > by
        if by is not None and late:
            seconds = max(0.0, by - now)
        if seconds > 0:
            with Watch(self._scope.cancellation, False):  # noqa: FBT003 - a simulation runs on a loop
                await self._clock.sleep(seconds)
        if late:
            raise deadlines.error(phase, provider=self._model.provider, model=self._model.model)

    def _draw(self, purpose: int) -> float:
        return self._model.draws.number(self._call.number, self._number * _PURPOSES + purpose)

    def _fate(self) -> str | None:
        """The error that this attempt ends with, or None."""
        if not self._model.endpoint.errors:
            return None
        draw = self._draw(_ERROR)
        for name, share in self._model.endpoint.errors.items():
            draw -= share
            if draw < 0:
                return name
        return None

    def _usage(self, *, whole: bool) -> Usage:
        """Tokens and cost so far: the prompt once there is content, and what was written until now."""
        if self._first is None:
            return Usage(cost_usd=0.0)
        written = self._tokens
        if not whole and self._pace > 0:
            passed = self._clock.now() - self._started - self._first
            written = min(written, 1 + int(passed / self._pace))
        usage = Usage(self._call.arrival.input_tokens, written, estimated=not whole)
        return usage.with_cost(self._model.cost(usage))

    def _failed(self, error: RequestError) -> RequestError:
        """Notes a failure, and tells it where it happened."""
        self._end(error)
        error.provider, error.model = self._model.provider, self._model.model
        error.attempts = self._attempts
        if self._first is not None and error.partial is None:
            error.partial = self._accumulator.partial()
        return error

    def _end(self, error: BaseException | None) -> None:
        """Closes the books of an attempt, once."""
        if not self._open:
            return
        usage = self._usage(whole=error is None)
        # A reader who goes away (GeneratorExit, a cancelled task) is nobody's fault.
        name = None if error is None else type(error).__name__ if isinstance(error, Exception) else "CancelledError"
        if self._first is None and name in _READ_THE_PROMPT:
            prompt = Usage(self._call.arrival.input_tokens, 0, estimated=True)
            usage = prompt.with_cost(self._model.cost(prompt))
        self._open = False
        self._model.in_flight -= 1
        total = self._clock.now() - self._started
        attempt = Attempt(
            self._model.provider,
            self._model.model,
            name,
            getattr(error, "status_code", None) if error is not None else 200,
            getattr(error, "retry_after", None),
            self._started,
            Timing(first_token=self._first if self._streamed else None, total=total),
            usage,
            self._reason,
        )
        self._attempts = (*self._attempts, attempt)
        self._call.attempts.append(attempt)
        scope = self._scope
        if scope.budget is not None:
            scope.budget.spend(usage)
        if scope.recorder is not None:
            scope.recorder.record(self._record(attempt))

    def _record(self, attempt: Attempt) -> Record:
        labels = self._request.labels
        return Record.of(
            attempt,
            started_at=EPOCH + timedelta(seconds=attempt.started),
            number=len(self._attempts),
            host="simulated",
            streamed=self._streamed,
            finish_reason="stop" if attempt.error is None else None,
            labels={**self._scope.labels, **labels} if labels else self._scope.labels,
            id=f"{self._call.number:016x}{zlib.crc32(self._model.name.encode()):08x}{self._number:08x}",
            call_id=self._scope.call_id,
        )
