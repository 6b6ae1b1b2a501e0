"""The transport for event loops: the loop watches one descriptor, and Rust does the rest when it is readable."""

from __future__ import annotations

import asyncio
import sys
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from inferail.core import HttpPool
from inferail.errors import ConfigError
from inferail.transport.clock import AsyncClock
from inferail.transport.rust.settings import Generation, HttpSettings

if TYPE_CHECKING:
    from inferail.core import Delta, HttpExchange, StreamDecoder
    from inferail.transport.protocol import Wire
    from inferail.types.clock import Clock

__all__ = ["Lane", "RustReply", "RustTransport"]


class Lane(Protocol):
    """The connections of one event loop, and how its tasks wait for them."""

    pool: HttpPool
    generation: int

    async def wait(self, exchange: HttpExchange, by: float | None) -> None:
        """Waits until there is news of `exchange`, or the moment `by` has come."""
        ...

    def close(self) -> None:
        """The loop watches no more."""
        ...


class RustTransport:
    """Sends wire requests over connections of its own, under asyncio and trio.

    One pool per event loop. A cancelled call closes its connection at once and gives its place back; whatever arrives
    at the same time for many calls wakes the loop once.

    Attributes:
        clock: The clock that deadlines are read on.
        blocking: False.
    """

    blocking = False

    def __init__(self, settings: HttpSettings | None = None, *, clock: Clock | None = None) -> None:
        """Sets up; nothing is opened.

        Args:
            settings: Certificates, proxies, limits.
            clock: Another clock, for tests; it must run like `time.monotonic`.
        """
        self.clock: Clock = clock or AsyncClock()
        chosen = settings or HttpSettings()
        self._settings, self.proxy = chosen.of_core(), chosen.proxy
        self._closed = False
        self._lanes: weakref.WeakKeyDictionary[Any, Lane] = weakref.WeakKeyDictionary()

    async def open(self, wire: Wire, *, connect_timeout: float | None, by: float | None) -> RustReply:
        """Sends `wire`; gives back once the response headers are in.

        Args:
            wire: The request.
            connect_timeout: Seconds for the TCP connection (name lookup and proxy included), the same again for TLS.
            by: Moment on the clock at which to give up.

        Raises:
            ConnectError: No connection.
            DeadlineError: No connection within `connect_timeout` seconds (phase `connect`).
            TimeoutError: The moment `by` came first.
            TransportError: The connection broke, or what came back is not HTTP.
            ConfigError: No event loop is running, the transport is closed, or `wire` cannot be sent.
        """
        lane = self._here()
        if by is not None and self.clock.now() >= by:
            raise TimeoutError("no time is left to begin")
        exchange = lane.pool.start(
            wire.method, wire.url, wire.headers, wire.body, stream=wire.stream, connect_timeout=connect_timeout
        )
        try:
            while (head := exchange.head()) is None:
                await lane.wait(exchange, by)
        except BaseException:
            exchange.close()
            raise
        return RustReply(lane, exchange, head)

    async def warm(self, url: str, *, connections: int = 1, connect_timeout: float | None = 5.0) -> None:
        """Makes connections to the server of `url`, so that the next calls find them open.

        Raises:
            ConnectError: No connection.
            DeadlineError: No connection within `connect_timeout` seconds (phase `connect`).
        """
        lane = self._here()
        begun = [lane.pool.warm(url, connect_timeout=connect_timeout) for _ in range(connections)]
        try:
            for exchange in begun:
                while exchange.read() is None:
                    await lane.wait(exchange, None)
        finally:
            for exchange in begun:
                exchange.close()

    @property
    def connections(self) -> tuple[int, int]:
        """Connections of the running loop: those that stand or are being made, and those among them that are idle."""
        return self._here().pool.connections()

    async def aclose(self) -> None:
        """Closes every connection made in this event loop."""
        self._closed = True
        lane = self._lanes.pop(_loop(), None)
        if lane is not None:
            lane.close()

    def _here(self) -> Lane:
        loop = asyncio._get_running_loop() or _loop()  # noqa: SLF001 - the public one raises instead of answering
        if self._closed:
            raise ConfigError("the transport is closed")
        lane = self._lanes.get(loop)
        if lane is None or lane.generation != Generation.number:
            lane = self._new_lane(loop)
        return lane

    def _new_lane(self, loop: Any) -> Lane:
        pool = HttpPool(self._settings, self.clock.now())
        if isinstance(loop, asyncio.AbstractEventLoop):
            lane: Lane = AsyncioLane(loop, pool)
        else:
            from inferail.transport.rust.trio import TrioLane

            lane = TrioLane(pool)
        self._lanes[loop] = lane
        return lane


class RustReply:
    """An HTTP answer whose body has not been read yet; see `inferail.transport.protocol.Reply`."""

    __slots__ = ("_exchange", "_lane", "_read", "connect", "headers", "status", "tls")

    def __init__(self, lane: Lane, exchange: HttpExchange, head: tuple[int, Mapping[str, str], float, float]) -> None:
        self.status, self.headers, self.connect, self.tls = head
        self._lane = lane
        self._exchange = exchange
        self._read = exchange.read

    async def read(self, by: float | None) -> bytes:
        """All that has arrived of the body since the last time, decompressed; `b""` at its clean end.

        Raises:
            TimeoutError: The moment `by` came first.
            TransportError: The connection broke, the body ended before its announced end, or the reply is closed.
        """
        while (piece := self._read(by)) is None:
            await self._lane.wait(self._exchange, by)
        return piece

    async def read_deltas(self, decoder: StreamDecoder, by: float | None) -> list[Delta]:
        """The deltas of all that has arrived since the last time; an empty list at the clean end of the body.

        Raises:
            TimeoutError: The moment `by` came first.
            TransportError: The connection broke, the body ended before its announced end, or the reply is closed.
        """
        while (deltas := self._exchange.deltas(decoder, by)) is None:
            await self._lane.wait(self._exchange, by)
        return deltas

    async def aclose(self) -> None:
        """Gives the connection back if the body was read to its end, closes it otherwise. Safe to call twice."""
        self._exchange.close()


class AsyncioLane:
    """The connections of one asyncio loop."""

    __slots__ = ("_loop", "_timer", "generation", "pool")

    def __init__(self, loop: asyncio.AbstractEventLoop, pool: HttpPool) -> None:
        self.pool = pool
        self.generation = Generation.number
        # Weak: the transport finds the lane by its loop for as long as the loop lives, and no longer.
        self._loop = weakref.ref(loop)
        self._timer: asyncio.TimerHandle | None = None
        try:
            loop.add_reader(pool.fileno(), self._turn)
        except NotImplementedError:
            raise ConfigError(
                "this event loop cannot watch descriptors (Windows' Proactor cannot): pass transport='httpx'"
            ) from None

    async def wait(self, exchange: HttpExchange, by: float | None) -> None:
        """Waits until there is news of `exchange`.

        Raises:
            TimeoutError: The moment `by` came first.
        """
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        seconds = self.pool.wait(exchange, waiter, by)
        if seconds is not None:
            self._arm(loop, seconds)
        await waiter
        if exchange.late():
            exchange.close()
            raise TimeoutError("nothing came in time")

    def close(self) -> None:
        """The loop watches no more, and the connections close."""
        loop = self._loop()
        if self._timer is not None:
            self._timer.cancel()
        if loop is not None and not loop.is_closed():
            loop.remove_reader(self.pool.fileno())

    def _turn(self) -> None:
        for waiter in self.pool.turn():
            if not waiter.done():
                waiter.set_result(None)
        seconds = self.pool.arm()
        if seconds is not None:
            loop = self._loop()
            if loop is not None:
                self._arm(loop, seconds)

    def _arm(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self.pool.disarm()
        self._turn()


def _loop() -> Any:
    """The running event loop, or what stands for it under trio."""
    loop = asyncio._get_running_loop()  # noqa: SLF001 - the public one raises instead of answering
    if loop is not None:
        return loop
    if "trio" in sys.modules:
        import trio

        with suppress(RuntimeError):
            return trio.lowlevel.current_trio_token()
    raise ConfigError("this transport needs a running event loop: asyncio or trio")
