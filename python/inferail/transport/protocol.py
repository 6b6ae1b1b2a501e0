"""What carries wire requests. Two implementations stand behind it: asyncio and blocking; tests bring a third."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from inferail.frozen import quick
from inferail.types.clock import Clock

if TYPE_CHECKING:
    from inferail.core import Delta, StreamDecoder

__all__ = ["DecodingReply", "Reply", "Transport", "Wire"]


@quick
@dataclass(frozen=True, slots=True)
class Wire:
    """One HTTP request, complete.

    Attributes:
        method: `POST` or `GET`.
        url: Absolute.
        headers: Names as sent; the key is among them, so `repr` leaves them out.
        body: Bytes, sent with a content-length.
        stream: Whether the answer is read piece by piece (no compression is asked for then).
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    stream: bool = False


class Reply(Protocol):
    """An HTTP answer whose body has not been read yet.

    Attributes:
        status: HTTP status.
        headers: Names in lower case.
        connect: Seconds the TCP connection took, 0.0 if it was open already.
        tls: Seconds the TLS handshake took, 0.0 where there was none.
    """

    status: int
    headers: Mapping[str, str]
    connect: float
    tls: float

    async def read(self, by: float | None) -> bytes:
        """The next piece of the body as it arrived, decompressed; `b""` at its clean end.

        Raises:
            TimeoutError: The moment `by` (on the transport's clock) came first.
            TransportError: The connection broke, or the body ended before its announced end.
        """
        ...

    async def aclose(self) -> None:
        """Gives the connection back if the body was read to its end, closes it otherwise. Safe to call twice."""
        ...


class DecodingReply(Reply, Protocol):
    """A reply whose transport decodes streams by itself, before anything becomes an object of Python."""

    async def read_deltas(self, decoder: StreamDecoder, by: float | None) -> list[Delta]:
        """The deltas of all that has arrived; an empty list at the clean end of the body. Raises what `read` raises."""
        ...


class Transport(Protocol):
    """Sends wire requests.

    Attributes:
        clock: The clock that deadlines are read on.
        blocking: True if no method ever suspends: such a transport drives the synchronous client.
    """

    clock: Clock
    blocking: bool

    async def open(self, wire: Wire, *, connect_timeout: float | None, by: float | None) -> Reply:
        """Sends `wire`; gives back once the response headers are in.

        Raises:
            ConnectError: No connection.
            DeadlineError: No connection within `connect_timeout` seconds (phase `connect`).
            TimeoutError: The moment `by` came first.
            TransportError: The connection broke, or what came back is not HTTP.
        """
        ...

    async def aclose(self) -> None:
        """Closes every connection (not those of a client that was passed in)."""
        ...
