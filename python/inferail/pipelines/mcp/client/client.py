"""The MCP client: one server, its tools, resources and prompts. Everything but the way it waits."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from inferail.errors import ConfigError, FormatError, InvalidRequestError, NotFoundError, ServerError
from inferail.pipelines.mcp.carriers.http import HttpLink
from inferail.pipelines.mcp.carriers.stdio import StdioLink
from inferail.pipelines.mcp.client.answering import Answering, ElicitationHandler
from inferail.pipelines.mcp.client.calling import call_tool
from inferail.pipelines.mcp.client.session import Hearing, ProgressHandler, ServerFacts, Session
from inferail.pipelines.mcp.client.tools import MCPTool, tools_from
from inferail.pipelines.mcp.wire import protocol
from inferail.pipelines.mcp.wire.content import (
    MCPContent,
    MCPPrompt,
    MCPPromptMessage,
    MCPResource,
    MCPResult,
    content_from,
    resource_content,
)
from inferail.pipelines.mcp.wire.messages import MCPLimits, RpcError
from inferail.pipelines.mcp.wire.reading import Reader
from inferail.transport import async_transport, blocking_transport

if TYPE_CHECKING:
    from types import TracebackType

    from inferail.client import BaseClient
    from inferail.pipelines.mcp.carriers.link import Link
    from inferail.pipelines.mcp.oauth.challenge import Authorizer

__all__ = ["AsyncMCPClient", "BaseMCPClient"]


class BaseMCPClient:
    """What `AsyncMCPClient` and `MCPClient` share."""

    blocking = False

    def __init__(
        self,
        server: str | Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        directory: str | Path | None = None,
        headers: Mapping[str, str] | None = None,
        authorization: Authorizer | None = None,
        sampling: BaseClient | None = None,
        elicitation: ElicitationHandler | None = None,
        roots: Sequence[str | Path] = (),
        on_log: Callable[[str, Any, str], Any] | None = None,
        on_change: Callable[[str], Any] | None = None,
        trusted: bool = False,
        timeout: float | None = 60.0,
        tool_timeout: float | None = None,
        version: str | None = None,
        limits: MCPLimits | None = None,
        transport: Any = None,
    ) -> None:
        """Sets up; nothing is started or sent.

        Args:
            server: The URL of a server over streamable HTTP, or the command of one over stdio: `["npx", "-y", "…"]`. No shell
                reads it.
            environment: Variables for the command. Besides these it gets `PATH`, `HOME`, `LANG` and the like, and nothing else
                of ours: no key leaks into it.
            directory: Where the command runs.
            headers: Sent with every HTTP request, for example `{"Authorization": "Bearer …"}`.
            authorization: Gets a token where the server demands one (`inferail.pipelines.mcp.OAuth`).
            sampling: The client whose model answers when the server asks for a sample; its costs are the Scope's.
            elicitation: Answers the server's questions to the user: takes an `MCPElicitation`, gives the values by name, or
                None if the user declines. Missing values are filled in from the schema's defaults.
            roots: Folders (or URIs) that the server may know of.
            on_log: Takes level, data and logger of the server's log messages. It may be a coroutine function, like the next.
            on_change: Takes `tools`, `resources`, `prompts` or a resource's URI when the server says that it has changed.
            trusted: Whether what the server says of its tools (that one only reads) is believed. If not, every tool counts as
                one with side effects.
            timeout: Seconds for a request, unless a deadline of the Scope comes first; None is no limit.
            tool_timeout: The same for a run of a tool.
            version: The protocol to speak, for example `"2025-11-25"`; None finds out.
            limits: What is read from the server.
            transport: As for `ir.AsyncClient`; for HTTP.

        Raises:
            ConfigError: A wrong argument.
        """
        if isinstance(server, os.PathLike) or not server:
            raise ConfigError("server must be a URL or a list: the program and its arguments")
        limits = limits or MCPLimits()
        self._sent_headers = dict(headers or {})
        self._given_transport, self._authorization = transport, authorization
        self._limits, self._trusted, self._tool_timeout = limits, trusted, tool_timeout
        self._answering = Answering(
            "the MCP server", blocking=self.blocking, sampler=sampling, elicitation=elicitation, roots=roots
        )
        self._link = self._new_link(server, environment or {}, directory)
        self._session = Session(
            self._link, self._answering, Hearing(on_log, on_change), limits=limits, timeout=timeout, version=version
        )

    @property
    def server(self) -> ServerFacts:
        """Name, version, protocol, instructions and capabilities of the server, by its own account.

        Raises:
            ConfigError: The client is not connected.
        """
        return self._session.facts

    @property
    def pid(self) -> int | None:
        """The process of a command, once it was started; None for HTTP."""
        return self._link.pid if isinstance(self._link, StdioLink) else None

    @property
    def stderr(self) -> str:
        """The end of what a command wrote to standard error; empty for HTTP. It may hold anything: never logged."""
        return self._link.stderr if isinstance(self._link, StdioLink) else ""

    def _new_link(
        self, server: str | Sequence[str], environment: Mapping[str, str], directory: str | Path | None
    ) -> Link:
        if isinstance(server, str):
            carrier = blocking_transport if self.blocking else async_transport
            return HttpLink(
                server,
                headers=self._sent_headers,
                transport=carrier(self._given_transport),
                authorizer=self._authorization,
                limits=self._limits,
                owned=not _is_transport(self._given_transport),
            )
        if not all(isinstance(each, str) and each for each in server):
            raise ConfigError("the command of an MCP server is a list of strings: the program and its arguments")
        return StdioLink(
            server,
            environment=environment,
            directory=directory,
            limits=self._limits,
            blocking=self.blocking,
            at_once=self._answering.at_once,
        )

    async def _begin(self) -> None:
        try:
            await self._session.begin()
        except BaseException:
            await self._session.aclose()
            raise

    async def _aclose(self) -> None:
        await self._session.aclose()

    async def _request(self, method: str, params: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """The result of a request, the server's error as ours."""
        self._session.facts  # noqa: B018 - raises if there is no session
        try:
            return await self._session.request(method, params, **options)
        except RpcError as error:
            raise self._error(error, method) from None

    def _error(self, error: RpcError, method: str) -> ServerError | InvalidRequestError | NotFoundError:
        kind: type[ServerError | InvalidRequestError | NotFoundError] = ServerError
        if error.code in (protocol.METHOD_NOT_FOUND, protocol.RESOURCE_NOT_FOUND):
            kind = NotFoundError
        elif error.code in (protocol.INVALID_PARAMS, protocol.INVALID_REQUEST):
            kind = InvalidRequestError
        return kind(
            f"{self._link.who} answered {method} with error {error.code}",
            code=str(error.code),
            detail=error.text or None,
        )

    async def _listed(self, method: str, member: str) -> list[dict[str, Any]]:
        """All pages of a list."""
        reader = Reader(f"{self._link.who}, {method}")
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        seen: set[str] = set()
        for _ in range(self._limits.pages):
            page = await self._request(method, {} if cursor is None else {"cursor": cursor})
            found += reader.objects(page, member, self._limits.items - len(found))
            cursor = reader.optional(page, "nextCursor", str, "") or None
            if cursor is None:
                return found
            if cursor in seen:
                break
            seen.add(cursor)
        raise FormatError(f"{reader.step}: the pages have no end")

    async def _tools(self) -> list[MCPTool]:
        listed = await self._listed("tools/list", "tools")
        return tools_from(self._session, listed, trusted=self._trusted, timeout=self._tool_timeout)

    async def _call_or_error(
        self, name: str, arguments: Mapping[str, Any] | None, progress: ProgressHandler | None, seconds: float | None
    ) -> MCPResult:
        try:
            seconds = self._tool_timeout if seconds is None else seconds
            self._session.facts  # noqa: B018 - raises if there is no session
            return await call_tool(self._session, name, arguments or {}, seconds=seconds, progress=progress)
        except RpcError as error:
            raise self._error(error, "tools/call") from None

    async def _resources(self) -> list[MCPResource]:
        reader = Reader(f"{self._link.who}, resources/list")
        return [_resource(each, reader, "uri") for each in await self._listed("resources/list", "resources")]

    async def _templates(self) -> list[MCPResource]:
        reader = Reader(f"{self._link.who}, resources/templates/list")
        listed = await self._listed("resources/templates/list", "resourceTemplates")
        return [_resource(each, reader, "uriTemplate") for each in listed]

    async def _read(self, uri: str) -> tuple[MCPContent, ...]:
        result = await self._request("resources/read", {"uri": uri})
        reader = Reader(f"{self._link.who}, resources/read")
        return tuple(resource_content(each, reader) for each in reader.objects(result, "contents", self._limits.items))

    async def _prompts(self) -> list[MCPPrompt]:
        reader = Reader(f"{self._link.who}, prompts/list")
        return [_prompt(each, reader, self._limits) for each in await self._listed("prompts/list", "prompts")]

    async def _prompt(self, name: str, arguments: Mapping[str, str]) -> tuple[MCPPromptMessage, ...]:
        result = await self._request("prompts/get", {"name": name, "arguments": dict(arguments)})
        reader = Reader(f"{self._link.who}, prompts/get")
        return tuple(_prompt_message(each, reader) for each in reader.objects(result, "messages", self._limits.items))

    async def _complete(self, prompt: str | None, resource: str | None, argument: str, value: str) -> tuple[str, ...]:
        if (prompt is None) == (resource is None):
            raise ConfigError("name either the prompt or the resource template whose argument is completed")
        about = (
            {"type": "ref/prompt", "name": prompt} if resource is None else {"type": "ref/resource", "uri": resource}
        )
        result = await self._request(
            "completion/complete", {"ref": about, "argument": {"name": argument, "value": value}}
        )
        reader = Reader(f"{self._link.who}, completion/complete")
        values = reader.array(reader.mapping(result, "completion"), "values")
        return tuple(str(each) for each in values[: self._limits.items])

    async def _subscribe(self, uri: str, method: str) -> None:
        if self._session.stateless:
            raise ConfigError(f"{protocol.STATELESS} has no subscriptions of its own: name the resource in `listen`")
        await self._request(method, {"uri": uri})

    async def _log_level(self, level: str) -> None:
        if level not in protocol.LOG_LEVELS:
            raise ConfigError(f"level must be one of {', '.join(protocol.LOG_LEVELS)}")
        if self._session.stateless:
            self._session.set_log_level(level)
        else:
            await self._request("logging/setLevel", {"level": level})

    async def _ping(self) -> None:
        await self._request("server/discover" if self._session.stateless else "ping")

    async def _listen(self, seconds: float | None, resources: Sequence[str]) -> None:
        wanted: dict[str, Any] = {f"{name}ListChanged": True for name in ("tools", "resources", "prompts")}
        if resources:
            wanted["resourceSubscriptions"] = list(resources)
        self._session.facts  # noqa: B018 - raises if there is no session
        try:
            await self._session.listen(wanted, seconds)
        except RpcError as error:
            raise self._error(error, "subscriptions/listen") from None


class AsyncMCPClient(BaseMCPClient):
    """A client of one MCP server, over stdio or streamable HTTP, in whichever protocol the server speaks.

    Use it in an `async with` block. Calls may run at the same time.
    """

    async def tools(self) -> list[MCPTool]:
        """The server's tools, all pages of them, for an agent or a request.

        Raises:
            RequestError: The server does not answer, is gone, or refuses.
            FormatError: What it answers makes no sense.
        """
        return await self._tools()

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        progress: ProgressHandler | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as everywhere in inferail
    ) -> MCPResult:
        """Calls a tool by the server's name for it.

        Args:
            name: The tool.
            arguments: By name.
            progress: Takes how far it is, of how much (or None), and a message; may be a coroutine function.
            timeout: Seconds for this call.

        Raises:
            RequestError: The server does not answer, is gone, or refuses.
            FormatError: What it answers makes no sense.
        """
        return await self._call_or_error(name, arguments, progress, timeout)

    async def resources(self) -> list[MCPResource]:
        """The resources. Raises what `tools` does."""
        return await self._resources()

    async def resource_templates(self) -> list[MCPResource]:
        """The templates of resources. Raises what `tools` does."""
        return await self._templates()

    async def read(self, uri: str) -> tuple[MCPContent, ...]:
        """The contents of a resource. Raises what `tools` does."""
        return await self._read(uri)

    async def subscribe(self, uri: str) -> None:
        """Asks to hear (`on_change`) when a resource changes. Raises what `tools` does."""
        await self._subscribe(uri, "resources/subscribe")

    async def unsubscribe(self, uri: str) -> None:
        """Asks to hear no more of a resource. Raises what `tools` does."""
        await self._subscribe(uri, "resources/unsubscribe")

    async def prompts(self) -> list[MCPPrompt]:
        """The prompts. Raises what `tools` does."""
        return await self._prompts()

    async def prompt(self, name: str, /, **arguments: str) -> tuple[MCPPromptMessage, ...]:
        """The messages of a prompt. Raises what `tools` does."""
        return await self._prompt(name, arguments)

    async def complete(
        self, argument: str, value: str, *, prompt: str | None = None, resource: str | None = None
    ) -> tuple[str, ...]:
        """What the argument of a prompt or of a resource template may be, given its beginning. Raises what `tools` does."""
        return await self._complete(prompt, resource, argument, value)

    async def log_level(self, level: str) -> None:
        """Asks for log messages of this level and above. Raises what `tools` does."""
        await self._log_level(level)

    async def ping(self) -> None:
        """Comes back once the server has answered. Raises what `tools` does."""
        await self._ping()

    async def listen(self, seconds: float | None = None, *, resources: Sequence[str] = ()) -> None:
        """Hears what the server tells outside of calls, for some seconds or until it ends the stream.

        What it tells goes to `on_log` and `on_change`.

        Args:
            seconds: How long; None is until the server ends the stream.
            resources: URIs of resources to hear of (2026-07-28; earlier protocols have `subscribe`).

        Raises:
            RequestError: The server is gone, or refuses.
            ConfigError: It has no such stream.
        """
        await self._listen(seconds, resources)

    async def aclose(self) -> None:
        """Ends the session, and the process if there is one. Safe to call twice."""
        await self._aclose()

    async def __aenter__(self) -> Self:
        await self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._aclose()


def _resource(value: Mapping[str, Any], reader: Reader, address: str) -> MCPResource:
    return MCPResource(
        uri=reader.required(value, address, str),
        name=reader.optional(value, "name", str, ""),
        description=reader.optional(value, "description", str, ""),
        mime_type=reader.optional(value, "mimeType", str, ""),
        template=address == "uriTemplate",
    )


def _prompt(value: Mapping[str, Any], reader: Reader, limits: MCPLimits) -> MCPPrompt:
    arguments = reader.objects(value, "arguments", limits.items) if value.get("arguments") is not None else []
    return MCPPrompt(
        reader.required(value, "name", str),
        reader.optional(value, "description", str, ""),
        {
            reader.required(each, "name", str): reader.optional(each, "required", bool, default=False)
            for each in arguments
        },
    )


def _prompt_message(value: Mapping[str, Any], reader: Reader) -> MCPPromptMessage:
    role: Literal["user", "assistant"] = "assistant" if reader.required(value, "role", str) == "assistant" else "user"
    return MCPPromptMessage(role, content_from(reader.mapping(value, "content"), reader))


def _is_transport(given: Any) -> bool:
    return all(hasattr(given, name) for name in ("open", "aclose", "clock", "blocking"))
