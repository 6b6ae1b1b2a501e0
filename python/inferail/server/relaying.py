"""Carries one stream to one reader: back-pressure, signs of life, and an end in the reader's format whatever happens.

Nothing is read ahead. A list of deltas is read, written, and only when the reader's socket has taken it is the next one
read: a slow reader slows the provider down, and memory holds one list and what the sockets buffer.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar

from inferail.client import ResponseStream, begun_anew
from inferail.errors import ConfigError, InferailError, ServerError
from inferail.types.accumulate import voids

if TYPE_CHECKING:
    from inferail.core import Delta
    from inferail.types.model import DeltaStream
    from inferail.types.response import Response

__all__ = ["Pace", "RelayEncoder", "Relaying", "known"]

Encoded = ParamSpec("Encoded")
PayloadT = TypeVar("PayloadT")
WrittenT_co = TypeVar("WrittenT_co", covariant=True)
_LOGGER = logging.getLogger("inferail.server")
_LONGEST_TURN = 0.02  # seconds


class RelayEncoder(Protocol[WrittenT_co]):
    """Deltas to what a reader gets (bytes of events, messages of a socket).

    Attributes:
        revises: Whether the format has a word for an answer that begins anew. Where it has none, such an answer is an error:
            its reader would take both for one.
    """

    revises: bool

    def feed(self, deltas: list[Delta], /) -> WrittenT_co:
        """What these deltas say; may be empty."""
        ...

    def finish(self, response: Response[Any], /) -> WrittenT_co:
        """The end of a whole answer."""
        ...

    def fail(self, error: InferailError, /) -> WrittenT_co:
        """The end of an answer that broke: the error in the reader's format."""
        ...

    def state(self, name: str, /) -> WrittenT_co:
        """Says `started`, `active` or `stalled`, for a cursor; empty in formats that have no word for it."""
        ...

    def beat(self) -> WrittenT_co:
        """A sign of life while nothing comes, which readers pass over."""
        ...


class Pace:
    """How long nothing may be written before the reader is told.

    Attributes:
        heartbeat: Seconds without a byte after which a sign of life is written.
        stalled: Seconds without content after which the state is `stalled`.
    """

    __slots__ = ("heartbeat", "stalled")

    def __init__(self, heartbeat: float | None, stalled: float | None) -> None:
        """None is never.

        Raises:
            ConfigError: Not a positive number.
        """
        for name, seconds in (("heartbeat", heartbeat), ("stalled", stalled)):
            if seconds is not None and not 0 < seconds < math.inf:
                raise ConfigError(f"{name} must be a positive number of seconds (None for never), not {seconds!r}")
        self.heartbeat = math.inf if heartbeat is None else heartbeat
        self.stalled = math.inf if stalled is None else stalled

    @property
    def never(self) -> bool:
        """Whether nothing is ever written unasked."""
        return self.heartbeat == self.stalled == math.inf


class Relaying(Generic[PayloadT]):
    """One stream on its way to one reader.

    Attributes:
        begun: Whether anything was written. Until then a failure can still be refused with a status of its own.
    """

    def __init__(
        self,
        encoder: RelayEncoder[PayloadT],
        *,
        begin: Callable[[], Awaitable[None]],
        write: Callable[[PayloadT], Awaitable[None]],
        refuse: Callable[[InferailError], Awaitable[None]],
        pace: Pace,
    ) -> None:
        """Sets it up.

        Args:
            encoder: The reader's format.
            begin: Opens the answer; awaited once, before the first payload.
            write: Writes a payload that is not empty; waits while the reader is slow.
            refuse: Answers a failure that came before anything was written.
            pace: When to write although nothing comes.
        """
        self.begun = False
        self._encoder = encoder
        self._begin = begin
        self._write = write
        self._refuse = refuse
        self._pace = pace
        self._writing = asyncio.Lock()
        self._active = False
        self._unwritten: Exception | None = None  # why a write failed: no failure of the stream
        self._now = asyncio.get_running_loop().time
        self._written_at = self._content_at = self._turned_at = self._now()

    async def run(self, stream: DeltaStream | ResponseStream[Any]) -> bool:
        """Carries the stream to its end; True if the answer was begun, False if it was refused.

        Cancelling it leaves the stream, which closes the connection to the provider.
        What `begin`, `write` and `refuse` raise is raised: nobody can be told of it.
        """
        if self._pace.never:
            return await self._carry(stream)
        keeping = asyncio.ensure_future(self._keep_alive())
        try:
            return await self._carry(stream)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    async def _carry(self, stream: DeltaStream | ResponseStream[Any]) -> bool:
        encoder = self._encoder
        try:
            async with stream:
                async for deltas in _batches(stream):
                    if not encoder.revises and self._active and any(map(voids, deltas)):
                        raise begun_anew(stream.partial)  # noqa: TRY301 - answered where every failure is
                    if not self._active:
                        await self._put(encoder.state, "active")
                        self._active = True
                    await self._put(encoder.feed, deltas)
                    self._content_at = self._written_at
                await self._put(encoder.finish, await stream.final())
        except Exception as error:
            if error is self._unwritten:
                raise
            failure = known(error)
            async with self._writing:
                if not self.begun:
                    self._written_at = math.inf  # nothing may be written behind a refusal
                    await self._refuse(failure)
                    return False
            await self._put(encoder.fail, failure)
        return True

    async def _put(self, encode: Callable[Encoded, PayloadT], *said: Encoded.args, **more: Encoded.kwargs) -> None:
        """Writes what `encode` makes of something. It is made when its turn has come: encoders number their events."""
        async with self._writing:
            if not self.begun:
                await self._deliver(self._begin())
                self.begun = True
                started = self._encoder.state("started")
                if started:
                    await self._deliver(self._write(started))
            payload = encode(*said, **more)
            if payload:
                await self._deliver(self._write(payload))
        now = self._written_at = self._now()
        if now - self._turned_at > _LONGEST_TURN:
            # A stream that always has more and a socket that always takes it would keep the loop for themselves: nobody
            # would see that the reader has gone.
            await asyncio.sleep(0)
            self._turned_at = self._now()

    async def _deliver(self, writing: Awaitable[None]) -> None:
        try:
            await writing
        except Exception as error:
            self._unwritten = error
            raise

    async def _keep_alive(self) -> None:
        """Writes signs of life. A reader that is slow to take what it has gets none: it is not waiting for any."""
        pace = self._pace
        while True:
            now = self._now()
            due = min(
                self._written_at + pace.heartbeat,
                self._content_at + pace.stalled if self._active else math.inf,
            )
            if due == math.inf:  # looked at again once there is content
                await asyncio.sleep(min(pace.stalled, 1.0))
            elif now < due:
                await asyncio.sleep(due - now)
            elif self._writing.locked():
                self._written_at = self._content_at = now
            elif self._active and now >= self._content_at + pace.stalled:
                self._active = False
                await self._put(self._encoder.state, "stalled")
            else:
                await self._put(self._encoder.beat)


def _batches(stream: DeltaStream | ResponseStream[Any]) -> AsyncIterator[list[Delta]]:
    """The lists of deltas of a client's stream, or of a Model's."""
    return stream.batches() if isinstance(stream, ResponseStream) else stream


def known(error: Exception) -> InferailError:
    """`error` as one of ours; what is unexpected becomes a ServerError, and its class is logged."""
    if isinstance(error, InferailError):
        return error
    # Never its text: it may quote the prompt.
    _LOGGER.error("an answer failed with an unexpected %s", type(error).__name__)
    return ServerError("the server failed in an unexpected way")
