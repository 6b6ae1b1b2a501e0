"""A stream on its way to an SDK: its bytes go through as they came, and are read along for the books."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from inferail.errors import DeadlineError, RequestError, StreamError, TransportError
from inferail.providers.errors import request_id
from inferail.transport.body import drain, read_all
from inferail.transport.cancellation import Watch
from inferail.types.accumulate import Accumulator

if TYPE_CHECKING:
    from inferail.core import Delta, StreamDecoder
    from inferail.providers.target import Target
    from inferail.telemetry.exchange import Exchange
    from inferail.transport.deadlines import Deadlines
    from inferail.transport.protocol import Reply, Transport, Wire
    from inferail.types.scope import Scope
    from inferail.wrapping.calls import Call

__all__ = ["Asked", "CarriedStream"]

_SILENT = frozenset({"start", "usage"})
_BROKEN = frozenset({"malformed_event", "event_too_large"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A call under way.

    Attributes:
        call: What is asked.
        wire: How, byte for byte.
        target: Who is asked; it makes the attempts.
        scope: What surrounds the call.
        deadlines: Its deadlines.
        key: Its key in the cache, or None where there is none.
    """

    call: Call
    wire: Wire
    target: Target
    scope: Scope
    deadlines: Deadlines
    key: str | None


class CarriedStream:
    """One streamed answer. Its one end leaves its one Record: complete, broken, left early, or forgotten.

    Attributes:
        status: HTTP status.
        headers: Names in lower case.
    """

    def __init__(self, asked: Asked, transport: Transport, keep: Callable[[Mapping[str, str], bytes], None]) -> None:
        """Nothing is sent before `begin`.

        Args:
            asked: The call.
            transport: What carries it.
            keep: Takes headers and body of an answer that came to its end.
        """
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self._asked = asked
        self._transport = transport
        self._keep = keep
        self._kept: list[bytes] = []
        self._held: list[bytes] = []
        self._reply: Reply | None = None
        self._exchange: Exchange | None = None
        self._ended = True  # nothing is under way yet
        self._complete = False
        self._decoder: StreamDecoder
        self._accumulator = Accumulator()

    async def begin(self, exchange: Exchange) -> None:
        """One attempt: request out, headers in, and on to the first content. Nothing has been handed out before that."""
        await self._release()
        self._exchange, self._ended, self._complete = exchange, False, False
        self._decoder = self._asked.target.codec.stream_decoder(self._asked.target.endpoint)
        self._accumulator = Accumulator(self._decoder)
        self.status = 0
        self._held.clear()
        self._kept.clear()
        deadlines = self._asked.deadlines
        deadlines.restart()
        try:
            reply = self._reply = await self._transport.open(
                exchange.sends(self._asked.wire), connect_timeout=deadlines.connect, by=deadlines.by
            )
            exchange.arrived(reply, request_id(reply.headers))
            self.status, self.headers = reply.status, reply.headers
            if not 200 <= reply.status < 300 or "text/event-stream" not in reply.headers.get("content-type", ""):
                await self._whole(reply, exchange)
                return
            while not deadlines.begun and not self._ended:
                self._held.append(await reply.read(deadlines.by))
                self._refuse(self._look(self._held[-1]))
        except BaseException as error:  # noqa: BLE001 - closes the books, then raises
            raise await self._broken(error) from None

    def refused(self) -> tuple[int, Mapping[str, str], bytes] | None:
        """Status, headers and body of an attempt that the provider refused in words of its own, or None."""
        body = b"".join(self._held)
        return (self.status, self.headers, body) if self.status and body else None

    async def read(self) -> bytes:
        """The next bytes; `b""` at their end.

        Raises:
            RequestError: The stream broke; `.partial` has what arrived.
        """
        while self._held:
            piece = self._held.pop(0)
            if piece:
                return piece
        reply = self._reply
        if reply is None:
            return b""
        try:
            with Watch(self._asked.scope.cancellation, self._transport.blocking):
                # Behind its terminal event a stream has nothing to say: what follows is bytes alone.
                piece = await reply.read(self._asked.deadlines.by)
            if not self._ended:
                self._look(
                    piece
                )  # a failure that the provider tells of is told on: the SDK raises its own error for it
        except BaseException as error:  # noqa: BLE001 - closes the books, then raises
            raise await self._broken(error) from None
        if not piece:
            await self._release()
        return piece

    async def aclose(self) -> None:
        """The SDK has read enough."""
        self._leave()
        await self._release()

    def __del__(self) -> None:
        self._leave()

    def _leave(self) -> None:
        if not self._ended:
            self._end(GeneratorExit())

    async def _whole(self, reply: Reply, exchange: Exchange) -> None:
        """An answer that is no stream: an error, or a server that does not stream."""
        body = await read_all(reply, by=self._asked.deadlines.by)
        self._held.append(body)
        if not 200 <= reply.status < 300:
            raise self._asked.target.codec.decode_error(reply.status, reply.headers, body)
        read = self._asked.call.read(reply.headers, body)
        exchange.close(reported=read.usage, output_bytes=read.output_bytes, finish_reason=read.finish_reason)
        self._ended = self._complete = True
        await self._release()

    def _look(self, piece: bytes) -> RequestError | None:
        """Reads the next bytes along; gives the failure that they tell of, with the books closed on it."""
        if not piece:
            self._finish()
            return None
        if self._asked.key is not None:
            self._kept.append(piece)
        deltas: list[Delta] = self._decoder.feed(piece)
        if deltas and deltas[-1].kind == "error":
            failure = deltas.pop()
            error: RequestError = (
                StreamError(f"the stream of {self._asked.target.name} broke: an event of it cannot be read")
                if failure.name in _BROKEN
                else self._asked.target.codec.decode_stream_error(failure)
            )
            self._end(error)
            return error
        if any(delta.kind not in _SILENT for delta in deltas):
            if not self._asked.deadlines.begun and self._exchange is not None:
                self._exchange.content()
            self._asked.deadlines.progress()
        if self._decoder.terminal:
            self._finish()
        return None

    @staticmethod
    def _refuse(failure: RequestError | None) -> None:
        """Before the first content a failure can still be tried again."""
        if failure is not None:
            raise failure

    def _finish(self) -> None:
        """The terminal event or the end of the body is there: the answer is complete, or StreamError."""
        reason = self._decoder.finish()
        if reason is not None:
            raise StreamError(f"the stream of {self._asked.target.name} broke: {reason}")
        self._complete = True
        self._end(None)
        self._keep(self.headers, b"".join(self._kept))

    async def _broken(self, error: BaseException) -> BaseException:
        if isinstance(error, TimeoutError) and not isinstance(error, DeadlineError):
            error = self._asked.deadlines.error(
                self._asked.deadlines.phase, provider=self._asked.target.provider, model=self._asked.target.model
            )
        elif isinstance(error, TransportError) and not isinstance(error, DeadlineError) and self._reply is not None:
            error = StreamError(f"the stream of {self._asked.target.name} broke: {error.message}")
        if not self._ended:
            self._end(error)
        await self._release()
        return error

    def _end(self, error: BaseException | None) -> None:
        """Closes the books, and gives the error what had arrived."""
        self._ended = True
        exchange, accumulator = self._exchange, self._accumulator
        if exchange is None:
            return
        usage = accumulator.usage
        whole = error is None and usage is not None and usage.total_tokens > 0
        attempt = exchange.close(
            error,
            reported=usage,
            output_bytes=0 if whole else accumulator.output_bytes,
            finish_reason=accumulator.finish_reason if error is None else None,
        )
        if isinstance(error, RequestError):
            error.provider, error.model = (
                error.provider or self._asked.target.provider,
                error.model or self._asked.target.model,
            )
            error.request_id = error.request_id or exchange.request_id
            if self.status == 200:
                error.partial = replace(accumulator.partial(), usage=attempt.usage)

    async def _release(self) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            if self._complete:
                await drain(reply, self._transport.clock.now())
            await reply.aclose()
