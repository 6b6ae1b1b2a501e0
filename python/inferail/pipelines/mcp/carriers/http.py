"""The link to a server over streamable HTTP: one POST per message, answered as JSON or as a stream of events."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from inferail import egress
from inferail.core import SSEParser
from inferail.errors import (
    AuthenticationError,
    ConfigError,
    FormatError,
    InferailError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    ServerError,
    StreamError,
    TransportError,
)
from inferail.pipelines.mcp.carriers.background import Background, InFlight
from inferail.pipelines.mcp.carriers.link import SessionGone
from inferail.pipelines.mcp.oauth.challenge import Challenge
from inferail.pipelines.mcp.wire import messages
from inferail.pipelines.mcp.wire.headers import routing_headers
from inferail.pipelines.mcp.wire.protocol import STATELESS
from inferail.transport.body import drain, read_all
from inferail.transport.protocol import Wire

if TYPE_CHECKING:
    from inferail.pipelines.mcp.carriers.link import Exchange
    from inferail.pipelines.mcp.oauth.challenge import Authorizer
    from inferail.pipelines.mcp.wire.messages import MCPLimits, Message
    from inferail.transport.protocol import Reply, Transport

__all__ = ["HttpLink"]

_CONNECT: Final = 10.0
# Seconds for what is sent while a call ends: nobody waits for its answer.
_PARTING: Final = 1.0
# Seconds before an interrupted stream is asked for again, where the server names no time; and the most that it may name.
_RECONNECT: Final = 1.0
_RECONNECT_MOST: Final = 60.0
# How often a stream may break without a single event in between.
_RECONNECTS: Final = 3
# How often one request may be answered with a demand for (more) authorization.
_CHALLENGES: Final = 2

_ERRORS: Final[Mapping[int, type[ProviderError]]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    429: RateLimitError,
    503: OverloadedError,
}


class HttpLink:
    """Speaks with a URL over a Transport. Every request has a connection, so what the server asks back belongs to it."""

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        transport: Transport,
        authorizer: Authorizer | None,
        limits: MCPLimits,
        owned: bool,
    ) -> None:
        """Sets up; nothing is sent.

        Args:
            url: The endpoint.
            headers: Sent with every request.
            transport: Carries the requests.
            authorizer: Answers demands for authorization.
            limits: What is read.
            owned: Whether the transport is closed with the link.

        Raises:
            ConfigError: No http or https URL.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError("the address of an MCP server begins with http:// or https://")
        # The host alone: a path or a query may hold a key.
        self.who = f"the MCP server {parts.hostname}"
        self.clock = transport.clock
        self.blocking = transport.blocking
        self.version: str | None = None
        self.session: str | None = None
        self._url, self._headers = url, dict(headers)
        self._transport, self._authorizer, self._limits, self._owned = transport, authorizer, limits, owned
        self._calls = InFlight()
        self._background: Background | None = None

    async def start(self, by: float | None) -> None:
        """Looks whether the server may be connected to at all (local-only mode)."""
        del by
        egress.check_transport(self._transport, self._url, self.who)

    async def ask(
        self, message: Message, exchange: Exchange, *, by: float | None, headers: Mapping[str, str]
    ) -> Message:
        """See `Link.ask`."""
        self._calls.add(message["id"], exchange)
        try:
            return await self._asked(message, exchange, by, headers)
        finally:
            self._calls.remove(message["id"])

    async def attend(self, alone: Exchange) -> None:
        """Hears from now on what the server says outside of answers, if it has a stream for that.

        Args:
            alone: Hears notifications while no call is in flight.
        """
        await self._detach()
        background = Background(self._calls, alone, blocking=self.blocking, clock=self.clock)
        parser, last = SSEParser(max_event_bytes=self._limits.message_bytes), ""

        async def read(opened: Callable[[], None]) -> float:
            nonlocal parser, last
            resumed = {"Last-Event-ID": last} if last else {}
            reply = await self._send("GET", b"", None, {**resumed, **await self._token(None)})
            try:
                if not (reply.status == 200 and _is(reply, "text/event-stream")):
                    raise ConfigError(f"{self.who} has no stream of notifications (status {reply.status})")
                opened()
                await self._events(reply, parser, None, background, None)
            finally:
                await reply.aclose()
                last = parser.last_event_id or last
                wait = _wait(parser, _RECONNECT)
                parser = SSEParser(max_event_bytes=self._limits.message_bytes)
            return wait

        self._background = background
        await background.start(read)

    async def _detach(self) -> None:
        if self._background is not None:
            background, self._background = self._background, None
            await background.aclose()

    async def _asked(
        self, message: Message, exchange: Exchange, by: float | None, headers: Mapping[str, str]
    ) -> Message:
        method = message["method"]
        reply = await self._post(message, by, headers)
        try:
            if method == "initialize" and reply.status == 200:
                self.session = reply.headers.get("mcp-session-id")
            if reply.status == 200 and _is(reply, "text/event-stream"):
                return await self._stream(reply, message, exchange, by)
            body = await self._body(reply, by, method)
        finally:
            await reply.aclose()
        if reply.status != 200:
            return self._refused(reply, body, method)
        if not _is(reply, "application/json"):
            raise FormatError(f"{self.who} answered {method} with neither JSON nor a stream of events")
        answer = messages.decode(body, self._limits, f"{self.who} ({method})")
        if messages.kind_of(answer) != "response" or answer.get("id") not in (message["id"], None):
            raise FormatError(f"{self.who} did not answer {method} but something else")
        return answer

    async def tell(self, message: Message, *, by: float | None) -> None:
        """See `Link.tell`."""
        step = message.get("method", "an answer")
        reply = await self._post(message, by, {})
        try:
            body = await self._body(reply, by, step)
        finally:
            await reply.aclose()
        if not 200 <= reply.status < 300:
            raise self._error(reply, body, step)

    async def abandon(self, message: Message, reason: str) -> None:
        """Sends `notifications/cancelled`, in at most a second; in 2026-07-28 the closed connection says it."""
        if self.version == STATELESS or message["method"] == "initialize":
            return
        cancelled = messages.notification("notifications/cancelled", {"requestId": message["id"], "reason": reason})
        await self._part(self._silently(cancelled))

    async def aclose(self) -> None:
        """Ends the session with DELETE, in at most a second, and closes the transport if it is ours."""
        await self._part(self._detach())
        if self.session is not None:
            await self._part(self._delete())
        if self._owned:
            await self._transport.aclose()

    async def listen(self, exchange: Exchange, *, by: float | None) -> None:
        """See `Link.listen`: the stream is read anyway, from the beginning of the session."""
        if self._background is None:
            await self.attend(exchange)
        while True:
            await self._sleep(_RECONNECT, by)

    async def _post(self, message: Message, by: float | None, headers: Mapping[str, str]) -> Reply:
        if self.version == STATELESS and "method" in message:
            headers = {**routing_headers(message["method"], message.get("params", {})), **headers}
        body = messages.encode(message)
        left = _CHALLENGES
        while True:
            token = await self._token(by)
            reply = await self._send("POST", body, by, {**headers, **token}, anew=message.get("method") == "initialize")
            if reply.status not in (401, 403) or self._authorizer is None or not left:
                return reply
            challenge = Challenge(self._url, reply.status, reply.headers, token)
            try:
                if not await self._authorizer.challenged(challenge, self._transport, by):
                    return reply
            except BaseException:
                await reply.aclose()
                raise
            await reply.aclose()
            left -= 1

    async def _token(self, by: float | None) -> Mapping[str, str]:
        return {} if self._authorizer is None else await self._authorizer.headers(self._url, self._transport, by)

    async def _send(
        self, method: str, body: bytes, by: float | None, headers: Mapping[str, str], *, anew: bool = False
    ) -> Reply:
        sent = {"Accept": "application/json, text/event-stream" if method == "POST" else "text/event-stream"}
        if body:
            sent["Content-Type"] = "application/json"
        if self.version is not None and not anew:
            sent["MCP-Protocol-Version"] = self.version
        if self.session is not None and not anew:
            sent["Mcp-Session-Id"] = self.session
        # A stream, so that nothing is compressed: events are to be read as they come.
        wire = Wire(method, self._url, {**self._headers, **sent, **headers}, body, stream=True)
        return await self._transport.open(wire, connect_timeout=_CONNECT, by=by)

    async def _body(self, reply: Reply, by: float | None, step: str) -> bytes:
        try:
            return await read_all(reply, by, self._limits.message_bytes)
        except TransportError as error:
            if "larger than" not in error.message:
                raise
            raise FormatError(f"{self.who} answered {step} with more than {self._limits.message_bytes} bytes") from None

    def _refused(self, reply: Reply, body: bytes, step: str) -> Message:
        """The JSON-RPC error in a refusal, where there is one."""
        if reply.status == 404 and self.session is not None and step != "initialize":
            raise SessionGone
        if reply.status not in (401, 403, 429) and reply.status < 500 and _is(reply, "application/json"):
            try:
                answer = messages.decode(body, self._limits, self.who)
            except FormatError:
                raise self._error(reply, body, step) from None
            if "error" in answer:
                return answer
        raise self._error(reply, body, step)

    def _error(self, reply: Reply, body: bytes, step: str) -> InferailError:
        status = reply.status
        kind = _ERRORS.get(status) or (InvalidRequestError if 400 <= status < 500 else ServerError)
        if 200 <= status < 400:
            return FormatError(f"{self.who} answered {step} with status {status}, which MCP has no use for")
        said = body[:4096].decode(errors="replace") or None
        return kind(f"{self.who} refused {step} with status {status}", status_code=status, raw=body, detail=said)

    async def _stream(self, reply: Reply, message: Message, exchange: Exchange, by: float | None) -> Message:
        """The answer out of a stream, which is asked for again where it breaks and can be."""
        method = message["method"]
        parser = SSEParser(max_event_bytes=self._limits.message_bytes)
        last, wait, broken = "", _RECONNECT, 0
        try:
            while True:
                heard, answer = await self._events(reply, parser, message, exchange, by)
                if answer is not None:
                    await drain(reply, self.clock.now())
                    return answer
                await reply.aclose()
                last = parser.last_event_id or last
                wait = _wait(parser, wait)
                broken = 0 if heard else broken + 1
                if not last or self.version == STATELESS or broken >= _RECONNECTS:
                    raise TransportError(f"{self.who} ended the stream before it answered {method}")
                await self._sleep(wait, by)
                reply = await self._resumed(last, method, by)
                parser = SSEParser(max_event_bytes=self._limits.message_bytes)
        finally:
            await reply.aclose()

    async def _resumed(self, last: str, step: str, by: float | None) -> Reply:
        reply = await self._send("GET", b"", by, {"Last-Event-ID": last, **await self._token(by)})
        if reply.status == 200 and _is(reply, "text/event-stream"):
            return reply
        try:
            body = await self._body(reply, by, step)
        finally:
            await reply.aclose()
        raise self._error(reply, body, f"to go on with {step}")

    async def _events(
        self, reply: Reply, parser: SSEParser, asked: Message | None, exchange: Exchange, by: float | None
    ) -> tuple[bool, Message | None]:
        """Whether anything was heard in one connection, and the answer to what was asked, where it came."""
        heard = False
        number, who = (None, self.who) if asked is None else (asked["id"], f"{self.who} ({asked['method']})")
        while True:
            try:
                data = await reply.read(by)
            except TransportError:
                return heard, None
            if not data:
                return heard, None
            try:
                events = parser.feed(data)
            except StreamError:
                raise FormatError(f"{who} sent an event of more than {self._limits.message_bytes} bytes") from None
            for event in events:
                heard = True
                if not event.data.strip() or event.event != "message":
                    continue
                message = messages.decode(event.data, self._limits, who)
                if messages.kind_of(message) == "response":
                    if message.get("id") in (number, None):
                        return heard, message
                    continue  # the answer to a call that was given up
                answer = await exchange.hear(message)
                if answer is not None:
                    await self.tell(answer, by=by)

    async def _sleep(self, seconds: float, by: float | None) -> None:
        if by is not None and self.clock.now() + seconds >= by:
            await self.clock.sleep(max(0.0, by - self.clock.now()))
            raise TimeoutError
        await self.clock.sleep(seconds)

    async def _silently(self, message: Message) -> None:
        try:
            await self.tell(message, by=self.clock.now() + _PARTING)
        except (InferailError, TimeoutError):
            return

    async def _delete(self) -> None:
        try:
            by = self.clock.now() + _PARTING
            reply = await self._send("DELETE", b"", by, await self._token(by))
            await reply.aclose()
        except (InferailError, TimeoutError):
            return

    async def _part(self, work: Any) -> None:
        """Awaits what is sent while the call that it belongs to is being cancelled."""
        trio = sys.modules.get("trio")
        if not self.blocking and asyncio._get_running_loop() is None and trio is not None:  # noqa: SLF001 - see `race`
            with trio.CancelScope(shield=True):
                await work
            return
        await work


def _wait(parser: SSEParser, default: float) -> float:
    """Seconds until a stream that ended is asked for again."""
    named = parser.reconnection_time
    return default if named is None else min(named / 1000, _RECONNECT_MOST)


def _is(reply: Reply, media_type: str) -> bool:
    return reply.headers.get("content-type", "").partition(";")[0].strip().lower() == media_type
