"""One attempt, from its first byte out to its Record: what happened, how long it took, what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from inferail.errors import ConfigError, ConnectError, DeadlineError, ProviderError
from inferail.providers.errors import request_id
from inferail.telemetry.estimate import estimate_tokens, estimate_usage
from inferail.telemetry.prices import cost_usd
from inferail.telemetry.records import Record
from inferail.types.response import Attempt, Timing
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.providers.target import Caller
    from inferail.transport.protocol import Reply
    from inferail.types.clock import Clock
    from inferail.types.embedding import EmbeddingRequest
    from inferail.types.request import Request
    from inferail.types.scope import Scope

__all__ = ["Exchange"]


class Exchange:
    """The bookkeeping of one attempt. `close` makes its Attempt and its Record; later calls change nothing."""

    def __init__(
        self,
        *,
        target: Caller,
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
        self._started_at = datetime.now(UTC)
        self._connect = self._tls = 0.0
        self._first_byte: float | None = None
        self._first_token: float | None = None
        self._prompt: Usage | None = None

    def arrived(self, reply: Reply) -> None:
        """The response headers are in."""
        self._first_byte = self._clock.now() - self._started
        self._connect, self._tls = reply.connect, reply.tls
        self.status = reply.status
        self.began = 200 <= reply.status < 300
        self.headers = reply.headers
        self.request_id = request_id(reply.headers)

    def content(self) -> None:
        """The first piece of content is in."""
        self._first_token = self._clock.now() - self._started

    def timing(self) -> Timing:
        """Seconds so far."""
        total = self._clock.now() - self._started
        return Timing(self._connect, self._first_byte, self._first_token, total, self._tls)

    def running(self, reported: Usage | None, output_bytes: int) -> Usage:
        """Tokens and cost of an answer that is arriving: an estimate until the attempt has ended, then what it cost."""
        return self.settle(reported, output_bytes, complete=False) if self.attempt is None else self.attempt.usage

    def settle(self, reported: Usage | None, output_bytes: int, *, complete: bool) -> Usage:
        """Usage with its cost. What the provider never said is estimated from byte counts and flagged.

        Args:
            reported: The last usage the provider sent, if any.
            output_bytes: UTF-8 bytes of the answer that arrived.
            complete: Whether the answer reached its end; if not, `reported` is a lower bound only.
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
        return usage.with_cost(cost_usd(target.provider, target.model, usage, prices=target.prices))

    def close(
        self,
        error: BaseException | None = None,
        *,
        reported: Usage | None = None,
        output_bytes: int = 0,
        finish_reason: str | None = None,
    ) -> Attempt:
        """Ends the attempt and leaves exactly one Record, whatever happened."""
        if self.attempt is not None:
            return self.attempt
        self.began = error is None or not (_is_refusal(error) or (self.status is not None and self.status >= 400))
        usage = self.settle(reported, output_bytes, complete=error is None)
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
            self.timing(),
            usage,
            self._reason,
            self.request_id,
        )
        scope, request = self._scope, self._request
        if scope.budget is not None:
            scope.budget.spend(usage)
        if self._reason == "retry":
            self._target.retries.cost(usage.cost_usd)
        if scope.recorder is not None and request is not None:
            scope.recorder.record(
                Record.of(
                    self.attempt,
                    started_at=self._started_at,
                    number=len(self.earlier) + 1,
                    host=self._target.host,
                    streamed=self._streamed,
                    finish_reason=finish_reason,
                    error_phase=error.phase if isinstance(error, DeadlineError) else None,
                    labels={**scope.labels, **request.labels} if request.labels else scope.labels,
                )
            )
        return self.attempt


def _is_refusal(error: BaseException) -> bool:
    """Whether nothing was sent."""
    return isinstance(error, ConfigError | ConnectError) or (
        isinstance(error, DeadlineError) and error.phase == "connect"
    )


def _error_name(error: BaseException) -> str:
    # A consumer that stops reading (GeneratorExit, task cancellation) cancels the attempt; that is no fault of anybody.
    return type(error).__name__ if isinstance(error, Exception) else "CancelledError"
