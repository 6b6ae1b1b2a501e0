"""One client's talk with one server: which protocol they share, and requests in that protocol."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from inferail.errors import (
    AuthenticationError,
    ConfigError,
    ConnectError,
    DeadlineError,
    FormatError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    ServerError,
)
from inferail.pipelines.mcp.carriers.link import SessionGone
from inferail.pipelines.mcp.carriers.mailbox import Mailbox
from inferail.pipelines.mcp.wire import messages, protocol
from inferail.pipelines.mcp.wire.messages import MCPLimits, RpcError, kind_of
from inferail.pipelines.mcp.wire.reading import Reader, is_list, is_object
from inferail.transport.cancellation import Watch
from inferail.types.scope import current_scope

if TYPE_CHECKING:
    from inferail.pipelines.mcp.carriers.link import Link
    from inferail.pipelines.mcp.client.answering import Answering
    from inferail.pipelines.mcp.wire.messages import Message

__all__ = ["Hearing", "ProgressHandler", "ServerFacts", "Session"]

ProgressHandler: TypeAlias = Callable[[float, "float | None", str], "Awaitable[None] | None"]

# Seconds that a server gets to answer `server/discover`; one that knows no such method may keep silent.
_PROBE: Final = 5.0
# Seconds before a request is made again that the server answered with nothing but "later", and the most it grows to.
_AGAIN: Final = 0.05
_AGAIN_MOST: Final = 1.0
_CHANGES: Final = {
    "notifications/tools/list_changed": "tools",
    "notifications/resources/list_changed": "resources",
    "notifications/prompts/list_changed": "prompts",
}


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server said of itself.

    Attributes:
        protocol: The revision in force.
        name: Its name, by its own account.
        version: Its version, likewise.
        instructions: How to use it, for a model; empty where it gave none.
        capabilities: What it offers, as it sent it.
    """

    protocol: str
    name: str
    version: str
    instructions: str = field(repr=False)
    capabilities: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Hearing:
    """What the user wants to hear of besides answers; each may be a function or a coroutine function.

    Attributes:
        log: Takes level, data and the logger's name of a log message.
        change: Takes `tools`, `resources`, `prompts`, or the URI of a resource that has changed.
    """

    log: Callable[[str, Any, str], Any] | None = None
    change: Callable[[str], Any] | None = None

    @property
    def wanted(self) -> bool:
        """Whether anybody wants to hear."""
        return self.log is not None or self.change is not None

    async def heard(self, message: Message) -> None:
        """Passes a notification on."""
        method, params = message["method"], message.get("params", {})
        if method == "notifications/message" and self.log is not None:
            await _done(self.log(str(params.get("level", "info")), params.get("data"), str(params.get("logger", ""))))
        elif self.change is not None and method in _CHANGES:
            await _done(self.change(_CHANGES[method]))
        elif self.change is not None and method == "notifications/resources/updated":
            await _done(self.change(str(params.get("uri", ""))))


@dataclass(frozen=True, slots=True)
class _Exchange:
    answering: Answering
    hearing: Hearing
    number: int
    progress: ProgressHandler | None

    async def hear(self, message: Message) -> Message | None:
        """See `inferail.pipelines.mcp.carriers.link.Exchange`."""
        if kind_of(message) == "request":
            return await self.answering.answer(message)
        params = message.get("params", {})
        if message["method"] != "notifications/progress":
            await self.hearing.heard(message)
        elif self.progress is not None and params.get("progressToken") == self.number:
            done, total = params.get("progress"), params.get("total")
            if isinstance(done, int | float):
                known = float(total) if isinstance(total, int | float) else None
                await _done(self.progress(float(done), known, str(params.get("message") or "")))
        return None


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    params: Mapping[str, Any] = field(repr=False)
    began: float
    by: float | None
    progress: ProgressHandler | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    meta: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


class Session:
    """Requests and notifications to one server, in whichever protocol it speaks."""

    def __init__(
        self,
        link: Link,
        answering: Answering,
        hearing: Hearing,
        *,
        limits: MCPLimits,
        timeout: float | None,
        version: str | None,
    ) -> None:
        """Sets up; nothing is sent.

        Args:
            link: The way to the server.
            answering: Answers what the server asks.
            hearing: Hears what it tells.
            limits: What is read.
            timeout: Seconds for a request, where it has no other limit; None is no limit.
            version: The protocol to speak, or None to find out.

        Raises:
            ConfigError: There is no such protocol.
        """
        known = (*protocol.HANDSHAKE, protocol.STATELESS)
        if version is not None and version not in known:
            raise ConfigError(f"version must be one of {', '.join(known)}, or None to find out")
        self.link, self._answering, self._hearing = link, answering, hearing
        self.limits, self._timeout, self._wanted = limits, timeout, version
        self._numbers = itertools.count(1)
        self._facts: ServerFacts | None = None
        self._log_level: str | None = None
        self._begun = 0
        self._turn: Mailbox[None] = Mailbox(blocking=link.blocking)
        self._turn.put(None)

    @property
    def facts(self) -> ServerFacts:
        """What the server said of itself.

        Raises:
            ConfigError: The session has not begun.
        """
        if self._facts is None:
            raise ConfigError("the MCP client is not connected: use it in a with block")
        return self._facts

    @property
    def stateless(self) -> bool:
        """Whether the protocol is the one whose every request stands alone."""
        return self._facts is not None and self._facts.protocol == protocol.STATELESS

    async def begin(self) -> None:
        """Starts the link and agrees on a protocol.

        Raises:
            ConnectError: The server cannot be reached, or speaks no protocol that we speak.
            RequestError: It does not answer, or refuses.
            FormatError: What it answers makes no sense.
        """
        await self.link.start(self._by(None))
        if self._wanted not in (None, protocol.STATELESS) or not await self._discovered():
            await self._handshake()

    async def request(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        seconds: float | None = None,
        progress: ProgressHandler | None = None,
        headers: Mapping[str, str] | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The result of a request; questions that the server has before it are answered.

        Args:
            method: What is asked.
            params: Of the request.
            seconds: Time for it; None is the session's. The Scope's deadline counts as well.
            progress: Takes how far it is, of how much, and a message.
            headers: For HTTP.
            meta: Added to `_meta`.

        Raises:
            RpcError: The server answered with an error.
            RequestError: It did not answer in time, is gone, or refused.
            FormatError: What it answered makes no sense.
        """
        call = self._call(
            method, params or {}, self._by(seconds), progress=progress, headers=headers or {}, meta=meta or {}
        )
        wait = _AGAIN
        for _ in range(self.limits.rounds):
            result = await self._once(call)
            if result.get("resultType") != "input_required" or not self.stateless:
                return result
            reader = Reader(f"{self.link.who}, {method}")
            asked = reader.mapping(result, "inputRequests", {})
            if not asked:
                await self._pause(wait, call)
                wait = min(2 * wait, _AGAIN_MOST)
            again = {**call.params, **await self._inputs(asked, reader)}
            if result.get("requestState") is not None:
                again["requestState"] = reader.required(result, "requestState", str)
            call = replace(call, params=again)
        raise FormatError(f"{self.link.who} asked back {self.limits.rounds} times and did not answer {method}")

    async def notify(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        """Sends a notification. Raises what the link does."""
        await self.link.tell(messages.notification(method, params), by=self._by(None))

    async def listen(self, wanted: Mapping[str, Any], seconds: float | None) -> None:
        """Hears notifications until the server ends the stream, or for so many seconds.

        Raises:
            RpcError: The server answered with an error.
            RequestError: It is gone, or refuses.
            ConfigError: It has no such stream.
        """
        scope, now = current_scope(), self.link.clock.now()
        by = _earlier(scope.ends, None if seconds is None else now + seconds)
        try:
            if self.stateless:
                await self._once(self._call("subscriptions/listen", {"notifications": dict(wanted)}, by))
                return
            with Watch(scope.cancellation, self.link.blocking):
                await self.link.listen(_Exchange(self._answering, self._hearing, 0, None), by=by)
        except TimeoutError:
            if scope.ends is not None and by == scope.ends:
                raise DeadlineError(f"the time for listening to {self.link.who} is over", phase="total") from None

    def set_log_level(self, level: str) -> None:
        """The level that requests of 2026-07-28 ask for."""
        self._log_level = level

    async def aclose(self) -> None:
        """Ends the session."""
        self._facts = None
        await self.link.aclose()

    def _call(self, method: str, params: Mapping[str, Any], by: float | None, **more: Any) -> _Call:
        return _Call(method, dict(params), self.link.clock.now(), by, **more)

    def _by(self, timeout: float | None) -> float | None:
        seconds = self._timeout if timeout is None else timeout
        ends = current_scope().ends
        return _earlier(ends, None if seconds is None else self.link.clock.now() + seconds)

    async def _once(self, call: _Call) -> dict[str, Any]:
        session = self._begun
        try:
            return await self._asked(call)
        except SessionGone:
            await self._begin_again(session, call.by)
        try:
            return await self._asked(call)
        except SessionGone:
            raise ConnectError(f"{self.link.who} forgot the session again, before it answered {call.method}") from None

    async def _begin_again(self, session: int, by: float | None) -> None:
        """Another session in place of a forgotten one: of the calls that find it gone at once, one begins it."""
        await self._turn.get(by)
        try:
            if session == self._begun:
                await self._handshake()
        finally:
            self._turn.put(None)

    async def _asked(self, call: _Call) -> dict[str, Any]:
        number = next(self._numbers)
        carried = {**self._envelope(), **call.meta}
        if call.progress is not None:
            carried["progressToken"] = number
        sent = {**call.params, "_meta": carried} if carried else call.params
        message = messages.request(number, call.method, sent or None)
        exchange = _Exchange(self._answering, self._hearing, number, call.progress)
        scope = current_scope()
        try:
            with Watch(scope.cancellation, self.link.blocking):
                reply = await self.link.ask(message, exchange, by=call.by, headers=call.headers)
        except (SessionGone, ConnectError):
            raise
        except TimeoutError as late:
            await self.link.abandon(message, "deadline")
            if isinstance(late, DeadlineError):  # a limit within: of the connection, or of a sample
                raise
            seconds = self.link.clock.now() - call.began
            raise DeadlineError(
                f"{self.link.who} did not answer {call.method} within {seconds:.3g} s", phase="total"
            ) from None
        except BaseException:
            await self.link.abandon(message, "cancelled")
            raise
        if "error" in reply:
            error = reply["error"]
            raise RpcError(error["code"], error.get("message", ""), error.get("data"))
        result: dict[str, Any] = reply["result"]
        return result

    def _envelope(self) -> dict[str, Any]:
        if self.link.version != protocol.STATELESS:
            return {}
        envelope = {
            protocol.PROTOCOL_VERSION: protocol.STATELESS,
            protocol.CLIENT_INFO: _client_info(),
            protocol.CLIENT_CAPABILITIES: self._answering.capabilities(),
        }
        return envelope if self._log_level is None else {**envelope, protocol.LOG_LEVEL: self._log_level}

    async def _inputs(self, asked: Mapping[str, Any], reader: Reader) -> dict[str, Any]:
        answers: dict[str, Any] = {}
        for key in asked:
            wanted = reader.mapping(asked, key)
            method, inner = reader.required(wanted, "method", str), reader.mapping(wanted, "params", {})
            answers[key] = await self._answering.result(method, inner)
        return {"inputResponses": answers} if answers else {}

    async def _pause(self, seconds: float, call: _Call) -> None:
        if call.by is not None and self.link.clock.now() + seconds >= call.by:
            raise DeadlineError(f"{self.link.who} puts off its answer to {call.method}", phase="total")
        await self.link.clock.sleep(seconds)

    async def _discovered(self) -> bool:
        """Whether the server speaks 2026-07-28; then the session has begun."""
        self.link.version = protocol.STATELESS
        by = self._by(None)
        probe = by if self._wanted is not None else _earlier(by, self.link.clock.now() + _PROBE)
        try:
            result = await self._asked(self._call("server/discover", {}, probe))
        except RpcError as error:
            self._no_discovery(error)
        except (SessionGone, InvalidRequestError, NotFoundError):
            self._no_discovery(None)
        except DeadlineError:
            # A server that knows no such method may keep silent; one that has used up all the time there is has not answered.
            if self._wanted is not None or probe == by:
                raise
        except ProviderError as error:
            refused = isinstance(error, AuthenticationError | PermissionDeniedError | RateLimitError | ServerError)
            if refused or error.status_code is None or error.status_code >= 500:
                raise
            self._no_discovery(None)
        else:
            spoken = result.get("supportedVersions")
            if is_list(spoken) and protocol.STATELESS in spoken:
                self._facts = self._read_facts(result, protocol.STATELESS, "server/discover")
                return True
            self._no_discovery(None)
        self.link.version = None
        return False

    def _no_discovery(self, error: RpcError | None) -> None:
        if self._wanted is not None:
            raise ConnectError(f"{self.link.who} does not speak {protocol.STATELESS}")
        data = error.data if error is not None and error.code == protocol.UNSUPPORTED_VERSION else None
        spoken = data.get("supported") if is_object(data) else None
        if is_list(spoken) and not any(each in protocol.HANDSHAKE for each in spoken):
            raise ConnectError(f"{self.link.who} speaks no version of MCP that we speak")

    async def _handshake(self) -> None:
        params = {
            "protocolVersion": self._wanted or protocol.LATEST_HANDSHAKE,
            "capabilities": self._answering.capabilities(),
            "clientInfo": _client_info(),
        }
        try:
            result = await self._asked(self._call("initialize", params, self._by(None)))
        except RpcError as error:
            raise ConnectError(
                f"{self.link.who} refused to begin (initialize, error {error.code})", detail=error.text or None
            ) from None
        version = Reader(f"{self.link.who}, initialize").required(result, "protocolVersion", str)
        if version not in protocol.HANDSHAKE:
            raise ConnectError(f"{self.link.who} speaks no version of MCP that we speak")
        self._facts = self._read_facts(result, version, "initialize")
        self.link.version = version
        self._begun += 1
        await self.notify("notifications/initialized")
        if self._hearing.wanted or self._answering.capabilities():
            await self.link.attend(_Exchange(self._answering, self._hearing, 0, None))

    def _read_facts(self, result: Mapping[str, Any], version: str, step: str) -> ServerFacts:
        reader = Reader(f"{self.link.who}, {step}")
        meta = reader.optional(result, "_meta", dict, {})
        info = reader.mapping(result, "serverInfo", reader.mapping(meta, protocol.SERVER_INFO, {}))
        return ServerFacts(
            protocol=version,
            name=reader.optional(info, "name", str, ""),
            version=reader.optional(info, "version", str, ""),
            instructions=reader.optional(result, "instructions", str, ""),
            capabilities=reader.mapping(result, "capabilities"),
        )


def _client_info() -> dict[str, str]:
    from inferail.core import __version__

    return {"name": "inferail", "version": __version__}


def _earlier(first: float | None, second: float | None) -> float | None:
    if first is None or second is None:
        return first if second is None else second
    return min(first, second)


async def _done(given: Any) -> None:
    if inspect.isawaitable(given):
        await given
