"""Streamable HTTP as an ASGI app: sessions for the protocols that have them, single requests for 2026-07-28."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from inferail.errors import FormatError
from inferail.pipelines.mcp.server import talk
from inferail.pipelines.mcp.server.events import EventStream
from inferail.pipelines.mcp.server.listeners import Listener
from inferail.pipelines.mcp.server.sessions import Session, SessionCaller, Sessions
from inferail.pipelines.mcp.wire import messages, protocol
from inferail.pipelines.mcp.wire.headers import decode_value, mirrored, parameter_headers
from inferail.pipelines.mcp.wire.messages import MCPLimits, Message, RpcError
from inferail.pipelines.mcp.wire.reading import is_object

if TYPE_CHECKING:
    from inferail.pipelines.mcp.server.dispatch import Dispatcher
    from inferail.pipelines.mcp.server.listeners import Listeners

__all__ = ["MCPApp"]

AsgiScope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_JSON: Final = "application/json"
_EVENTS: Final = "text/event-stream"
# Seconds between two comments in a stream, so that no proxy takes it for dead.
_PING: Final = 15.0
# Milliseconds after which a client whose stream was closed comes back.
_RETRY: Final = 500
_STATUS: Final = {
    protocol.PARSE_ERROR: 400,
    protocol.INVALID_REQUEST: 400,
    protocol.INVALID_PARAMS: 400,
    protocol.HEADER_MISMATCH: 400,
    protocol.MISSING_CAPABILITY: 400,
    protocol.UNSUPPORTED_VERSION: 400,
    protocol.METHOD_NOT_FOUND: 404,
}
# What may take long or tell something on the way: answered as a stream of events.
_STREAMED: Final = frozenset({"tools/call", "prompts/get", "resources/read"})


class MCPApp:
    """The endpoint of one server."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        listeners: Listeners,
        *,
        path: str,
        hosts: frozenset[str] | None,
        limits: MCPLimits,
        sessions: Sessions,
    ) -> None:
        """Sets up.

        Args:
            dispatcher: Answers requests.
            listeners: Those who hear of changes.
            path: Of the endpoint.
            hosts: The hosts that requests may name in `Host` and `Origin`; None takes any.
            limits: What is read.
            sessions: Of the protocols that have them.
        """
        self._dispatcher, self._listeners, self._path = dispatcher, listeners, path
        self._hosts, self._limits, self._sessions = hosts, limits, sessions
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Serves one request, or the lifespan of the process."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(_Exchange(scope, receive, send))

    async def aclose(self) -> None:
        """Ends all sessions and everything that runs."""
        await self._sessions.aclose()
        for task in list(self._tasks):
            task.cancel()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self.aclose()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _http(self, exchange: _Exchange) -> None:
        if exchange.path.rstrip("/") != self._path.rstrip("/"):
            await exchange.plain(404)
        elif not self._may_come(exchange.headers):
            # A page of somebody else's in a browser on this machine (DNS rebinding).
            await exchange.failed(403, None, RpcError(protocol.INVALID_REQUEST, "this host or origin is not served"))
        elif exchange.method == "POST":
            await self._post(exchange)
        elif exchange.method == "GET":
            await self._get(exchange)
        elif exchange.method == "DELETE":
            session = self._sessions.get(exchange.headers.get("mcp-session-id", ""))
            if session is not None:
                await self._sessions.end(session.name)
            await exchange.plain(404 if session is None else 200)
        else:
            await exchange.plain(405, {"Allow": "GET, POST, DELETE"})

    def _may_come(self, headers: Mapping[str, str]) -> bool:
        if self._hosts is None:
            return True
        named = [f"//{headers.get('host', '')}"]
        if "origin" in headers:
            named.append(headers["origin"])
        try:
            return all((urlsplit(each).hostname or "") in self._hosts for each in named)
        except ValueError:
            return False

    async def _post(self, exchange: _Exchange) -> None:
        accepted = exchange.headers.get("accept", "")
        if exchange.headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
            await exchange.plain(415)
            return
        if not ("*/*" in accepted or (_JSON in accepted and _EVENTS in accepted)):
            await exchange.failed(406, None, RpcError(protocol.INVALID_REQUEST, "accept JSON and event streams"))
            return
        body = await exchange.body(self._limits.message_bytes)
        if body is None:
            await exchange.plain(413)
            return
        try:
            message = messages.decode(body, self._limits, "the MCP client")
        except FormatError as error:
            code = protocol.INVALID_REQUEST if "JSON-RPC" in error.message else protocol.PARSE_ERROR
            await exchange.failed(400, None, RpcError(code, error.message))
            return
        try:
            await self._message(exchange, message)
        except RpcError as error:
            await exchange.failed(_STATUS.get(error.code, 200), message.get("id"), error)

    async def _message(self, exchange: _Exchange, message: Message) -> None:
        version = exchange.headers.get("mcp-protocol-version")
        meta = talk.envelope(message) if messages.kind_of(message) == "request" else None
        if meta is not None or version == protocol.STATELESS:
            await self._alone(exchange, message, meta)
        elif message.get("method") == "initialize" and "id" in message:
            await self._initialize(exchange, message)
        elif version is not None and version not in protocol.HANDSHAKE:
            raise talk.unsupported(version)
        else:
            session = self._sessions.get(exchange.headers.get("mcp-session-id", ""))
            if session is None:
                known = "mcp-session-id" in exchange.headers
                wrong = RpcError(protocol.INVALID_REQUEST, "there is no such session: begin with initialize")
                await exchange.failed(404 if known else 400, message.get("id"), wrong)
            else:
                await self._of_session(exchange, session, message)

    async def _initialize(self, exchange: _Exchange, message: Message) -> None:
        params = message.get("params", {})
        version, result = self._dispatcher.initialized(params.get("protocolVersion"))
        capabilities = params.get("capabilities")
        session = await self._sessions.begin(version, capabilities if is_object(capabilities) else {})

        def say(method: str, what: Mapping[str, Any]) -> None:
            session.standalone.add(messages.encode(messages.notification(method, what)))

        kinds = frozenset({"tools", "resources", "prompts"})
        listener = Listener(say, kinds, session.subscriptions)
        self._listeners.add(listener)
        session.ending = lambda: self._listeners.remove(listener)
        await exchange.answered(messages.answer(message["id"], result), {"Mcp-Session-Id": session.name})

    async def _of_session(self, exchange: _Exchange, session: Session, message: Message) -> None:
        kind = messages.kind_of(message)
        if kind != "request":
            if kind == "response":
                session.answered(message)
            elif message["method"] == "notifications/cancelled":
                session.cancelled(message.get("params", {}))
            await exchange.plain(202)
            return
        refusal = talk.refusal(message["id"], session.running)
        if refusal is not None:
            raise refusal
        stream = session.stream()
        task = asyncio.create_task(self._serve(session, stream, message))
        session.running[message["id"]] = task
        task.add_done_callback(lambda _: session.running.pop(message["id"], None))
        if message["method"] in _STREAMED:
            await exchange.events(stream, first=session.version >= "2025-11-25")
            return
        await asyncio.wait([task])
        async for _, answer in stream.read(stream.take(), every=_PING):
            await exchange.raw(200, answer, {"Content-Type": _JSON})
            return
        await exchange.plain(204)  # cancelled: nobody waits for an answer

    async def _serve(self, session: Session, stream: EventStream, message: Message) -> None:
        """Puts the answer into the stream. Whoever waits for it may go and come back meanwhile."""

        def say(what: Message) -> None:
            stream.add(messages.encode(what))

        def close() -> bool:
            stream.interrupt()
            return True

        caller = SessionCaller(session, say, close)
        try:
            work = talk.in_session(self._dispatcher, session, caller, message)
            stream.add(await talk.answered(message["id"], work))
        finally:
            stream.finish()

    async def _get(self, exchange: _Exchange) -> None:
        session = self._sessions.get(exchange.headers.get("mcp-session-id", ""))
        if session is None:
            known = "mcp-session-id" in exchange.headers
            await exchange.plain(404 if known else 405, {} if known else {"Allow": "POST"})
            return
        name, _, number = exchange.headers.get("last-event-id", "").rpartition(".")
        stream = session.streams.get(name) if name else session.standalone
        if stream is None or (name and not (number.isascii() and number.isdigit())):
            await exchange.plain(404)
            return
        await exchange.events(stream, after=int(number or 0), first=session.version >= "2025-11-25")

    async def _alone(self, exchange: _Exchange, message: Message, meta: Mapping[str, Any] | None) -> None:
        if messages.kind_of(message) != "request":
            # A client of 2026-07-28 has nothing to tell over HTTP; older habits are taken and dropped.
            await exchange.plain(202)
            return
        if meta is None:
            raise RpcError(protocol.INVALID_PARAMS, "_meta needs the protocol's version and the client's capabilities")
        self._check_headers(exchange.headers, message)
        stream = self._stream_of(message, meta)
        try:
            await exchange.lazily(stream[0], stream[1])
        finally:
            stream[1].cancel()

    def _stream_of(self, message: Message, meta: Mapping[str, Any]) -> tuple[EventStream, asyncio.Task[None]]:
        stream = EventStream("")

        def say(what: Message) -> None:
            stream.add(messages.encode(what))

        def failed(code: int) -> None:
            stream.status = _STATUS.get(code, 200)

        async def serve() -> None:
            if message["method"] == "subscriptions/listen":
                work = talk.listening(self._listeners, message, say)
            else:
                work = talk.stateless(self._dispatcher, message, meta, say)
            stream.add(await talk.answered(message["id"], work, failed))
            stream.finish()

        task = asyncio.create_task(serve())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return stream, task

    def _check_headers(self, headers: Mapping[str, str], message: Message) -> None:
        """What a proxy saw must be what the body says."""
        method, params = message["method"], message["params"]
        version = params["_meta"][protocol.PROTOCOL_VERSION]
        name = params.get(protocol.NAMED.get(method, ""))
        wanted = {"mcp-protocol-version": version, "mcp-method": method}
        for header, value in wanted.items():
            if headers.get(header) != value:
                raise RpcError(protocol.HEADER_MISMATCH, f"the header {header} is not what the body says")
        if isinstance(name, str) and decode_value(headers.get("mcp-name")) != name:
            raise RpcError(protocol.HEADER_MISMATCH, "the header mcp-name is not what the body says")
        tool = self._dispatcher.offer.tools.get(name) if method == "tools/call" and isinstance(name, str) else None
        arguments = params.get("arguments")
        if tool is None or not is_object(arguments):
            return
        marked = mirrored(dict(tool.definition.parameters))
        expected = {each.lower(): value for each, value in parameter_headers(marked, arguments).items()}
        for each in marked.values():
            header = f"mcp-param-{each.lower()}"
            if decode_value(headers.get(header)) != decode_value(expected.get(header)):
                raise RpcError(protocol.HEADER_MISMATCH, f"the header {header} is not what the body says")


class _Exchange:
    """One HTTP request and its answer."""

    def __init__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        root = scope.get("root_path", "")
        path: str = scope["path"]
        self.path = path[len(root) :] if root and path.startswith(root) else path
        self.headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            # Of a header that comes twice nobody knows which one a proxy has read.
            known = name.decode("latin-1").lower()
            self.headers[known] = "" if known in self.headers else value.decode("latin-1")
        self._receive, self._send = receive, send

    async def body(self, most: int) -> bytes | None:
        """The body; None where it is larger than `most` bytes."""
        pieces = bytearray()
        while True:
            message = await self._receive()
            pieces += message.get("body", b"")
            if len(pieces) > most or message["type"] == "http.disconnect":
                return None
            if not message.get("more_body", False):
                return bytes(pieces)

    async def raw(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """A whole answer."""
        await self._start(status, {**headers, "Content-Length": str(len(body))})
        await self._send({"type": "http.response.body", "body": body})

    async def plain(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        """An answer without a body."""
        await self.raw(status, b"", headers or {})

    async def answered(self, message: Message, headers: Mapping[str, str]) -> None:
        """A message as JSON."""
        await self.raw(200, messages.encode(message), {"Content-Type": _JSON, **headers})

    async def failed(self, status: int, number: int | str | None, error: RpcError) -> None:
        """An error as JSON."""
        await self.raw(status, messages.encode(messages.failure(number, error)), {"Content-Type": _JSON})

    async def events(self, stream: EventStream, *, first: bool, after: int = 0) -> None:
        """A stream of events that can be gone on with.

        Args:
            stream: Its messages.
            first: Whether the client understands an event without data, which tells where the stream can be gone on with.
            after: The last event that the client has.
        """
        await self._start(200, {"Content-Type": _EVENTS})
        reader = stream.take()
        gone = asyncio.create_task(self._gone(stream, reader))
        try:
            if first:
                await self._piece(f"id: {stream.name}.{after}\nretry: {_RETRY}\ndata: \n\n".encode())
            async for number, message in stream.read(reader, after=after, every=_PING):
                head = b"" if not number else f"id: {stream.name}.{number}\nevent: message\n".encode()
                await self._piece(head + b"data: " + message + b"\n\n" if number else b": \n\n")
            await self._send({"type": "http.response.body", "body": b""})
        except OSError:
            return  # the client is gone; what it was owed waits in the stream
        finally:
            gone.cancel()

    async def lazily(self, stream: EventStream, work: asyncio.Task[None]) -> None:
        """JSON where the answer is all there is, a stream of events as soon as something comes before it."""
        reader = stream.take()
        gone = asyncio.create_task(self._gone(stream, reader, work))
        begun = False
        try:
            async for number, message in stream.read(reader, every=_PING):
                last = stream.finished and number == stream.last
                if last and not begun:
                    await self.raw(stream.status, message, {"Content-Type": _JSON})
                    return
                if not begun:
                    await self._start(200, {"Content-Type": _EVENTS})
                    begun = True
                await self._piece(b"event: message\ndata: " + message + b"\n\n" if number else b": \n\n")
            if begun:
                await self._send({"type": "http.response.body", "body": b""})
        except OSError:
            return
        finally:
            gone.cancel()

    async def _gone(self, stream: EventStream, reader: int, work: asyncio.Task[None] | None = None) -> None:
        """Ends the reading, and the work where nobody can come back for it, once the client has gone."""
        with contextlib.suppress(asyncio.CancelledError):
            while (await self._receive())["type"] != "http.disconnect":
                continue
            if work is not None:
                work.cancel()
            stream.interrupt(reader)

    async def _piece(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def _start(self, status: int, headers: Mapping[str, str]) -> None:
        sent = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        if headers.get("Content-Type") == _EVENTS:
            sent += [(b"cache-control", b"no-cache, no-transform"), (b"x-accel-buffering", b"no")]
        await self._send({"type": "http.response.start", "status": status, "headers": sent})
