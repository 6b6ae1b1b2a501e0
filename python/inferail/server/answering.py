"""How an answer gets out: whole or streamed, given up as soon as nobody listens any more."""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing, nullcontext
from typing import TYPE_CHECKING, Any

from inferail.errors import ConfigError, InferailError, ServerError
from inferail.providers.codec import Facade, Incoming, Served

try:
    from starlette.responses import Response
except ModuleNotFoundError as error:
    raise ConfigError('the server needs starlette: pip install "inferail[server]"') from error

if TYPE_CHECKING:
    from starlette.types import Receive, Send
    from starlette.types import Scope as AsgiScope

    from inferail.types.model import Model
    from inferail.types.scope import Scope

__all__ = ["StreamedAnswer", "WholeAnswer", "refusal", "until_gone"]

_LOGGER = logging.getLogger("inferail.server")
_STREAM_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",  # nginx would hold the events back
}


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


class _Answer(Response):
    """An answer that is made while it is sent."""

    def __init__(self, model: Model, facade: Facade, incoming: Incoming, scope: Scope | None) -> None:
        super().__init__()
        self._model = model
        self._facade = facade
        self._incoming = incoming
        self._surrounding = scope

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        with self._surrounding.enter() if self._surrounding is not None else nullcontext():
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
            served = self._facade.encode_error(_known(error))
        await _response(served)(scope, receive, send)


class StreamedAnswer(_Answer):
    """Server-sent events. The status is decided when the first deltas or an error are there."""

    async def _deliver(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        async with aclosing(self._events()) as events:
            try:
                data = await anext(events, b"")
            except InferailError as error:
                await refusal(self._facade, error)(scope, receive, send)
                return
            headers = [(name.encode(), value.encode()) for name, value in _STREAM_HEADERS.items()]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await _send_body(send, data)
            async for data in events:
                await _send_body(send, data)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _events(self) -> AsyncGenerator[bytes, None]:
        """The bytes of the stream. Raises only before the first; later failures are the stream's last event."""
        encoder = self._facade.stream_encoder(self._incoming)
        begun = False
        try:
            async with self._model.stream(self._incoming.request) as stream:
                async for deltas in stream:
                    data = encoder.feed(deltas)
                    begun = True
                    yield data
                yield encoder.finish(await stream.final())
        except Exception as error:
            known = _known(error)
            if not begun:
                raise known from error
            yield encoder.fail(known)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_body(send: Send, data: bytes) -> None:
    if data:
        await send({"type": "http.response.body", "body": data, "more_body": True})


def _known(error: Exception) -> InferailError:
    if isinstance(error, InferailError):
        return error
    # Never its text: it may quote the prompt.
    _LOGGER.error("an answer failed with an unexpected %s", type(error).__name__)
    return ServerError("the server failed in an unexpected way")


def _response(served: Served) -> Response:
    return Response(served.body, status_code=served.status, headers=dict(served.headers))
