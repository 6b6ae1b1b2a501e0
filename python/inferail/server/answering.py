"""How an answer gets out: whole or streamed, given up as soon as nobody listens any more."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from inferail.errors import ConfigError, InferailError
from inferail.providers.codec import Facade, Incoming, Served
from inferail.server.events import FacadeEvents
from inferail.server.relaying import Pace, RelayEncoder, Relaying, known
from inferail.telemetry.otel.inbound import continued
from inferail.telemetry.records import new_id
from inferail.types.scope import current_scope

try:
    from starlette.responses import Response
except ModuleNotFoundError as error:
    raise ConfigError('the server needs starlette: pip install "inferail[server]"') from error

if TYPE_CHECKING:
    from starlette.types import Receive, Send
    from starlette.types import Scope as AsgiScope

    from inferail.client import ResponseStream
    from inferail.types.model import DeltaStream, Model
    from inferail.types.scope import Entered, Scope

__all__ = ["STREAM_HEADERS", "StreamedAnswer", "WholeAnswer", "refusal", "send_events", "until_gone"]

STREAM_HEADERS: Final[Mapping[str, str]] = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",  # a proxy that compresses would hold the events back
    "x-accel-buffering": "no",  # nginx would hold them back too
}
_RAW_STREAM_HEADERS: Final = tuple((name.encode(), value.encode()) for name, value in STREAM_HEADERS.items())
_PACE: Final = Pace(heartbeat=15.0, stalled=None)


def refusal(facade: Facade, error: InferailError) -> Response:
    """An error answer in the façade's shape."""
    return _response(facade.encode_error(error))


async def until_gone(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Runs `work` until it ends or the caller has gone away; then `work` is cancelled and waited for.

    The body of the request must have been read before.
    """
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (working, watching):
            if not task.done():
                task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)
    if not working.cancelled():
        working.result()


def gateway_call(scope: Scope | None) -> Entered:
    """A `with` block around one call that came to this server; None is the Scope of the server's task."""
    return (scope or current_scope()).but(call_id=new_id(), path="gateway").enter()


class _Answer(Response):
    """An answer that is made while it is sent."""

    def __init__(self, model: Model, facade: Facade, incoming: Incoming, scope: Scope | None) -> None:
        super().__init__()
        self._model = model
        self._facade = facade
        self._incoming = incoming
        self._surrounding = scope

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        with gateway_call(self._surrounding), continued(scope["headers"]):
            await until_gone(receive, self._deliver(scope, receive, send))

    @abstractmethod
    async def _deliver(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Makes the answer and sends it."""


class WholeAnswer(_Answer):
    """One JSON object."""

    async def _deliver(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        try:
            served = self._facade.encode_response(await self._model.generate(self._incoming.request), self._incoming)
        except Exception as error:  # noqa: BLE001 - whatever fails, the caller gets an answer in its format
            served = self._facade.encode_error(known(error))
        await _response(served)(scope, receive, send)


class StreamedAnswer(_Answer):
    """Server-sent events. The status is decided when the first deltas or an error are there."""

    async def _deliver(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        async def refuse(error: InferailError) -> None:
            await refusal(self._facade, error)(scope, receive, send)

        encoder = FacadeEvents(self._facade.stream_encoder(self._incoming))
        stream = self._model.stream(self._incoming.request)
        await send_events(send, encoder, stream, refuse=refuse, pace=_PACE, headers=_RAW_STREAM_HEADERS)


async def send_events(
    send: Send,
    encoder: RelayEncoder[bytes],
    stream: DeltaStream | ResponseStream[Any],
    *,
    refuse: Callable[[InferailError], Awaitable[None]],
    pace: Pace,
    headers: Sequence[tuple[bytes, bytes]],
) -> None:
    """Sends a stream as the body of an answer with status 200, or lets `refuse` answer what failed before it."""

    async def begin() -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})

    async def write(data: bytes) -> None:
        await send({"type": "http.response.body", "body": data, "more_body": True})

    with suppress(OSError):  # how servers of ASGI 2.4 say that the reader has left
        if await Relaying(encoder, begin=begin, write=write, refuse=refuse, pace=pace).run(stream):
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _response(served: Served) -> Response:
    return Response(served.body, status_code=served.status, headers=dict(served.headers))
