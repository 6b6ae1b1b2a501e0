"""What carries messages to one MCP server and its answers back: standard input and output of a child process, or HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from inferail.pipelines.mcp.wire.messages import Message
    from inferail.types.clock import Clock

__all__ = ["Exchange", "Link", "SessionGone"]


class SessionGone(Exception):  # noqa: N818 - not a failure: another session is begun
    """The server has forgotten the session; the request was not looked at."""


class Exchange(Protocol):
    """Whoever waits for the answer to a request, and hears what the server says before it."""

    async def hear(self, message: Message) -> Message | None:
        """Takes a notification or a request of the server; gives the answer to a request."""
        ...


class Link(Protocol):
    """The way to one server.

    Attributes:
        who: Names the server in errors; holds no key.
        clock: The clock that deadlines are read on.
        blocking: True if no method ever suspends.
        version: The protocol in force, which HTTP repeats in a header; None before it is known.
    """

    who: str
    clock: Clock
    blocking: bool
    version: str | None

    async def start(self, by: float | None) -> None:
        """Gets ready to send.

        Raises:
            ConnectError: It cannot.
        """
        ...

    async def ask(
        self, message: Message, exchange: Exchange, *, by: float | None, headers: Mapping[str, str]
    ) -> Message:
        """The answer to a request, an error of the server's included.

        Args:
            message: The request.
            exchange: Hears what comes before the answer.
            by: Moment on the clock at which to give up.
            headers: For HTTP, besides the usual ones.

        Raises:
            TimeoutError: `by` came first.
            ConnectError: The server is gone, or cannot be reached.
            TransportError: The connection broke before the answer.
            FormatError: What came is no answer.
            ProviderError: The server refused over HTTP.
            SessionGone: It has forgotten the session.
        """
        ...

    async def tell(self, message: Message, *, by: float | None) -> None:
        """Sends what has no answer. Raises what `ask` does."""
        ...

    async def attend(self, alone: Exchange) -> None:
        """Hears from now on what the server says outside of answers, if it has a stream for that.

        Args:
            alone: Hears notifications while no call is in flight.
        """
        ...

    async def listen(self, exchange: Exchange, *, by: float | None) -> None:
        """Hears what the server says outside of requests, until it ends the stream.

        Raises:
            TimeoutError: `by` came first.
            ConfigError: The server has no such stream.
        """
        ...

    async def abandon(self, message: Message, reason: str) -> None:
        """Tells the server that nobody waits for the answer any more. Raises nothing."""
        ...

    async def aclose(self) -> None:
        """Ends the connection, and the process behind it. Safe to call twice."""
        ...
