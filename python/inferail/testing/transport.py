"""A transport that answers from a script on a virtual clock, for tests of targets, clients and codecs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inferail.errors import DeadlineError
from inferail.testing.clock import VirtualClock
from inferail.transport.protocol import Wire
from inferail.types.clock import Clock

__all__ = ["Piece", "ScriptedReply", "ScriptedTransport"]

Piece = bytes | BaseException | tuple[float, bytes | BaseException]


@dataclass(frozen=True, slots=True)
class ScriptedReply:
    """What one request brings.

    Attributes:
        pieces: The body as it arrives: bytes, or an exception to raise; `(seconds, …)` comes that much later than the
            piece before it.
        status: HTTP status.
        headers: Names in lower case.
        connect: Seconds until there is a connection.
        tls: Seconds of the TLS handshake after it.
        first_byte: Seconds from the connection to the response headers.
        error: Raised instead of an answer, after `connect` seconds.
    """

    pieces: Sequence[Piece] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    connect: float = 0.0
    tls: float = 0.0
    first_byte: float = 0.0
    error: BaseException | None = None


class ScriptedTransport:
    """A `inferail.transport.Transport` whose i-th request gets the i-th reply.

    On a `VirtualClock` it never suspends, so it serves sync clients too; on a `LoopClock` it waits as a real one does,
    and other tasks run meanwhile.

    Attributes:
        wires: The requests that were sent.
        open_replies: Replies that were handed out and not closed yet. A test ends with 0.
        closed: Whether the transport was closed.
    """

    def __init__(
        self,
        replies: Sequence[ScriptedReply | BaseException],
        *,
        clock: Clock | None = None,
        blocking: bool = False,
    ) -> None:
        self.clock: Any = clock or VirtualClock()
        self.blocking = blocking
        self.wires: list[Wire] = []
        self.open_replies = 0
        self.closed = False
        self._replies = [ScriptedReply(error=r) if isinstance(r, BaseException) else r for r in replies]

    async def open(self, wire: Wire, *, connect_timeout: float | None, by: float | None) -> OpenReply:
        """The next reply of the script.

        Raises:
            DeadlineError: It says that connecting takes longer than `connect_timeout`.
            TimeoutError: The moment `by` came before its headers.
            AssertionError: The script is at its end.
        """
        number = len(self.wires)
        self.wires.append(wire)
        if number >= len(self._replies):
            raise AssertionError(
                f"request number {number + 1} was sent, but the script has {len(self._replies)} replies"
            )
        reply = self._replies[number]
        if connect_timeout is not None and reply.connect > connect_timeout:
            await self.wait(connect_timeout, by)
            raise DeadlineError(f"no connection within {connect_timeout:g} s", phase="connect")
        await self.wait(reply.connect + reply.tls, by)
        if reply.error is not None:
            raise reply.error
        await self.wait(reply.first_byte, by)
        self.open_replies += 1
        return OpenReply(self, reply)

    async def aclose(self) -> None:
        """Notes that the transport was closed."""
        self.closed = True

    async def wait(self, seconds: float, by: float | None) -> None:
        """Lets `seconds` pass on the clock, or only the time until `by` and raises TimeoutError if that comes first."""
        now = self.clock.now()
        is_late = by is not None and now + seconds > by
        if is_late:
            seconds = max(0.0, by - now)
        if isinstance(self.clock, VirtualClock):
            self.clock.advance(seconds)
        elif seconds > 0:
            await self.clock.sleep(seconds)
        if is_late:
            raise TimeoutError


class OpenReply:
    """A scripted answer whose body is being read; see `inferail.transport.protocol.Reply`."""

    def __init__(self, transport: ScriptedTransport, reply: ScriptedReply) -> None:
        self.status = reply.status
        self.headers = reply.headers
        self.connect, self.tls = reply.connect, reply.tls
        self._transport = transport
        self._pieces = list(reply.pieces)
        self._due: float | None = None
        self._closed = False

    async def read(self, by: float | None) -> bytes:
        """The next piece, `b""` at the end. A piece that came too late for `by` is still there for the next read."""
        if self._closed:
            raise AssertionError("a closed reply was read")
        if not self._pieces:
            return b""
        first = self._pieces[0]
        delay, content = first if isinstance(first, tuple) else (0.0, first)
        clock = self._transport.clock
        if self._due is None:
            self._due = clock.now() + delay
        await self._transport.wait(max(0.0, self._due - clock.now()), by)
        self._due = None
        del self._pieces[0]
        if isinstance(content, BaseException):
            raise content
        return content

    async def aclose(self) -> None:
        """Gives the reply back; only the first call counts."""
        if not self._closed:
            self._closed = True
            self._transport.open_replies -= 1
