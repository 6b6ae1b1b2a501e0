"""Carries the requests of a wrapped client: attempts, deadlines, records and the cache. Bytes go through untouched.

The same coroutines serve both kinds of clients: over a blocking transport they never suspend.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from inferail.errors import DeadlineError, ProviderError, RequestError
from inferail.governance.gate import opted_out
from inferail.providers.errors import request_id
from inferail.providers.target import Target
from inferail.telemetry.records import Record, host_of, new_id
from inferail.transport.body import read_all
from inferail.transport.deadlines import Timeouts
from inferail.types.scope import current_scope
from inferail.types.usage import Usage
from inferail.wrapping.cache import CachedAnswer, key_of
from inferail.wrapping.streams import Asked, CarriedStream

if TYPE_CHECKING:
    from inferail.telemetry.exchange import Exchange
    from inferail.telemetry.prices import PriceTable
    from inferail.transport.protocol import Transport, Wire
    from inferail.transport.retries import RetryPolicy
    from inferail.types.scope import Recorder, Scope
    from inferail.wrapping.cache import ResponseCache
    from inferail.wrapping.calls import Call

__all__ = ["Answer", "Carrier", "Settings"]

_KNOWN_TARGETS: Final = 256  # names of models come from the caller: what is remembered of them is bounded


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer.

    Attributes:
        status: HTTP status.
        headers: Names in lower case.
        body: Decompressed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """What `wrap` was told; see there."""

    recorder: Recorder
    retries: RetryPolicy
    timeouts: Timeouts | None
    cache: ResponseCache | None
    labels: Mapping[str, str]
    prices: PriceTable | None
    require_done: bool


class Carrier:
    """Carries the calls of one wrapped client."""

    def __init__(self, transport: Transport, settings: Settings) -> None:
        self.transport = transport
        self.settings = settings
        self._targets: dict[tuple[str, str, str], Target] = {}

    async def carry(self, call: Call, wire: Wire, limits: Timeouts) -> Answer | CarriedStream:
        """The answer, whole or while it arrives. An error answer of the provider is an answer too: the SDK raises its own.

        Args:
            call: What is asked.
            wire: How it is asked, byte for byte as the SDK wrote it.
            limits: The timeouts that the SDK set for this request.

        Raises:
            RequestError: There is no answer.
            BudgetError: The Scope's budget is spent.
        """
        settings, outer = self.settings, current_scope()
        scope = outer.but(
            recorder=settings.recorder,
            labels={**outer.labels, **settings.labels},
            timeouts=_stricter(limits, settings.timeouts),
            call_id=new_id(),
        )
        target = self._target(call)
        if scope.policy is not None:
            wire = replace(wire, body=opted_out(target, scope, wire.body))
        key = None
        if settings.cache is not None:
            lower = {name.lower(): value for name, value in wire.headers.items()}
            key = key_of(wire.method, wire.url, lower, wire.body)
            found = settings.cache.get(key)
            if found is not None:
                return self._found(call, found, scope)
        deadlines = target.deadlines(scope, self.transport, stream=call.streamed)
        asked = Asked(call, wire, target, scope, deadlines, key)
        return await (self._stream(asked) if call.streamed else self._whole(asked))

    async def _whole(self, asked: Asked) -> Answer:
        target, deadlines = asked.target, asked.deadlines
        came: list[Answer] = []

        async def attempt(exchange: Exchange) -> None:
            came.clear()
            try:
                wire = exchange.sends(asked.wire)
                reply = await self.transport.open(wire, connect_timeout=deadlines.connect, by=deadlines.total)
                exchange.arrived(reply, request_id(reply.headers))
                try:
                    body = await read_all(reply, by=deadlines.total)
                finally:
                    await reply.aclose()
            except DeadlineError:
                raise
            except TimeoutError:
                raise deadlines.error("total", provider=target.provider, model=target.model) from None
            came.append(Answer(reply.status, reply.headers, body))
            if not 200 <= reply.status < 300:
                raise target.codec.decode_error(reply.status, reply.headers, body)
            read = asked.call.read(reply.headers, body)
            written = 0 if read.usage is not None and read.usage.total_tokens else read.output_bytes
            exchange.close(reported=read.usage, output_bytes=written, finish_reason=read.finish_reason)

        try:
            await self._attempts(asked, attempt)
        except ProviderError:
            if not came:
                raise
            return came[0]
        self._keep(asked.key, came[0].headers, came[0].body)
        return came[0]

    async def _stream(self, asked: Asked) -> Answer | CarriedStream:
        stream = CarriedStream(asked, self.transport, partial(self._keep, asked.key))
        try:
            await self._attempts(asked, stream.begin)
        except RequestError:
            refused = stream.refused()
            if refused is None:
                raise
            return Answer(*refused)
        return stream

    async def _attempts(self, asked: Asked, attempt: Callable[[Exchange], Awaitable[None]]) -> None:
        call = asked.call
        await asked.target.attempts(
            call.request, asked.scope, self.transport, asked.deadlines, attempt, streamed=call.streamed
        )

    def _keep(self, key: str | None, headers: Mapping[str, str], body: bytes) -> None:
        """Puts a whole answer into the cache, if there is one."""
        if key is not None and self.settings.cache is not None:
            request_id = headers.get("x-request-id") or headers.get("request-id") or ""
            self.settings.cache.put(key, CachedAnswer(headers.get("content-type", ""), request_id, body))

    def _found(self, call: Call, found: CachedAnswer, scope: Scope) -> Answer:
        """An answer of the cache. It leaves a Record too, of a call that cost nothing."""
        self.settings.recorder.record(
            Record(
                started_at=datetime.now(UTC),
                provider=call.provider,
                model=call.model,
                host=host_of(call.base_url),
                streamed=call.streamed,
                reason="cache",
                usage=Usage(cost_usd=0.0),
                request_id=found.request_id or None,
                labels=scope.labels,
                call_id=scope.call_id,
                path=scope.path,
                cache="exact",
            )
        )
        headers = {"content-type": found.content_type, "x-inferail-cache": "hit"}
        if found.request_id:
            headers["request-id" if call.codec == "anthropic" else "x-request-id"] = found.request_id
        return Answer(200, headers, found.body)

    def _target(self, call: Call) -> Target:
        known = (call.codec, call.model, call.base_url)
        target = self._targets.get(known)
        if target is None:
            if len(self._targets) >= _KNOWN_TARGETS:
                self._targets.clear()
            settings = self.settings
            target = Target(
                f"{call.codec}:{call.model}",
                base_url=call.base_url,
                retries=settings.retries,
                prices=settings.prices,
                require_done=settings.require_done,
            )
            target.provider = call.provider
            self._targets[known] = target
        return target


def _stricter(limits: Timeouts, ours: Timeouts | None) -> Timeouts:
    """The earlier of each limit."""
    if ours is None:
        return limits
    return Timeouts(
        connect=_earlier(limits.connect, ours.connect),
        first_token=_earlier(limits.first_token, ours.first_token),
        idle=_earlier(limits.idle, ours.idle),
        total=_earlier(limits.total, ours.total),
        stream_total=_earlier(limits.stream_total, ours.stream_total),
    )


def _earlier(first: float | None, second: float | None) -> float | None:
    return min((limit for limit in (first, second) if limit is not None), default=None)
