"""The stream of a Target: bytes to deltas as they arrive, deadlines, and exactly one end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from inferail.errors import (
    CancelledError,
    ConfigError,
    DeadlineError,
    RequestError,
    ServerError,
    StreamError,
    TransportError,
)
from inferail.governance.gate import wire_request
from inferail.providers.errors import request_id
from inferail.transport.body import drain, read_all
from inferail.transport.cancellation import Watch
from inferail.types.accumulate import Accumulator
from inferail.types.response import Attempt, Partial, Response

if TYPE_CHECKING:
    from types import TracebackType

    from inferail.core import Delta, StreamDecoder
    from inferail.providers.codec import Encoded
    from inferail.providers.target import Target
    from inferail.telemetry.exchange import Exchange
    from inferail.transport.deadlines import Deadlines
    from inferail.transport.protocol import Reply, Transport
    from inferail.types.request import Request
    from inferail.types.scope import Scope

__all__ = ["TargetStream"]

_SILENT = frozenset({"start", "usage", None})  # nothing a reader would see; None is an empty list
_LAST = frozenset({"finish", "usage", None})
_BROKEN = {
    "malformed_event": "an event of the stream is not what the format allows",
    "event_too_large": "an event of the stream is larger than the limit: pass a larger max_event_bytes to the Target",
}


class TargetStream:
    """An answer of one provider while it arrives; see `inferail.types.model.DeltaStream`.

    Entering it makes attempts until one has brought its first content, so everything that fails before that can still
    be retried here or answered by another target without anything being shown twice.
    """

    def __init__(self, target: Target, request: Request, scope: Scope) -> None:
        self._target = target
        self._request = request
        self._scope = scope
        self._accumulator = Accumulator()
        self._attempts: tuple[Attempt, ...] = ()
        self._held: list[Delta] = []
        self._error: RequestError | None = None
        self._reply: Reply | None = None
        self._response: Response[Any] | None = None
        self._entered = False
        self._ended = False  # nothing more will be read: a response, an error, or left by its reader
        self._flowing = False  # nothing is held back and nobody can cancel: reads go straight through
        self._read_deltas: Callable[[StreamDecoder, float | None], Awaitable[list[Delta]]] | None = None
        self._decoder: StreamDecoder
        self._encoded: Encoded
        self._exchange: Exchange
        self._deadlines: Deadlines
        self._transport: Transport

    @property
    def partial(self) -> Partial:
        """What has arrived so far; its usage and cost are running, and estimated until the provider has said them."""
        accumulator = self._accumulator
        partial = accumulator.partial()
        if self._reply is None and not self._ended:
            return partial
        return replace(partial, usage=self._exchange.running(accumulator.usage, accumulator.output_bytes))

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts that have ended."""
        return self._attempts

    async def __aenter__(self) -> Self:
        if self._entered:
            raise ConfigError("a stream is entered once: ask for a new one")
        self._entered = True
        target, scope = self._target, self._scope
        self._encoded = wire_request(target, self._request, scope, stream=True)
        self._transport = target.transport(scope)
        self._deadlines = target.deadlines(scope, self._transport, stream=True)
        try:
            self._held, self._attempts = await target.attempts(
                self._request, scope, self._transport, self._deadlines, self._begin, streamed=True
            )
        except RequestError as error:
            self._attempts = error.attempts
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._reply is not None and not self._ended:
            # The reader left. An error of its own, perhaps of another call, is neither this attempt's nor to be changed.
            self._end(GeneratorExit())
        await self._release()

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Coroutine[Any, Any, list[Delta]]:
        # Not `async def`: the common case is one coroutine per list, not two.
        return self._read() if self._flowing else self._after()

    async def _after(self) -> list[Delta]:
        """What was held back when the stream was entered, then an error or the end; or a read that may be cancelled."""
        if self._held:
            deltas, self._held = self._held, []
            self._flowing = self._reply is not None and self._scope.cancellation is None and not self._ended
            return deltas
        if self._error is not None:
            error, self._error = self._error, None
            await self._release()
            raise error
        if self._response is not None:
            raise StopAsyncIteration
        if not self._entered:
            raise ConfigError("the stream has not been entered: use it in a `with` block")
        if self._ended or self._reply is None:
            raise self._left()
        try:
            with Watch(self._scope.cancellation, self._transport.blocking):
                return await self._read()
        except CancelledError as error:
            self._tell(error)
            raise

    async def final(self) -> Response[Any]:
        """The whole answer; reads what is left first.

        Raises:
            RequestError: The stream broke; `.partial` has what arrived.
        """
        async for _ in self:
            pass
        if self._response is None:
            raise self._left()
        return self._response

    async def _begin(self, exchange: Exchange) -> list[Delta]:
        """One attempt: request out, headers in, and on to the first content."""
        await self._release()
        self._ended = False
        self._exchange = exchange
        self._decoder = self._target.codec.stream_decoder(self._target.endpoint)
        self._accumulator = Accumulator(self._decoder)
        self._deadlines.restart()
        try:
            self._reply = await self._transport.open(
                exchange.sends(self._encoded.ready()), connect_timeout=self._deadlines.connect, by=self._deadlines.by
            )
            exchange.arrived(self._reply, request_id(self._reply.headers))
            # A transport that decodes by itself spares each piece of the body its way through Python.
            self._read_deltas = getattr(self._reply, "read_deltas", None)
            await self._refuse_other_answers(self._reply)
        except BaseException as error:  # noqa: BLE001 - closes the books, then raises
            raise await self._broken(error) from None
        held: list[Delta] = []
        while not self._deadlines.begun and not self._ended:
            try:
                held += await self._read()
            except StopAsyncIteration:
                break
        if self._error is not None and not self._deadlines.begun:
            failure, self._error = self._error, None
            await self._release()
            raise failure
        return held

    async def _refuse_other_answers(self, reply: Reply) -> None:
        """An error status, or a 200 that is not an event stream."""
        content_type = reply.headers.get("content-type", "")
        good = 200 <= reply.status < 300
        if good and "html" not in content_type and "application/json" not in content_type:
            return
        body = await read_all(reply, by=self._deadlines.by)
        if not good:
            raise self._target.codec.decode_error(reply.status, reply.headers, body)
        self._target.codec.decode(reply.headers, body)  # raises for an error object, HTML or an empty body
        raise ServerError(
            f"{self._target.provider} answered a stream request with one JSON object: "
            "the server does not stream, use complete() instead",
            status_code=reply.status,
            raw=body,
        )

    async def _read(self) -> list[Delta]:
        """The next deltas; StopAsyncIteration once the answer is complete."""
        reply, deadlines, cancellation = self._reply, self._deadlines, self._scope.cancellation
        read_deltas = self._read_deltas
        try:
            while reply is not None and not self._ended:
                if cancellation is not None:
                    cancellation.check()
                if read_deltas is not None:
                    deltas = await read_deltas(self._decoder, deadlines.by)
                    is_over = not deltas
                else:
                    piece = await reply.read(deadlines.by)
                    is_over = not piece
                    deltas = self._decoder.feed(piece)
                if is_over:
                    self._finish()
                    break
                last = deltas[-1].kind if deltas else None
                if last == "error":
                    return self._fail(deltas)
                if last not in _SILENT or any(delta.kind not in _SILENT for delta in deltas):
                    if not deadlines.begun:
                        self._exchange.content()
                    deadlines.progress()
                # A terminal event brings no delta of its own: it comes alone, or behind one of these.
                if last in _LAST and self._decoder.terminal:
                    self._finish()
                if deltas:
                    return deltas
        except BaseException as error:  # noqa: BLE001 - closes the books, then raises
            raise await self._broken(error) from None
        await self._release()
        raise StopAsyncIteration

    async def _broken(self, error: BaseException) -> BaseException:
        """The error to raise for `error`, with the books closed and the connection gone."""
        if isinstance(error, TimeoutError) and not isinstance(error, DeadlineError):
            error = self._late(self._deadlines.phase)
        elif isinstance(error, TransportError) and not isinstance(error, DeadlineError) and self._reply is not None:
            error = self._stream_error(error.message)
        if not self._ended:
            self._end(error)
        await self._release()
        return error

    def _finish(self) -> None:
        """The body or its terminal event is reached: the answer is complete, or StreamError."""
        reason = self._decoder.finish()
        if reason is not None:
            raise self._stream_error(reason)
        accumulator = self._accumulator
        if accumulator.finish_reason is None:  # a server that numbers its choices from 1, or dropped the first
            raise self._stream_error("it brought other choices than the first")
        self._ended, self._flowing = True, False
        attempt = self._exchange.close(
            reported=accumulator.usage,
            output_bytes=accumulator.output_bytes,
            finish_reason=accumulator.finish_reason,
            model=accumulator.model,
            said=accumulator.message,
        )
        self._attempts = (*self._attempts, attempt)
        self._response = accumulator.response(
            provider=self._target.provider,
            model=self._target.model,
            usage=attempt.usage,
            timing=attempt.timing,
            attempts=self._attempts,
            request_id=self._exchange.request_id,
            warnings=self._encoded.warnings,
            headers=self._exchange.headers,
        )

    def _fail(self, deltas: list[Delta]) -> list[Delta]:
        """An error inside the stream: what came before it is handed out first, then it is raised."""
        failure = deltas.pop()
        sentence = _BROKEN.get(failure.name or "")
        error = self._stream_error(sentence) if sentence else self._target.codec.decode_stream_error(failure)
        if not deltas:
            raise error
        self._end(error)
        self._error = error
        return deltas

    def _end(self, error: BaseException) -> None:
        """Closes the books on a stream that did not reach its end, and gives the error what had arrived."""
        self._ended, self._flowing = True, False
        accumulator = self._accumulator
        attempt = self._exchange.close(error, reported=accumulator.usage, output_bytes=accumulator.output_bytes)
        self._attempts = (*self._attempts, attempt)
        if isinstance(error, RequestError):
            self._tell(error)

    def _tell(self, error: RequestError) -> None:
        """Gives an error what is known of a stream whose books are closed."""
        attempt = self._exchange.attempt
        error.provider = self._target.provider
        error.model = error.model or self._target.model
        error.request_id = error.request_id or self._exchange.request_id
        if self._exchange.status == 200 and attempt is not None:
            error.partial = replace(self._accumulator.partial(), usage=attempt.usage)
        error.attempts = self._attempts

    def _late(self, phase: str) -> DeadlineError:
        return self._deadlines.error(phase, provider=self._target.provider, model=self._target.model)

    def _left(self) -> StreamError:
        return StreamError(
            "the stream was left before its end",
            provider=self._target.provider,
            model=self._target.model,
            attempts=self._attempts,
            partial=self.partial,
        )

    def _stream_error(self, reason: str) -> StreamError:
        return StreamError(f"the stream of {self._target.name} broke: {reason}")

    async def _release(self) -> None:
        if self._reply is not None:
            reply, self._reply = self._reply, None
            if self._response is not None:
                await drain(reply, self._transport.clock.now())
            await reply.aclose()
