"""The place where a wrapped client meets us: a transport inside its own HTTP client.

Everything that an SDK offers is built on the bytes that its HTTP client sends and receives: helpers that parse, raw responses,
streams, tool runners. So nothing of the SDK is replaced but what lies below: `httpx.Client(transport=…)`, which is httpx's
documented way in, and httpx2's. What is no call of a model goes straight on to the client that was there before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from inferail.egress import check
from inferail.errors import ConfigError, ConnectError, DeadlineError, InferailError, StreamError, TransportError
from inferail.transport.deadlines import Timeouts
from inferail.transport.protocol import Wire
from inferail.wrapping.calls import Call
from inferail.wrapping.carrying import Answer, Carrier
from inferail.wrapping.streams import CarriedStream

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["AsyncCarrying", "BlockingCarrying"]

ResultT = TypeVar("ResultT")
# Of the connection to the provider, not of the bytes that are handed on, which are decompressed and whole.
_DROPPED = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection", "keep-alive"})


class BlockingCarrying:
    """The transport of a synchronous client."""

    def __init__(self, library: ModuleType, inner: Any, carrier: Carrier) -> None:
        """Sets it up.

        Args:
            library: `httpx` or `httpx2`, whichever the SDK uses.
            inner: The HTTP client that was there before.
            carrier: Carries the calls.
        """
        self._library = library
        self._inner = inner
        self._carrier = carrier

    def handle_request(self, request: Any) -> Any:
        """The response to one request; its body has not been read if it is streamed."""
        call, wire = _call_of(request, request.read() if _is_json(request) else None)
        if call is None or wire is None:
            check(str(request.url))
            return self._inner.send(request, stream=True)
        with _as_theirs(self._library, request):
            answer = _drive(self._carrier.carry(call, wire, _limits(request)))
        return _response(self._library, answer, request, _blocking_stream(self._library))

    def close(self) -> None:
        """Closes the connections, those of the client that was there before as well."""
        _drive(self._carrier.transport.aclose())
        self._inner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncCarrying:
    """The transport of an asynchronous client."""

    def __init__(self, library: ModuleType, inner: Any, carrier: Carrier) -> None:
        """See `BlockingCarrying`."""
        self._library = library
        self._inner = inner
        self._carrier = carrier

    async def handle_async_request(self, request: Any) -> Any:
        """The response to one request; its body has not been read if it is streamed."""
        call, wire = _call_of(request, await request.aread() if _is_json(request) else None)
        if call is None or wire is None:
            check(str(request.url))
            return await self._inner.send(request, stream=True)
        with _as_theirs(self._library, request):
            answer = await self._carrier.carry(call, wire, _limits(request))
        return _response(self._library, answer, request, _async_stream(self._library))

    async def aclose(self) -> None:
        """Closes the connections, those of the client that was there before as well."""
        await self._carrier.transport.aclose()
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


class _Handed:
    """The body of a streamed response; httpx asks that it also be of its own class."""

    def __init__(self, library: ModuleType, carried: CarriedStream, request: Any) -> None:
        self._library = library
        self._carried = carried
        self._request = request

    async def _read(self) -> bytes:
        with _as_theirs(self._library, self._request):
            return await self._carried.read()


class _BlockingHanded(_Handed):
    def __iter__(self) -> Iterator[bytes]:
        while piece := _drive(self._read()):
            yield piece

    def close(self) -> None:
        _drive(self._carried.aclose())


class _AsyncHanded(_Handed):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self._read():
            yield piece

    async def aclose(self) -> None:
        await self._carried.aclose()


@cache
def _blocking_stream(library: ModuleType) -> Any:
    return type("BlockingStream", (_BlockingHanded, library.SyncByteStream), {})


@cache
def _async_stream(library: ModuleType) -> Any:
    return type("AsyncStream", (_AsyncHanded, library.AsyncByteStream), {})


def _is_json(request: Any) -> bool:
    # Multipart forms may be files of any size: they are not read into memory to be looked at.
    return request.method == "POST" and "json" in request.headers.get("content-type", "")


def _call_of(request: Any, body: bytes | None) -> tuple[Call | None, Wire | None]:
    if body is None:
        return None, None
    headers: dict[str, str] = dict(request.headers)
    url = str(request.url)
    call = Call.of(request.method, url, headers, body)
    if call is None:
        return None, None
    # Length and host are written by whoever sends the request; a stream is asked for uncompressed.
    left_out = {"content-length", "host", "connection", *(("accept-encoding",) if call.streamed else ())}
    sent = {name: value for name, value in headers.items() if name.lower() not in left_out}
    return call, Wire(request.method, url, sent, body, stream=call.streamed)


def _limits(request: Any) -> Timeouts:
    """The timeouts that the SDK set. What httpx allows each read is our limit for a whole answer, or between two pieces."""
    given: Mapping[str, Any] = request.extensions.get("timeout") or {}
    connect, each = _seconds(given.get("connect")), _seconds(given.get("read"))
    return Timeouts(connect=connect, first_token=each, idle=each, total=each, stream_total=None)


def _seconds(value: Any) -> float | None:
    return value if isinstance(value, int | float) and value > 0 else None


def _response(library: ModuleType, answer: Answer | CarriedStream, request: Any, stream: Any) -> Any:
    headers = [(name, value) for name, value in answer.headers.items() if name not in _DROPPED]
    if isinstance(answer, Answer):
        return library.Response(answer.status, headers=headers, content=answer.body, request=request)
    handed = stream(library, answer, request)
    return library.Response(answer.status, headers=headers, stream=handed, request=request)


@contextmanager
def _as_theirs(library: ModuleType, request: Any) -> Generator[None]:
    """Turns a failure of the network into httpx's exception, which the SDK turns into its own; ours is its cause."""
    try:
        yield
    except InferailError as error:
        theirs = _theirs(library, error)
        if theirs is None:
            raise
        raise theirs(error.message, request=request) from error


def _theirs(library: ModuleType, error: InferailError) -> Any:
    match error:
        case DeadlineError(phase="connect"):
            return library.ConnectTimeout
        case DeadlineError():
            return library.ReadTimeout
        case ConnectError():
            return library.ConnectError
        case TransportError() | StreamError():
            return library.RemoteProtocolError
        case _:
            return None


def _drive(coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Runs a coroutine that never suspends. Unlike `Client`, an SDK's client may be used where a loop runs (notebooks)."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: ResultT = done.value
        return result
    coroutine.close()
    raise ConfigError("the transport of a synchronous client must not wait on an event loop")
