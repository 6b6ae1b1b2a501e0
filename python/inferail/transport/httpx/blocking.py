"""The blocking transport, over httpx's synchronous client: coroutines that never suspend.

The synchronous client of this package drives the asynchronous code by hand; everything that would wait has to block
the thread instead, and that is what happens here.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

from inferail.errors import CancelledError, ConfigError, TransportError
from inferail.transport.cancellation import aside, in_slices, waiting_cancellation
from inferail.transport.clock import BlockingClock
from inferail.transport.httpx.exchange import ConnectWatch, failure, inside, limits, plain_headers, sent_headers

if TYPE_CHECKING:
    from inferail.transport.protocol import Wire
    from inferail.types.clock import Clock
    from inferail.types.scope import Cancellation

__all__ = ["BlockingReply", "BlockingTransport", "DeadlineBackend"]

POOL = httpx.Limits(max_connections=1000, max_keepalive_connections=1000, keepalive_expiry=50.0)

# A send may take in everything or wait: in pieces of this size the deadline is looked at in between.
_WRITE_BYTES = 256 * 1024


class BlockingTransport:
    """Sends wire requests through httpx and blocks the thread meanwhile. Safe to use from many threads.

    Connections of its own obey the deadline in every socket operation, response headers included. Two steps of the
    operating system know no deadline: looking up a host name, and trying the addresses of a host one after another
    (each may take `connect_timeout`).

    With a client that is passed in, the deadline is looked at between reads, and each read of the socket lasts at most
    as long as there was time at the start: a server that drips can overrun it within the headers or a single chunk.

    Within a blocking `Watch` connections of its own wait in slices and end soon after `Cancellation.cancel`; a client
    that is passed in is only asked between reads.

    Attributes:
        clock: The clock that deadlines are read on.
        blocking: True.
    """

    blocking = True

    def __init__(self, client: Any = None, *, clock: Clock | None = None) -> None:
        """Sets up; nothing is sent.

        Args:
            client: `httpx.Client` or `httpx2.Client`, or None. It is used as it is and not closed.
            clock: Another clock, for tests.
        """
        self.clock: Clock = clock or BlockingClock()
        self._given = client
        self._closed = False
        self.moment = Moment(self.clock)
        self._client: Any = client
        if client is None:
            self._client = httpx.Client(verify=httpx.create_ssl_context(), limits=POOL, timeout=None)  # noqa: S113 - the moment does it
            obey_deadlines(self._client, self.moment)

    async def open(self, wire: Wire, *, connect_timeout: float | None, by: float | None) -> BlockingReply:
        """Sends `wire`; gives back once the response headers are in.

        Args:
            wire: The request.
            connect_timeout: Seconds for the TCP connection, the same again for TLS and for a free place in the pool.
            by: Moment on the clock at which to give up.

        Raises:
            ConnectError: No connection.
            DeadlineError: No connection within `connect_timeout` seconds (phase `connect`).
            TimeoutError: The moment `by` came first.
            CancelledError: The Scope was cancelled meanwhile (see `inferail.transport.cancellation`).
            TransportError: The connection broke, or what came back is not HTTP.
            ConfigError: The transport is closed, or `wire` cannot be sent.
        """
        if self._closed or getattr(self._client, "is_closed", False):
            raise ConfigError("the transport is closed")
        watch = ConnectWatch(self.clock)
        extensions = {"trace": watch.note, "timeout": self._limits(connect_timeout, by)}
        self.moment.by = by
        try:
            request = self._client.build_request(
                wire.method, wire.url, headers=sent_headers(wire), content=wire.body, extensions=extensions
            )
            response = self._client.send(request, stream=True)
        except Exception as error:
            ours = self.moment.failure(error, wire.url, connect_timeout)
            if ours is None:
                raise
            raise ours from None
        finally:
            self.moment.by = None
        return BlockingReply(self.moment, response, wire.url, watch)

    async def aclose(self) -> None:
        """Closes every connection (not those of a client that was passed in)."""
        self._closed = True
        if self._given is None:
            self._client.close()

    def _limits(self, connect: float | None, by: float | None) -> dict[str, float | None]:
        if self._given is None or by is None:
            return limits(connect)
        left = by - self.clock.now()
        if left <= 0:
            raise self.moment.late()
        return limits(left if connect is None else min(connect, left), left)


class BlockingReply:
    """An HTTP answer whose body has not been read yet; see `inferail.transport.protocol.Reply`."""

    def __init__(self, moment: Moment, response: Any, url: str, watch: ConnectWatch) -> None:
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = plain_headers(response.headers.raw)
        self.connect, self.tls = watch.connect, watch.tls
        self._moment = moment
        self._response = response
        self._url = url
        self._complete = False
        self._broken = False
        self._closed = False
        plain = self.headers.get("content-encoding", "identity") == "identity"
        self._pieces: Any = iter(response.stream if plain else response.iter_bytes())

    async def read(self, by: float | None) -> bytes:
        """The next piece of the body as it arrived, decompressed; `b""` at its clean end. Blocks.

        Raises:
            TimeoutError: The moment `by` came first.
            CancelledError: The Scope was cancelled meanwhile.
            TransportError: The connection broke, the body ended before its announced end, or the reply is closed.
        """
        if self._complete:
            return b""
        if self._broken:
            raise TransportError("the answer was left before its end")
        self._moment.by = by
        try:
            self._moment.check()
            for piece in self._pieces:
                if piece:
                    found: bytes = piece
                    return found
            self._response.close()
            self._complete = True
        except BaseException as error:
            # A generator that has raised simply ends from then on: that must not look like a clean end.
            self._broken = True
            ours = self._moment.failure(error, self._url)
            if ours is None:
                raise
            raise ours from None
        finally:
            self._moment.by = None
        return b""

    async def aclose(self) -> None:
        """Gives the connection back if the body was read to its end, closes it otherwise. Safe to call twice."""
        if self._complete or self._closed:
            return
        self._broken = self._closed = True
        try:
            self._response.close()
            close = getattr(self._pieces, "close", None)
            if close is not None:
                close()
        except Exception as error:
            if failure(error, self._url) is None:
                raise


class LateError(TimeoutError):
    """The moment that a socket operation was to end by has come."""

    def __init__(self) -> None:
        super().__init__("the deadline of the call has passed")


class Moment(threading.local):
    """Until when the socket operations of this thread may last.

    httpx hands its timeouts out once per request and counts them per operation. A thread does one operation at a time,
    so the moment of the whole call can lie beside it instead.

    Attributes:
        by: The moment, or None for no limit.
    """

    by: float | None = None

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def late(self) -> LateError | CancelledError:
        """What to raise when the moment has passed: a cancellation that has happened as well wins."""
        cancellation = waiting_cancellation()
        try:
            if cancellation is not None:
                cancellation.check()
        except CancelledError as error:
            return error
        return LateError()

    def check(self) -> None:
        """Raises LateError if the moment has passed."""
        if self.by is not None and self._clock.now() >= self.by:
            raise self.late()

    def shorten(self, timeout: float | None) -> tuple[float | None, bool]:
        """Seconds for one operation, and whether the moment (and not `timeout`) is what limits it.

        Raises:
            LateError: The moment has passed.
        """
        if self.by is None:
            return timeout, False
        left = self.by - self._clock.now()
        if left <= 0:
            raise self.late()
        return (left, True) if timeout is None or left < timeout else (timeout, False)

    def failure(self, error: BaseException, url: str, connect_timeout: float | None = None) -> BaseException | None:
        """What to raise for `error`, or None for itself. After the moment every timeout is the moment's."""
        if isinstance(error, TimeoutError):
            return error
        ours = failure(error, url, connect_timeout)
        stalled = any(cls.__name__ == "TimeoutException" for cls in type(error).__mro__)
        # The clock of a socket and ours may differ by a tick.
        if stalled and self.by is not None and self._clock.now() >= self.by - 0.001:
            return self.late()
        return ours


class DeadlineBackend:
    """The network as httpcore wants it (`httpcore.NetworkBackend`), with the thread's moment on every operation."""

    def __init__(self, inner: httpcore.NetworkBackend, moment: Moment) -> None:
        self._inner = inner
        self._moment = moment

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> DeadlineStream:
        """A connection whose every operation ends by the moment of the thread that does it."""
        limit, ours = self._moment.shorten(timeout)
        cancellation = waiting_cancellation()

        def connect() -> httpcore.NetworkStream:
            return self._inner.connect_tcp(host, port, limit, local_address, socket_options)

        try:
            # A connection that is given up after each slice would never come about to a host far away.
            stream = connect() if cancellation is None else aside(cancellation, connect, _close)
        except httpcore.TimeoutException:
            if ours:
                raise self._moment.late() from None
            raise
        return DeadlineStream(stream, self._moment)

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None
    ) -> DeadlineStream:
        """The same for a socket of the file system."""
        limit, _ = self._moment.shorten(timeout)
        return DeadlineStream(self._inner.connect_unix_socket(path, limit, socket_options), self._moment)

    def sleep(self, seconds: float) -> None:
        """Waits; httpcore does so between its own connection attempts, of which we ask for one."""
        self._inner.sleep(seconds)


class DeadlineStream:
    """One connection of a `DeadlineBackend`, plain or TLS."""

    def __init__(self, inner: httpcore.NetworkStream, moment: Moment) -> None:
        self._inner = inner
        self._moment = moment

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has arrived, at most `max_bytes`; `b""` at the end."""
        limit, ours = self._moment.shorten(timeout)
        cancellation = waiting_cancellation()
        try:
            if cancellation is None:
                return self._inner.read(max_bytes, limit)
            return in_slices(
                cancellation, limit, lambda left: self._inner.read(max_bytes, left), httpcore.TimeoutException
            )
        except httpcore.TimeoutException:
            if ours:
                raise self._moment.late() from None
            raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Sends all of `buffer`."""
        start = 0
        while start < len(buffer):
            limit, ours = self._moment.shorten(timeout)
            try:
                start += self._send(buffer[start : start + _WRITE_BYTES], limit)
            except httpcore.TimeoutException:
                if ours:
                    raise self._moment.late() from None
                raise

    def _send(self, piece: bytes, limit: float | None) -> int:
        """How many bytes of `piece` were sent, at least one."""
        cancellation = waiting_cancellation()
        plug = None if cancellation is None else self._socket()
        if cancellation is None or plug is None:
            if cancellation is not None:
                cancellation.check()
            self._inner.write(piece, limit)
            return len(piece)

        def send(left: float) -> int:
            # A write of httpcore that runs out of time does not tell how much was sent, so it cannot be repeated.
            try:
                plug.settimeout(left)
                return plug.send(piece)
            except TimeoutError as error:
                raise httpcore.WriteTimeout(error) from error
            except OSError as error:
                raise httpcore.WriteError(error) from error

        return in_slices(cancellation, limit, send, httpcore.TimeoutException)

    def _socket(self) -> socket.socket | None:
        """The socket that takes what is written, or None if there is none: TLS inside TLS has only the outer one."""
        plug = self._inner.get_extra_info("socket")
        nested = isinstance(self._inner.get_extra_info("ssl_object"), ssl.SSLObject)
        return plug if isinstance(plug, socket.socket) and not nested else None

    def close(self) -> None:
        """Closes the connection."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> DeadlineStream:
        """The same connection under TLS, with the same rule."""
        limit, ours = self._moment.shorten(timeout)
        cancellation = waiting_cancellation()

        def shake() -> httpcore.NetworkStream:
            return self._inner.start_tls(ssl_context, server_hostname, limit)

        try:
            stream = shake() if cancellation is None else self._aside(cancellation, shake)
        except httpcore.TimeoutException:
            if ours:
                raise self._moment.late() from None
            raise
        return DeadlineStream(stream, self._moment)

    def _aside(self, cancellation: Cancellation, shake: Callable[[], httpcore.NetworkStream]) -> httpcore.NetworkStream:
        """The handshake in a thread of its own, which ends at once if nobody waits for it any more."""
        plug = self._socket()
        # The handshake takes the socket away from its object; a duplicate stays valid. (That of TLS cannot be made.)
        other = None if plug is None or isinstance(plug, ssl.SSLSocket) else plug.dup()
        try:
            return aside(cancellation, shake, _close)
        except CancelledError:
            with suppress(OSError):
                if other is not None:
                    other.shutdown(socket.SHUT_RDWR)
            raise
        finally:
            if other is not None:
                other.close()

    def get_extra_info(self, info: str) -> Any:
        """What the connection knows about itself."""
        return self._inner.get_extra_info(info)


def _close(stream: httpcore.NetworkStream) -> None:
    stream.close()


def obey_deadlines(client: httpx.Client, moment: Moment) -> int:
    """Puts a `DeadlineBackend` under every connection pool of `client`, proxies included; returns how many.

    httpx has no argument for the network backend, only httpcore has. A test holds on to the attributes used here.
    """
    state = inside(client)
    transports: list[Any] = [state["_transport"], *state["_mounts"].values()]
    pools = [inside(inside(each)["_pool"]) for each in transports if each is not None]
    for pool in pools:
        pool["_network_backend"] = DeadlineBackend(pool["_network_backend"], moment)
    return len(pools)
