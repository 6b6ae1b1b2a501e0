"""The link to a server that is a child process: one JSON-RPC message a line."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from inferail.errors import ConnectError, FormatError, StreamError
from inferail.pipelines.mcp.carriers.child import Child
from inferail.pipelines.mcp.carriers.mailbox import Mailbox
from inferail.pipelines.mcp.wire import messages
from inferail.pipelines.mcp.wire.messages import MCPLimits, RpcError
from inferail.pipelines.mcp.wire.protocol import INTERNAL_ERROR
from inferail.transport.clock import AsyncClock, BlockingClock

if TYPE_CHECKING:
    from inferail.pipelines.mcp.carriers.link import Exchange
    from inferail.pipelines.mcp.wire.messages import Message
    from inferail.types.clock import Clock

__all__ = ["StdioLink"]

# Seconds that a process gets to end by itself, and again after it was told to.
_PATIENCE: Final = 2.0
# Notifications kept while nobody waits for anything.
_BACKLOG: Final = 1000
# What is answered by the thread that reads.
_AT_ONCE: Final = ("ping", "roots/list")


class StdioLink:
    """Speaks with a child process. Requests share its pipes; each waits in a mailbox of its own.

    What the server asks back is heard by the request that has waited longest, in the Scope of that call. What needs
    nobody (a ping, the roots) is answered by the thread that reads.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: str | Path | None,
        limits: MCPLimits,
        blocking: bool,
        at_once: Callable[[Message], Message | None],
    ) -> None:
        """Sets up; nothing is started.

        Args:
            command: Program and arguments.
            environment: Added to the few variables that every program needs.
            directory: Where it runs.
            limits: What is read.
            blocking: Whether the callers block their threads.
            at_once: The answer to a request of the server that needs no call to be in flight, or None. Called in a thread.
        """
        self._at_once = at_once
        self.who = f"the MCP server {Path(command[0]).name}"
        self.clock: Clock = BlockingClock() if blocking else AsyncClock()
        self.blocking = blocking
        self.version: str | None = None
        self._command = tuple(command)
        self._environment, self._directory, self._limits = dict(environment), directory, limits
        self._lock = threading.Lock()
        self._waiting: dict[int | str, Mailbox[Message | None]] = {}
        self._backlog: deque[Message] = deque(maxlen=_BACKLOG)
        self._gone: Mailbox[None] = Mailbox(blocking=blocking)
        self._ended = False
        self._status: int | None = None
        self._fault: Exception | None = None
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """The process, once it was started."""
        return None if self._child is None else self._child.pid

    @property
    def stderr(self) -> str:
        """The end of what the server wrote to standard error."""
        return "" if self._child is None else self._child.stderr

    async def start(self, by: float | None) -> None:
        """Starts the process. Raises ConnectError if it cannot be."""
        del by
        self._child = Child(
            self._command,
            environment=self._environment,
            directory=self._directory,
            line_bytes=self._limits.message_bytes,
            stderr_bytes=self._limits.stderr_bytes,
            on_line=self._on_line,
            on_end=self._on_end,
        )

    async def ask(
        self, message: Message, exchange: Exchange, *, by: float | None, headers: Mapping[str, str]
    ) -> Message:
        """See `Link.ask`; there are no headers here."""
        del headers
        number, method = message["id"], message["method"]
        mailbox: Mailbox[Message | None] = Mailbox(blocking=self.blocking)
        with self._lock:
            earlier, self._backlog = self._backlog, deque(maxlen=_BACKLOG)
            self._waiting[number] = mailbox
        try:
            for each in earlier:
                await exchange.hear(each)
            self._send(message, method)
            while True:
                # Whatever is in the mailbox came before the end.
                heard = await mailbox.get(by)
                if heard is None:
                    raise self._error(method)
                if messages.kind_of(heard) == "response":
                    return heard
                reply = await exchange.hear(heard)
                if reply is not None:
                    self._send(reply, method)
        finally:
            with self._lock:
                self._waiting.pop(number, None)

    async def attend(self, alone: Exchange) -> None:
        """A pipe has one stream, which is read anyway."""

    async def listen(self, exchange: Exchange, *, by: float | None) -> None:
        """Hears what the server says outside of requests, until it ends. Raises TimeoutError where `by` comes first."""
        mailbox: Mailbox[Message | None] = Mailbox(blocking=self.blocking)
        key = f"listener-{id(mailbox)}"
        with self._lock:
            earlier, self._backlog = self._backlog, deque(maxlen=_BACKLOG)
            self._waiting[key] = mailbox
        try:
            for each in earlier:
                await exchange.hear(each)
            while not self._ended and (heard := await mailbox.get(by)) is not None:
                reply = await exchange.hear(heard)
                if reply is not None:
                    self._send(reply, "an answer")
        finally:
            with self._lock:
                self._waiting.pop(key, None)

    async def tell(self, message: Message, *, by: float | None) -> None:
        """See `Link.tell`; it is sent when the server takes it."""
        del by
        self._send(message, message.get("method", "an answer"))

    async def abandon(self, message: Message, reason: str) -> None:
        """Sends `notifications/cancelled`."""
        with contextlib.suppress(ConnectError, FormatError):
            self._send(
                messages.notification("notifications/cancelled", {"requestId": message["id"], "reason": reason}),
                "notifications/cancelled",
            )

    async def aclose(self) -> None:
        """Closes the server's input, then ends it by its id: asked after two seconds, killed after two more."""
        child = self._child
        if child is None:
            return
        child.finish()
        for force in (False, True):
            if await self._has_ended(time.monotonic() + _PATIENCE):
                return
            child.end(force=force)
        await self._has_ended(time.monotonic() + _PATIENCE)

    async def _has_ended(self, by: float) -> bool:
        if not self._ended:
            with contextlib.suppress(TimeoutError):
                await self._gone.get(by)
        return self._ended

    def _send(self, message: Message, step: str) -> None:
        if self._ended or self._child is None:
            raise self._error(step)
        if self._child.waiting_bytes > self._limits.message_bytes:
            raise ConnectError(f"{self.who} does not read what it is sent ({step})")
        self._child.send(messages.encode(message))

    def _error(self, step: str) -> Exception:
        if isinstance(self._fault, FormatError):
            return FormatError(f"{self._fault.message} ({step})")
        if isinstance(self._fault, StreamError):
            return FormatError(f"{self.who} sent a line of more than {self._limits.message_bytes} bytes ({step})")
        ended = "has ended" if self._status is None else f"ended with status {self._status}"
        # What it wrote to standard error may hold anything: it is for the program, not for a log.
        return ConnectError(f"{self.who} {ended} before it answered {step}", detail=self.stderr or None)

    def _on_line(self, line: bytes) -> None:
        """A line of the server's, in the thread that reads."""
        if not line.strip():
            return
        message = messages.decode(line, self._limits, self.who)
        kind = messages.kind_of(message)
        with self._lock:
            to = self._addressee(message, kind)
            if to is None and kind == "notification":
                self._backlog.append(message)
        if to is not None:
            to.put(message)
        elif kind == "request":
            self._refuse(message)

    def _addressee(self, message: Message, kind: str) -> Mailbox[Message | None] | None:
        if kind == "response":
            return self._waiting.get(message["id"]) if message.get("id") is not None else self._longest()
        if kind == "request" and message["method"] in _AT_ONCE:
            return None
        token = message.get("params", {}).get("progressToken")
        if isinstance(token, int | str) and token in self._waiting:
            return self._waiting[token]
        return self._longest()

    def _longest(self) -> Mailbox[Message | None] | None:
        return next(iter(self._waiting.values()), None)

    def _refuse(self, message: Message) -> None:
        reply = self._at_once(message)
        if reply is None:
            error = RpcError(INTERNAL_ERROR, "the client waits for no answer that this could be a part of")
            reply = messages.failure(message["id"], error)
        if self._child is not None:
            self._child.send(messages.encode(reply))

    def _on_end(self, status: int | None, fault: Exception | None) -> None:
        with self._lock:
            self._status, self._fault, self._ended = status, fault, True
            waiting = list(self._waiting.values())
        for mailbox in waiting:
            mailbox.put(None)
        self._gone.put(None)
