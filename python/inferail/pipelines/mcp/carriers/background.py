"""What a server says outside of the answers to requests (2025-11-25 and before): heard while the session lasts.

Some servers ask back there, about a call that is in flight. So whoever answers does it in the Scope of that call.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from inferail.concurrency import Emit, Race, race
from inferail.errors import ConfigError, InferailError
from inferail.pipelines.mcp.carriers.mailbox import Mailbox
from inferail.pipelines.mcp.wire import messages
from inferail.pipelines.mcp.wire.messages import RpcError, kind_of
from inferail.pipelines.mcp.wire.protocol import INTERNAL_ERROR
from inferail.transport.cancellation import Watch
from inferail.types.scope import Cancellation, Scope, current_scope

if TYPE_CHECKING:
    from inferail.pipelines.mcp.carriers.link import Exchange
    from inferail.pipelines.mcp.wire.messages import Message
    from inferail.types.clock import Clock

__all__ = ["Background", "InFlight"]

# Seconds that the stream has to open before the first call goes out without it.
_OPENING: Final = 2.0
# How often in a row the stream may fail before it is given up.
_FAILURES: Final = 3


class InFlight:
    """The calls that wait for their answers, oldest first."""

    def __init__(self) -> None:
        self._calls: dict[int | str, tuple[Exchange, Scope]] = {}

    def add(self, number: int | str, exchange: Exchange) -> None:
        """A call begins, in the Scope around it."""
        self._calls[number] = (exchange, current_scope())

    def remove(self, number: int | str) -> None:
        """A call has ended."""
        self._calls.pop(number, None)

    def about(self, message: Message) -> tuple[Exchange, Scope] | None:
        """The call that a message is about: the one it names, or the oldest; None where none is in flight."""
        token = message.get("params", {}).get("progressToken")
        if isinstance(token, int | str) and token in self._calls:
            return self._calls[token]
        return next(iter([*self._calls.values()]), None)


class Background:
    """A stream of notifications and requests, read by a task or a thread of its own."""

    def __init__(self, calls: InFlight, alone: Exchange, *, blocking: bool, clock: Clock) -> None:
        """Sets up; nothing is opened.

        Args:
            calls: Those in flight.
            alone: Hears notifications while none is.
            blocking: Whether a thread reads.
            clock: Of the transport.
        """
        self._calls, self._alone, self._blocking, self._clock = calls, alone, blocking, clock
        self._stop = Cancellation()
        self._opened: Mailbox[None] = Mailbox(blocking=blocking)
        self._race: Race | None = None

    async def start(self, read: Callable[[Callable[[], None]], Awaitable[float]]) -> None:
        """Begins to read, and waits a moment until the stream is open.

        Args:
            read: Reads the stream to its end, calling what it is given once it is open; gives the seconds after which to
                read on. Raises ConfigError where there is no stream.
        """

        async def work(emit: Emit) -> None:
            del emit
            with Scope(cancellation=self._stop).enter(), Watch(self._stop, self._blocking):
                await self._read(read)

        self._race = race(blocking=self._blocking)
        self._race.start(work, stop=self._ask_to_stop)
        with contextlib.suppress(TimeoutError):
            await self._opened.get(self._clock.now() + _OPENING)

    async def hear(self, message: Message) -> Message | None:
        """See `inferail.pipelines.mcp.carriers.link.Exchange`."""
        call = self._calls.about(message)
        if call is not None:
            with call[1].enter():
                return await call[0].hear(message)
        if kind_of(message) == "request" and message["method"] not in ("ping", "roots/list"):
            error = RpcError(INTERNAL_ERROR, "the client waits for no answer that this could be a part of")
            return messages.failure(message["id"], error)
        return await self._alone.hear(message)

    async def aclose(self) -> None:
        """Ends the reading."""
        if self._race is not None:
            running, self._race = self._race, None
            await running.close()

    def _ask_to_stop(self) -> bool:
        self._stop.cancel()
        return self._blocking

    async def _read(self, read: Callable[[Callable[[], None]], Awaitable[float]]) -> None:
        failures = 0

        def note() -> None:
            nonlocal failures
            failures = 0
            self._opened.put(None)

        while failures < _FAILURES:
            try:
                wait = await read(note)
            except ConfigError:
                break
            except (InferailError, TimeoutError):
                self._stop.check()
                failures, wait = failures + 1, 1.0
            await self._clock.sleep(wait)
        self._opened.put(None)
