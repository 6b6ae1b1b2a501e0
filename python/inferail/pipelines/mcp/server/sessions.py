"""Sessions over HTTP, for the protocols that have them: who is there, what runs for it, what it was asked."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

from inferail.pipelines.mcp.server.caller import Caller
from inferail.pipelines.mcp.server.events import EventStream
from inferail.pipelines.mcp.wire import messages
from inferail.pipelines.mcp.wire.messages import Message, RpcError

__all__ = ["Session", "SessionCaller", "Sessions", "reply_error"]

# Streams of one session that are kept for a client that comes back.
_STREAMS: Final = 64


class Session:
    """One client between `initialize` and its end.

    Attributes:
        name: Its id; whoever knows it is the client.
        version: The protocol.
        capabilities: What the client can be asked for.
        log_level: The least severe log messages that it wants.
        subscriptions: URIs that it wants to hear of.
        streams: What is said to it, by name.
        running: The tasks that serve its requests, by the requests' ids.
        used: Moment of its last request.
        ending: Called when it ends.
    """

    def __init__(self, version: str, capabilities: Mapping[str, Any]) -> None:
        self.name = secrets.token_urlsafe(24)
        self.version, self.capabilities = version, capabilities
        # Before a client sets a level, the server decides: what is worth a line in a log.
        self.log_level = "info"
        self.subscriptions: set[str] = set()
        self.streams: OrderedDict[str, EventStream] = OrderedDict()
        self.running: dict[int | str, asyncio.Task[None]] = {}
        self.used = time.monotonic()
        self.ending: Callable[[], None] | None = None
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self.standalone = self.stream("standalone")

    def stream(self, name: str = "") -> EventStream:
        """A new stream; the oldest one that has ended makes room for it."""
        stream = EventStream(name or secrets.token_hex(8))
        self.streams[stream.name] = stream
        ended = [each for each in self.streams.values() if each.finished]
        for each in ended[: max(0, len(self.streams) - _STREAMS)]:
            del self.streams[each.name]
        return stream

    async def ask(self, method: str, params: Mapping[str, Any], say: Callable[[Message], None]) -> dict[str, Any]:
        """What the client answers to a question that `say` brings to it.

        Raises:
            RpcError: It answers with an error.
        """
        number = secrets.token_hex(8)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            say(messages.request(number, method, params))
            return await future
        finally:
            self._waiting.pop(number, None)

    def answered(self, message: Message) -> None:
        """The client has answered a question; an answer that nobody waits for is dropped."""
        future = self._waiting.get(str(message.get("id")))
        if future is None or future.done():
            return
        if "error" in message:
            future.set_exception(reply_error(message))
        else:
            future.set_result(message["result"])

    def cancelled(self, params: Mapping[str, Any]) -> None:
        """The client waits for an answer no more."""
        number = params.get("requestId")
        task = self.running.get(number) if isinstance(number, int | str) else None
        if task is not None:
            task.cancel()

    async def aclose(self) -> None:
        """Ends everything that runs for it."""
        running = list(self.running.values())
        for task in running:
            task.cancel()
        for task in running:
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
        for stream in self.streams.values():
            stream.finish()
        if self.ending is not None:
            self.ending()


class SessionCaller(Caller):
    """A caller within a session: messages about a request go into the stream that its answer will come in."""

    def __init__(self, session: Session, say: Callable[[Message], None], close: Callable[[], bool]) -> None:
        super().__init__(session.version, session.capabilities, session.log_level)
        self._session, self._say, self._close = session, say, close

    async def notify(self, method: str, params: Mapping[str, Any]) -> None:
        """See `Caller`."""
        self._say(messages.notification(method, params))

    def close_stream(self) -> bool:
        """See `Caller`."""
        return self._close()

    async def _asked(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        return await self._session.ask(method, params, self._say)


class Sessions:
    """All sessions of one server. Those that were silent for too long end, and the most silent one where there are too many."""

    def __init__(self, most: int, idle: float) -> None:
        self._most, self._idle = most, idle
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    async def begin(self, version: str, capabilities: Mapping[str, Any]) -> Session:
        """A new session."""
        now = time.monotonic()
        silent = [each for each in self._sessions.values() if not each.running]
        old = [each for each in silent if now - each.used > self._idle]
        if len(self._sessions) - len(old) >= self._most:
            old += [each for each in silent if each not in old][:1]
        for each in old:
            await self.end(each.name)
        session = Session(version, capabilities)
        self._sessions[session.name] = session
        return session

    def get(self, name: str) -> Session | None:
        """The session of that id."""
        session = self._sessions.get(name)
        if session is not None:
            session.used = time.monotonic()
            self._sessions.move_to_end(name)
        return session

    def all(self) -> list[Session]:
        """Every session."""
        return list(self._sessions.values())

    async def end(self, name: str) -> None:
        """Ends a session."""
        session = self._sessions.pop(name, None)
        if session is not None:
            await session.aclose()

    async def aclose(self) -> None:
        """Ends all of them."""
        for name in list(self._sessions):
            await self.end(name)


def reply_error(message: Message) -> RpcError:
    """The error that an answer carries."""
    error = message["error"]
    return RpcError(error["code"], error.get("message", ""), error.get("data"))
