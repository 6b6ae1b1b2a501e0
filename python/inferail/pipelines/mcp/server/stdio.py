"""The server over standard input and output: one JSON-RPC message a line, both generations of the protocol in one pipe."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from inferail.core import NDJSONParser
from inferail.errors import FormatError, StreamError
from inferail.pipelines.mcp.server import talk
from inferail.pipelines.mcp.server.listeners import Listener
from inferail.pipelines.mcp.server.sessions import Session, SessionCaller
from inferail.pipelines.mcp.wire import messages, protocol
from inferail.pipelines.mcp.wire.messages import MCPLimits, Message, RpcError
from inferail.pipelines.mcp.wire.reading import is_object

if TYPE_CHECKING:
    from inferail.pipelines.mcp.server.dispatch import Dispatcher
    from inferail.pipelines.mcp.server.listeners import Listeners

__all__ = ["StdioServer", "own_output"]

_READ = 65536
# Lines that may wait between the thread that reads and the loop; more of them wait in the pipe.
_AHEAD = 256
# Seconds that requests get to end once the input has ended.
_GRACE = 0.5


@contextlib.contextmanager
def own_output() -> Generator[BinaryIO]:
    """The standard output for this block alone: what anything else prints meanwhile goes to standard error.

    A single `print` in a tool would otherwise end the conversation.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with os.fdopen(kept, "wb", buffering=0, closefd=False) as output:
            yield output
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


class StdioServer:
    """Serves one client over two pipes, until the first one ends."""

    def __init__(self, dispatcher: Dispatcher, listeners: Listeners, limits: MCPLimits, output: BinaryIO) -> None:
        self._dispatcher, self._listeners, self._limits, self._output = dispatcher, listeners, limits, output
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._running: dict[int | str, asyncio.Task[None]] = {}
        self._listener: Listener | None = None

    async def serve(self, descriptor: int) -> None:
        """Reads requests from a file descriptor until its end, then ends what still runs."""
        lines: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        room = threading.Semaphore(_AHEAD)
        reader = threading.Thread(
            target=_read, args=(descriptor, self._limits, loop, lines, room), name="inferail-mcp-stdin", daemon=True
        )
        reader.start()
        try:
            while (line := await lines.get()) is not None:
                room.release()
                self._line(line)
        finally:
            await self._end()

    def _line(self, line: bytes | Exception) -> None:
        if isinstance(line, Exception):
            error = RpcError(protocol.PARSE_ERROR, f"a line of more than {self._limits.message_bytes} bytes")
            self._say(messages.failure(None, error))
            return
        try:
            message = messages.decode(line, self._limits, "the MCP client")
        except FormatError as error:
            self._say(messages.failure(None, RpcError(protocol.PARSE_ERROR, error.message)))
            return
        kind = messages.kind_of(message)
        if kind == "response":
            if self._session is not None:
                self._session.answered(message)
        elif kind == "notification":
            if message["method"] == "notifications/cancelled":
                self._cancel(message.get("params", {}).get("requestId"))
        else:
            number = message["id"]
            refusal = talk.refusal(number, self._running)
            if refusal is not None:
                self._say(messages.failure(number, refusal))
                return
            task = asyncio.create_task(self._serve(message))
            self._running[number] = task
            task.add_done_callback(lambda _: self._running.pop(number, None))

    def _cancel(self, number: Any) -> None:
        task = self._running.get(number) if isinstance(number, int | str) else None
        if task is not None:
            task.cancel()

    async def _serve(self, message: Message) -> None:
        await asyncio.to_thread(self._write, await talk.answered(message["id"], self._result(message)))

    async def _result(self, message: Message) -> dict[str, Any]:
        method = message["method"]
        meta = talk.envelope(message)
        if meta is not None and method == "subscriptions/listen":
            return await talk.listening(self._listeners, message, self._say)
        if meta is not None:
            return await talk.stateless(self._dispatcher, message, meta, self._say)
        if method == "initialize":
            return self._initialized(message.get("params", {}))
        if self._session is None:
            if method == "ping":
                return {}
            raise RpcError(protocol.INVALID_REQUEST, "begin with initialize")
        caller = SessionCaller(self._session, self._say, lambda: False)
        return await talk.in_session(self._dispatcher, self._session, caller, message)

    def _initialized(self, params: Mapping[str, Any]) -> dict[str, Any]:
        version, result = self._dispatcher.initialized(params.get("protocolVersion"))
        capabilities = params.get("capabilities")
        self._session = Session(version, capabilities if is_object(capabilities) else {})
        if self._listener is not None:
            self._listeners.remove(self._listener)

        def say(method: str, what: Mapping[str, Any]) -> None:
            self._say(messages.notification(method, what))

        kinds = frozenset({"tools", "resources", "prompts"})
        self._listener = Listener(say, kinds, self._session.subscriptions)
        self._listeners.add(self._listener)
        return result

    def _say(self, message: Message) -> None:
        self._write(messages.encode(message))

    def _write(self, line: bytes) -> None:
        line += b"\n"
        with self._lock, contextlib.suppress(OSError, ValueError):  # the client is gone: the input ends next
            while line:
                line = line[self._output.write(line) :]

    async def _end(self) -> None:
        if self._listener is not None:
            self._listeners.remove(self._listener)
        running = list(self._running.values())
        if running:
            # Who closes the input waits no more, but may have asked just before.
            await asyncio.wait(running, timeout=_GRACE)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _read(
    descriptor: int,
    limits: MCPLimits,
    loop: asyncio.AbstractEventLoop,
    lines: asyncio.Queue[bytes | Exception | None],
    room: threading.Semaphore,
) -> None:
    """Brings lines from a thread that blocks to the loop."""

    def put(line: bytes | Exception | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(lines.put_nowait, line)

    parser = NDJSONParser(max_line_bytes=limits.message_bytes)
    try:
        while data := os.read(descriptor, _READ):
            for line in parser.feed(data):
                if line.strip():
                    room.acquire()
                    put(line)
    except StreamError as error:
        put(error)
    except OSError:
        pass
    put(None)
