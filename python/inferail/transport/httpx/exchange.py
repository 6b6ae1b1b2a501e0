"""What both httpx transports share: headers to send, the stopwatch of the connection, and what each failure means.

Nothing here imports httpx: failures are told apart by class name, so that a client of httpx2 (a fork with the same
names) works as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from inferail.errors import ConfigError, ConnectError, DeadlineError, InferailError, TransportError
from inferail.transport.deadlines import deadline_message

if TYPE_CHECKING:
    from inferail.transport.protocol import Wire
    from inferail.types.clock import Clock

__all__ = ["ConnectWatch", "failure", "inside", "limits", "plain_headers", "sent_headers"]

_NOT_HTTP = "what came back is not HTTP, or the connection was closed before the announced end"
_SENTENCES = {
    "ReadError": "the connection broke while the answer was read",
    "WriteError": "the connection broke while the request was sent",
    "CloseError": "the connection broke while it was closed",
    "RemoteProtocolError": _NOT_HTTP,
    "DecodingError": "the body is not in the compression that its content-encoding names",
    "TooManyRedirects": "too many redirects",
    "ReadTimeout": "the connection stalled while the answer was read",
    "WriteTimeout": "the connection stalled while the request was sent",
}


class ConnectWatch:
    """Measures how long a connection took to make, from the trace events of httpcore.

    Attributes:
        connect: Seconds for TCP; 0.0 if the connection was open already.
        tls: Seconds for the TLS handshake; 0.0 if there was none.
    """

    __slots__ = ("_clock", "_since", "connect", "tls")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = 0.0
        self.connect = self.tls = 0.0

    def note(self, event: str, _: object) -> None:
        """Takes one event, for example `connection.connect_tcp.started`."""
        if "connect_" in event or "start_tls" in event:
            if event.endswith(".started"):
                self._since = self._clock.now()
            elif "start_tls" in event:
                self.tls += self._clock.now() - self._since
            else:
                self.connect += self._clock.now() - self._since

    async def anote(self, event: str, info: object) -> None:
        """The same for httpcore's asynchronous side."""
        self.note(event, info)


def sent_headers(wire: Wire) -> dict[str, str]:
    """The headers of `wire`, with what a good client adds.

    A stream is asked for uncompressed: a compressor on the way would hold back tokens until it has a block.
    """
    names = {name.lower() for name in wire.headers}
    headers = dict(wire.headers)
    if "accept-encoding" not in names:
        headers["accept-encoding"] = "identity" if wire.stream else "gzip, deflate"
    if "user-agent" not in names:
        headers["user-agent"] = "inferail"
    return headers


def limits(connect: float | None, each: float | None = None) -> dict[str, float | None]:
    """The `timeout` extension of httpcore: seconds for a connection (its own, or a free one), and for each read and write."""
    return {"connect": connect, "pool": connect, "read": each, "write": each}


def plain_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header names in lower case to values; the values of a repeated name are joined by a comma (RFC 9110, 5.3)."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def failure(error: BaseException, url: str, connect_timeout: float | None = None) -> InferailError | None:
    """Our error for one of httpx's, or None if `error` is not about the network.

    The text of the original is never used: it may hold the URL, a header or a piece of the answer.

    Args:
        error: What httpx raised.
        url: Where the request went; only its host and port are named.
        connect_timeout: Seconds that were allowed for a connection.
    """
    names = [cls.__name__ for cls in type(error).__mro__]
    where = _host(url)
    if "ConnectTimeout" in names or "PoolTimeout" in names:
        return DeadlineError(deadline_message("connect", connect_timeout, where), phase="connect")
    if "ConnectError" in names:
        return ConnectError(f"no connection to {where}: {_connect_reason(error)}")
    if "ProxyError" in names:
        return ConnectError(f"no connection to {where}: the proxy refused")
    if "UnsupportedProtocol" in names or "InvalidURL" in names:
        return ConfigError("the URL of the request is not an http:// or https:// address")
    if "LocalProtocolError" in names:
        return ConfigError("the request cannot be sent: a header holds a character that HTTP does not allow")
    sentence = next((_SENTENCES[name] for name in names if name in _SENTENCES), None)
    if sentence is None:
        if "HTTPError" not in names and not isinstance(error, OSError):
            return None
        sentence = "the connection broke"
    return TransportError(f"{sentence} ({where})")


def inside(thing: object) -> dict[str, Any]:
    """The attributes of an object of httpx or httpcore that have no public name."""
    return vars(thing)


def _connect_reason(error: BaseException) -> str:
    """Why there is no connection, from the types of the errors below; their texts are not ours to print."""
    seen: BaseException | None = error
    for _ in range(8):
        if seen is None:
            break
        reason = _REASONS.get(type(seen).__name__)
        if reason is not None:
            return reason
        # httpcore raises its own error "from" the original; below that the original is the context.
        seen = seen.__cause__ or seen.__context__
    return "the host cannot be reached"


_REASONS: dict[str, str] = {
    "ConnectionRefusedError": "refused",
    "gaierror": "unknown host",
    "SSLCertVerificationError": "its TLS certificate cannot be verified",
    "SSLError": "TLS failed",
    "SSLEOFError": "TLS failed",
    "SSLZeroReturnError": "TLS failed",
    "ConnectionResetError": "reset",
    "EndOfStream": "closed by the other side",
    "BrokenResourceError": "closed by the other side",
}


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return "the server"
    return f"{parts.hostname}:{port}"
