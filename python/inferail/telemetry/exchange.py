"""One attempt, from its first byte out to its Record: what happened, how long it took, what it cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from inferail.errors import CancelledError, ConfigError, ConnectError, DeadlineError, ProviderError
from inferail.telemetry.estimate import estimate_tokens, estimate_usage
from inferail.telemetry.prices import PriceTable, cost_usd
from inferail.telemetry.records import Note, Record
from inferail.types.embedding import EmbeddingRequest
from inferail.types.response import Attempt, Timing
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.transport.protocol import Reply, Wire
    from inferail.types.clock import Clock
    from inferail.types.message import Message
    from inferail.types.request import Request
    from inferail.types.scope import Scope

__all__ = ["Asked", "Exchange", "Opened"]


class Asked(Protocol):
    """Who is asked, as far as the books go (a Target)."""

    provider: str
    model: str
    host: str
    prices: PriceTable | None
    retries: Any


class Opened(Protocol):
    """The span of an attempt, made by a recorder's `begin`.

    Attributes:
        headers: Added to the wire request: the trace context.
        trace_id: 32 hexadecimal digits, or None.
        span_id: 16 hexadecimal digits, or None.
    """

    headers: Mapping[str, str]
    trace_id: str | None
    span_id: str | None

    def answered(self, said: Callable[[], Message], finish_reason: str | None) -> None:
        """The answer is whole; comes before `end`. `said` gives it, for spans that show content."""
        ...

    def end(self, record: Record) -> None:
        """The attempt is over; comes before the recorder's `record`."""
        ...


class Exchange:
    """The bookkeeping of one attempt. `close` makes its Attempt and its Record; later calls change nothing."""

    def __init__(
        self,
        *,
        target: Asked,
        request: Request | EmbeddingRequest | None,
        scope: Scope,
        clock: Clock,
        streamed: bool,
        earlier: tuple[Attempt, ...],
        reason: str,
    ) -> None:
        self.earlier = earlier  # the attempts of this target before this one
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self.request_id: str | None = None
        self.began = False  # the provider may have started to work on it, so it may cost something
        self.attempt: Attempt | None = None
        self._target = target
        self._request = request
        self._scope = scope
        self._clock = clock
        self._streamed = streamed
        self._reason = reason
        self._started = clock.now()
        self._started_ns = time.time_ns()
        self._connect = self._tls = 0.0
        self._first_byte: float | None = None
        self._first_token: float | None = None
        self._prompt: Usage | None = None
        self._estimated_usd: float | None = None
        self._wire: Wire | None = None
        self._recorder: Any = None if request is None else scope.recorder
        begin = getattr(self._recorder, "begin", None)
        self._opened: Opened | None = None if begin is None else self._begin(begin, request)

    def sends(self, wire: Wire) -> Wire:
        """The wire request as it goes out: with the trace context, and remembered for the Record of a failure."""
        if self._opened is not None and self._opened.headers:
            wire = replace(wire, headers={**wire.headers, **self._opened.headers})
        self._wire = wire
        return wire

    def arrived(self, reply: Reply, request_id: str | None) -> None:
        """The response headers are in."""
        self._first_byte = self._clock.now() - self._started
        self._connect, self._tls = reply.connect, reply.tls
        self.status = reply.status
        self.began = 200 <= reply.status < 300
        self.headers = reply.headers
        self.request_id = request_id

    def content(self) -> None:
        """The first piece of content is in."""
        self._first_token = self._clock.now() - self._started

    def timing(self) -> Timing:
        """Seconds so far."""
        total = self._clock.now() - self._started
        return Timing(self._connect, self._first_byte, self._first_token, total, self._tls)

    def running(self, reported: Usage | None, output_bytes: int) -> Usage:
        """Tokens and cost of an answer that is arriving: an estimate until the attempt has ended, then what it cost."""
        if self.attempt is not None:
            return self.attempt.usage
        usage = self.settle(reported, output_bytes, complete=False)
        self._estimated_usd = usage.cost_usd
        return usage

    def settle(
        self, reported: Usage | None, output_bytes: int, *, complete: bool, seconds: float | None = None
    ) -> Usage:
        """Usage with its cost. What the provider never said is estimated from byte counts and flagged.

        Args:
            reported: The last usage the provider sent, if any.
            output_bytes: UTF-8 bytes of the answer that arrived.
            complete: Whether the answer reached its end; if not, `reported` is a lower bound only.
            seconds: How long it took, for what is paid by the hour; None is until now.
        """
        if reported is not None and complete and reported.total_tokens:
            usage = reported
        elif not self.began or self._request is None:
            usage = Usage()
        else:
            if self._prompt is None:  # looked at once, however often a running stream is asked
                self._prompt = estimate_usage(self._request, 0)
            known = reported or Usage()
            usage = replace(
                known,
                input_tokens=known.input_tokens or self._prompt.input_tokens,
                output_tokens=max(known.output_tokens, estimate_tokens(output_bytes)),
                estimated=True,
            )
        if usage.cost_usd is not None:  # OpenRouter says what it bills; no table knows better
            return usage
        if not usage.total_tokens:
            return usage.with_cost(0.0)
        target = self._target
        took = self._clock.now() - self._started if seconds is None else seconds
        return usage.with_cost(cost_usd(target.provider, target.model, usage, prices=target.prices, seconds=took))

    def close(
        self,
        error: BaseException | None = None,
        *,
        reported: Usage | None = None,
        output_bytes: int = 0,
        finish_reason: str | None = None,
        model: str | None = None,
        said: Callable[[], Message] | None = None,
    ) -> Attempt:
        """Ends the attempt and leaves exactly one Record, whatever happened.

        Args:
            error: What ended it, if it did not answer.
            reported: The last usage the provider sent, if any.
            output_bytes: UTF-8 bytes of the answer that arrived.
            finish_reason: Why the answer ended.
            model: The model as the answer named it.
            said: Gives the answer; asked only where a span is to show it.
        """
        if self.attempt is not None:
            return self.attempt
        self.began = error is None or not (_is_refusal(error) or (self.status is not None and self.status >= 400))
        timing = self.timing()
        usage = self.settle(reported, output_bytes, complete=error is None, seconds=timing.total)
        status = self.status
        if isinstance(error, ProviderError) and error.status_code is not None:
            status = error.status_code
        retry_after: float | None = None if error is None else getattr(error, "retry_after", None)
        self.attempt = Attempt(
            self._target.provider,
            self._target.model,
            None if error is None else _error_name(error),
            status,
            retry_after,
            self._started,
            timing,
            usage,
            self._reason,
            self.request_id,
        )
        if self._scope.budget is not None:
            self._scope.budget.spend(usage)
        if self._reason == "retry":
            self._target.retries.cost(usage.cost_usd)
        if self._recorder is not None:
            if said is not None and self._opened is not None:
                self._opened.answered(said, finish_reason)
            priced = usage.cost_usd is not None and (reported is None or reported.cost_usd is None)
            self._record(self.attempt, error, finish_reason, model, priced=priced)
        return self.attempt

    def _begin(self, begin: Any, request: Request | EmbeddingRequest | None) -> Opened | None:
        opened: Opened | None = begin(
            provider=self._target.provider,
            model=self._target.model,
            operation="embeddings" if isinstance(request, EmbeddingRequest) else "chat",
            streamed=self._streamed,
            host=self._target.host,
            reason=self._reason,
            attempt=len(self.earlier) + 1,
            request=request,
        )
        return opened

    def _record(
        self,
        attempt: Attempt,
        error: BaseException | None,
        finish_reason: str | None,
        model: str | None,
        *,
        priced: bool,
    ) -> None:
        scope, request, opened, prices = self._scope, self._request, self._opened, self._target.prices
        extra = request.labels if request is not None else None
        more: dict[str, Any] = {
            "number": len(self.earlier) + 1,
            "host": self._target.host,
            "streamed": self._streamed,
            "finish_reason": finish_reason,
            "labels": {**scope.labels, **extra} if extra else scope.labels,
            "call_id": scope.call_id,
            "path": scope.path,
            "model_version": model,
            "estimated_usd": self._estimated_usd,
            "price_version": (prices or PriceTable.bundled()).version if priced else None,
        }
        recorder = self._recorder
        if error is None and opened is None:
            note = getattr(recorder, "note", None)
            if note is not None:
                note(Note(attempt, self._started_ns, more))
                return
        if opened is not None:
            more["trace_id"], more["span_id"] = opened.trace_id, opened.span_id
        if isinstance(error, DeadlineError):
            more["error_phase"] = error.phase
        record = Note(attempt, self._started_ns, more).record()
        if opened is not None:
            opened.end(record)
        keep = None if error is None or self._wire is None else getattr(recorder, "record_failure", None)
        if keep is None or isinstance(error, CancelledError) or not isinstance(error, Exception):
            recorder.record(record)
        else:
            keep(record, self._wire)


def _is_refusal(error: BaseException) -> bool:
    """Whether nothing was sent."""
    return isinstance(error, ConfigError | ConnectError) or (
        isinstance(error, DeadlineError) and error.phase == "connect"
    )


def _error_name(error: BaseException) -> str:
    # A consumer that stops reading (GeneratorExit, task cancellation) cancels the attempt; that is no fault of anybody.
    return type(error).__name__ if isinstance(error, Exception) else "CancelledError"
