"""The transport for threads: coroutines that never suspend, because the thread itself waits, in Rust."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from inferail.core import HttpPool
from inferail.errors import ConfigError
from inferail.transport.cancellation import SLICE, waiting_cancellation
from inferail.transport.clock import BlockingClock
from inferail.transport.rust.settings import Generation, HttpSettings

if TYPE_CHECKING:
    from inferail.core import Delta, HttpExchange, StreamDecoder
    from inferail.transport.protocol import Wire
    from inferail.types.clock import Clock

__all__ = ["BlockingRustReply", "BlockingRustTransport"]


class BlockingRustTransport:
    """Sends wire requests and blocks the thread meanwhile. Safe to use from many threads.

    Every call takes a pool of connections for itself and gives it back with its end, so no two threads ever wait for
    each other. Within a blocking `Watch` it waits in slices and ends soon after `Cancellation.cancel`.

    Attributes:
        clock: The clock that deadlines are read on.
        blocking: True.
    """

    blocking = True

    def __init__(self, settings: HttpSettings | None = None, *, clock: Clock | None = None) -> None:
        """Sets up; nothing is opened.

        Args:
            settings: Certificates, proxies, limits.
            clock: Another clock, for tests; it must run like `time.monotonic`.
        """
        self.clock: Clock = clock or BlockingClock()
        chosen = settings or HttpSettings()
        self._settings, self.proxy = chosen.of_core(), chosen.proxy
        self._closed = False
        self._lock = threading.Lock()
        self._free: list[HttpPool] = []
        self._generation = Generation.number

    async def open(self, wire: Wire, *, connect_timeout: float | None, by: float | None) -> BlockingRustReply:
        """Sends `wire`; gives back once the response headers are in.

        Args:
            wire: The request.
            connect_timeout: Seconds for the TCP connection (name lookup and proxy included), the same again for TLS.
            by: Moment on the clock at which to give up.

        Raises:
            ConnectError: No connection.
            DeadlineError: No connection within `connect_timeout` seconds (phase `connect`).
            TimeoutError: The moment `by` came first.
            CancelledError: The Scope was cancelled meanwhile (see `inferail.transport.cancellation`).
            TransportError: The connection broke, or what came back is not HTTP.
            ConfigError: The transport is closed, or `wire` cannot be sent.
        """
        if by is not None and self.clock.now() >= by:
            cancellation = waiting_cancellation()
            if cancellation is not None:
                cancellation.check()
            raise TimeoutError("no time is left to begin")
        pool = self._take()
        try:
            exchange = pool.start(
                wire.method, wire.url, wire.headers, wire.body, stream=wire.stream, connect_timeout=connect_timeout
            )
        except BaseException:
            self.give_back(pool)
            raise
        try:
            while (head := exchange.head()) is None:
                self.wait(pool, exchange, by)
        except BaseException:
            exchange.close()
            self.give_back(pool)
            raise
        return BlockingRustReply(self, pool, exchange, head)

    async def warm(self, url: str, *, connections: int = 1, connect_timeout: float | None = 5.0) -> None:
        """Makes connections to the server of `url`, so that the next calls find them open: one for each thread.

        Raises:
            ConnectError: No connection.
            DeadlineError: No connection within `connect_timeout` seconds (phase `connect`).
        """
        taken = [self._take() for _ in range(connections)]
        try:
            for pool in taken:
                exchange = pool.warm(url, connect_timeout=connect_timeout)
                try:
                    while exchange.read() is None:
                        self.wait(pool, exchange, None)
                finally:
                    exchange.close()
        finally:
            for pool in taken:
                self.give_back(pool)

    @property
    def connections(self) -> tuple[int, int]:
        """Connections that nobody uses at this moment: those that stand, and those among them that are idle."""
        with self._lock:
            counts = [pool.connections() for pool in self._free]
        return sum(stands for stands, _ in counts), sum(idle for _, idle in counts)

    async def aclose(self) -> None:
        """Closes every connection that is not in use; the others close with their answers."""
        self._closed = True
        with self._lock:
            self._free.clear()

    def wait(self, pool: HttpPool, exchange: HttpExchange, by: float | None) -> None:
        """Blocks until there is news of `exchange`.

        Raises:
            TimeoutError: The moment `by` came first.
            CancelledError: The Scope was cancelled meanwhile.
        """
        cancellation = waiting_cancellation()
        now = self.clock.now
        if by is not None and now() >= by:
            if cancellation is not None:
                cancellation.check()
            exchange.close()
            raise TimeoutError("nothing came in time")
        if cancellation is None:
            pool.block(exchange, by)
            return
        cancellation.check()
        slice_ends = now() + SLICE
        pool.block(exchange, slice_ends if by is None else min(by, slice_ends))
        cancellation.check()

    def give_back(self, pool: HttpPool) -> None:
        """Lets another call use the connections of `pool`."""
        pool.settle()
        with self._lock:
            if not self._closed and self._generation == Generation.number:
                self._free.append(pool)

    def _take(self) -> HttpPool:
        if self._closed:
            raise ConfigError("the transport is closed")
        if self._generation != Generation.number:
            # A thread of the parent may have held the lock in the moment of the fork.
            self._lock, self._free, self._generation = threading.Lock(), [], Generation.number
        with self._lock:
            if self._free:
                return self._free.pop()
        return HttpPool(self._settings, self.clock.now())


class BlockingRustReply:
    """An HTTP answer whose body has not been read yet; see `inferail.transport.protocol.Reply`."""

    __slots__ = ("_exchange", "_pool", "_transport", "connect", "headers", "status", "tls")

    def __init__(
        self,
        transport: BlockingRustTransport,
        pool: HttpPool,
        exchange: HttpExchange,
        head: tuple[int, Mapping[str, str], float, float],
    ) -> None:
        self.status, self.headers, self.connect, self.tls = head
        self._transport = transport
        self._pool: HttpPool | None = pool
        self._exchange = exchange

    async def read(self, by: float | None) -> bytes:
        """All that has arrived of the body since the last time, decompressed; `b""` at its clean end. Blocks.

        Raises:
            TimeoutError: The moment `by` came first.
            CancelledError: The Scope was cancelled meanwhile.
            TransportError: The connection broke, the body ended before its announced end, or the reply is closed.
        """
        cancellation = waiting_cancellation()
        if cancellation is not None:
            cancellation.check()
        while (piece := self._exchange.read(by)) is None:
            if self._pool is not None:
                self._transport.wait(self._pool, self._exchange, by)
        return piece

    async def read_deltas(self, decoder: StreamDecoder, by: float | None) -> list[Delta]:
        """The deltas of all that has arrived since the last time; an empty list at the clean end of the body. Blocks.

        Raises:
            TimeoutError: The moment `by` came first.
            CancelledError: The Scope was cancelled meanwhile.
            TransportError: The connection broke, the body ended before its announced end, or the reply is closed.
        """
        cancellation = waiting_cancellation()
        if cancellation is not None:
            cancellation.check()
        while (deltas := self._exchange.deltas(decoder, by)) is None:
            if self._pool is not None:
                self._transport.wait(self._pool, self._exchange, by)
        return deltas

    async def aclose(self) -> None:
        """Gives the connection back if the body was read to its end, closes it otherwise. Safe to call twice."""
        pool, self._pool = self._pool, None
        if pool is not None:
            self._exchange.close()
            self._transport.give_back(pool)
