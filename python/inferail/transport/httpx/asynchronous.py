"""The asyncio transport, over httpx.

httpx has a timeout per socket read and no other. This adds what a call to a model needs: a hard deadline for the
whole, whatever the server drips; a connection time of its own; and connections that come back to the pool, however
often and whenever a request is cancelled.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import httpx

from inferail.errors import ConfigError, TransportError
from inferail.transport.clock import AsyncClock
from inferail.transport.httpx.exchange import ConnectWatch, failure, inside, limits, plain_headers, sent_headers
from inferail.transport.httpx.watchdog import Watchdog

if TYPE_CHECKING:
    from inferail.transport.protocol import Wire
    from inferail.types.clock import Clock

__all__ = ["HttpxReply", "HttpxTransport"]

# At every request and every answer httpcore walks over all connections of its pool, and asks the operating system about
# each idle one: with 64 in one pool a call costs 8 ms of CPU, with 4 in each of 16 pools 0.6 ms. So a pool that has
# this many requests under way is passed over for another one, as long as there may be another.
BUSY = 4
POOLS = 16
# httpcore counts every connection, not only the idle ones, against its keep-alive limit (encode/httpcore, 1.0.9), so a
# smaller second number would close connections just when there is the most use for them.
LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=64, keepalive_expiry=50.0)

# The request extension by which a request is found again in httpcore's pool.
_MARK = "inferail"


class HttpxTransport:
    """Sends wire requests through httpx, under asyncio.

    Without a client it opens connections of its own: HTTP/1.1, proxies from the environment, at most 1,024 at a time
    and event loop, idle ones kept for 50 s. A client that is passed in is used as it is: its headers, cookies
    and proxies apply, and it is not closed.

    Attributes:
        clock: The clock that deadlines are read on.
        blocking: False.
    """

    blocking = False

    def __init__(self, client: Any = None, *, clock: Clock | None = None) -> None:
        """Sets up; nothing is sent.

        Args:
            client: `httpx.AsyncClient` or `httpx2.AsyncClient`, or None.
            clock: Another clock, for tests.
        """
        self.clock: Clock = clock or AsyncClock()
        self._given = client
        self._closed = False
        # Connections belong to the loop they were made in, so each loop has its own clients. Reading the certificates
        # takes 10 ms and more: once, and not inside a loop.
        self._certificates = httpx.create_ssl_context() if client is None else None
        self._lanes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, list[Lane]] = weakref.WeakKeyDictionary()
        self._closing: set[asyncio.Task[None]] = set()

    async def open(self, wire: Wire, *, connect_timeout: float | None, by: float | None) -> HttpxReply:
        """Sends `wire`; gives back once the response headers are in.

        Args:
            wire: The request.
            connect_timeout: Seconds for the TCP connection, the same again for TLS and for a free place in the pool.
            by: Moment on the clock at which to give up.

        Raises:
            ConnectError: No connection.
            DeadlineError: No connection within `connect_timeout` seconds (phase `connect`).
            TimeoutError: The moment `by` came first.
            TransportError: The connection broke, or what came back is not HTTP.
            ConfigError: No asyncio loop is running, the transport is closed, or `wire` cannot be sent.
        """
        loop, lane = self._here()
        client = lane.client
        lane.busy += 1
        watch = ConnectWatch(self.clock)
        watchdog = Watchdog(loop, self.clock)
        watchdog.begin(by)
        try:
            request = client.build_request(
                wire.method,
                wire.url,
                headers=sent_headers(wire),
                content=wire.body,
                extensions={"trace": watch.anote, "timeout": limits(connect_timeout), _MARK: watch},
            )
            response = await client.send(request, stream=True)
        except BaseException as error:
            late = watchdog.end()
            watchdog.stop()
            lane.busy -= 1
            self.reclaim(client, watch)
            if late:
                raise TimeoutError("no response headers in time") from None
            ours = failure(error, wire.url, connect_timeout)
            if ours is None:
                raise
            raise ours from None
        late = watchdog.end()
        reply = HttpxReply(self, response, lane=lane, url=wire.url, watch=watch, watchdog=watchdog)
        if late:
            await reply.aclose()
            raise TimeoutError("no response headers in time")
        return reply

    async def aclose(self) -> None:
        """Closes every connection made in this event loop (not those of a client that was passed in)."""
        self._closed = True
        loop = asyncio.get_running_loop()
        for lane in self._lanes.pop(loop, ()):
            await lane.client.aclose()
        # Work of another loop, which may have ended in the middle of it, cannot be waited for here.
        while ours := [task for task in list(self._closing) if task.get_loop() is loop]:
            await asyncio.wait(ours)

    def _here(self) -> tuple[asyncio.AbstractEventLoop, Lane]:
        if self._closed:
            raise ConfigError("the transport is closed")
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise ConfigError("this transport needs asyncio: trio is not supported") from None
        if self._given is not None:
            if getattr(self._given, "is_closed", False):
                raise ConfigError("the httpx client that was passed in is closed")
            return loop, Lane(self._given)
        lanes = self._lanes.setdefault(loop, [])
        lane = min(lanes, key=_busy, default=None)
        if lane is None or (lane.busy >= BUSY and len(lanes) < POOLS):
            lane = Lane(httpx.AsyncClient(verify=self._certificates or True, limits=LIMITS, timeout=None))  # noqa: S113 - the watchdog does it
            lanes.append(lane)
        return loop, lane

    def in_background(self, work: Any) -> asyncio.Task[None]:
        """Starts `work` in a task that a cancellation of the running one does not reach; `aclose` waits for it."""
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return task

    def reclaim(self, client: Any, mark: object) -> None:
        """Takes back what a broken or cancelled request has left in the pools of `client`."""
        for pool in _pools(client):
            for connection in reclaim(pool, mark):
                self.in_background(_close_quietly(connection))


class Lane:
    """One httpx client, and how many requests are under way through it."""

    __slots__ = ("busy", "client")

    def __init__(self, client: Any) -> None:
        self.client = client
        self.busy = 0


class HttpxReply:
    """An HTTP answer whose body has not been read yet; see `inferail.transport.protocol.Reply`."""

    def __init__(
        self,
        transport: HttpxTransport,
        response: Any,
        *,
        lane: Lane,
        url: str,
        watch: ConnectWatch,
        watchdog: Watchdog,
    ) -> None:
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = plain_headers(response.headers.raw)
        self.connect, self.tls = watch.connect, watch.tls
        self._transport = transport
        self._lane = lane
        self._response = response
        self._url = url
        self._watch = watch
        self._watchdog = watchdog
        self._complete = False
        self._broken = False
        # `response.stream` is what `aiter_raw` iterates; taken directly it saves a generator and a chunker per piece.
        plain = self.headers.get("content-encoding", "identity") == "identity"
        self._pieces: Any = (response.stream if plain else response.aiter_bytes()).__aiter__()
        self._next = self._pieces.__anext__

    async def read(self, by: float | None) -> bytes:
        """The next piece of the body as it arrived, decompressed; `b""` at its clean end.

        Raises:
            TimeoutError: The moment `by` came first.
            TransportError: The connection broke, the body ended before its announced end, or the reply is closed.
        """
        if self._complete:
            return b""
        if self._broken:
            raise TransportError("the answer was left before its end")
        watchdog = self._watchdog
        watchdog.begin(by)
        try:
            try:
                piece: bytes = await self._next()
                while not piece:
                    piece = await self._next()
            except StopAsyncIteration:
                await self._response.aclose()
                piece = b""
                self._complete = True
                self._lane.busy -= 1
                watchdog.stop()
        except BaseException as error:
            # A generator that has raised says StopAsyncIteration from then on: that must not look like a clean end.
            self._broken = True
            if watchdog.end():
                raise TimeoutError("no more of the answer in time") from None
            ours = failure(error, self._url)
            if ours is None:
                raise
            raise ours from None
        if watchdog.end():
            raise TimeoutError("no more of the answer in time")
        return piece

    async def aclose(self) -> None:
        """Gives the connection back if the body was read to its end, closes it otherwise. Safe to call twice.

        If the calling task is cancelled meanwhile, the closing goes on without it.
        """
        self._watchdog.stop()
        if not self._complete and self._next is not _closed:
            self._broken = True
            self._next = _closed
            self._lane.busy -= 1
            await asyncio.shield(self._transport.in_background(self._close()))

    async def _close(self) -> None:
        try:
            await self._response.aclose()
            await _close_pieces(self._pieces)
        except Exception as error:
            if failure(error, self._url) is None:
                raise
        finally:
            self._transport.reclaim(self._lane.client, self._watch)


def reclaim(pool: Any, mark: object) -> list[Any]:
    """Takes what a request left behind out of a connection pool of httpcore; gives the connections to close.

    httpcore 1.0.9 loses a place in its pool for good if the task is cancelled in one of three moments: between getting
    a connection and beginning to connect (encode/httpcore#1093), between connecting and sending, and a second time
    while the first cancellation closes the connection (encode/httpx#3782). Hedging cancels all the time. The pool's own
    rule is that a connection in use belongs to a request; so one that is neither idle nor closed nor anybody's is lost.

    Args:
        pool: httpcore's pool (or httpcore2's); anything else is left alone.
        mark: What the request carries as its `inferail` extension.
    """
    state = inside(pool)
    if "_requests" not in state or "_connections" not in state:
        return []
    requests: list[Any] = state["_requests"]
    connections: list[Any] = state["_connections"]
    for request in [each for each in requests if each.request.extensions.get(_MARK) is mark]:
        requests.remove(request)
    owned = {id(request.connection) for request in requests}
    lost = [each for each in connections if id(each) not in owned and not each.is_idle() and not each.is_closed()]
    for connection in lost:
        connections.remove(connection)
    # Whoever waits for a free place gets the one that has just become free.
    return lost + list(pool._assign_requests_to_connections())  # noqa: SLF001 - there is no public way


def _pools(client: Any) -> list[Any]:
    state = inside(client)
    transports: list[Any] = [state.get("_transport"), *state.get("_mounts", {}).values()]
    return [pool for transport in transports if (pool := getattr(transport, "_pool", None)) is not None]


def _busy(lane: Lane) -> int:
    return lane.busy


async def _close_quietly(connection: Any) -> None:
    try:
        await connection.aclose()
    except Exception as error:
        if failure(error, "") is None:
            raise


async def _close_pieces(pieces: Any) -> None:
    close = getattr(pieces, "aclose", None)
    if close is not None:
        await close()


async def _closed() -> bytes:
    raise TransportError("the answer was left before its end")
