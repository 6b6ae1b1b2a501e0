"""The MCP server: tools, resources and prompts of ours for any MCP client."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from inferail._sync import drive
from inferail.errors import ConfigError
from inferail.pipelines import calls
from inferail.pipelines.mcp.server.dispatch import Dispatcher
from inferail.pipelines.mcp.server.functions import Function, ServedFunction
from inferail.pipelines.mcp.server.listeners import Listeners
from inferail.pipelines.mcp.server.offer import Offer
from inferail.pipelines.mcp.wire.content import MCPResource
from inferail.pipelines.mcp.wire.messages import MCPLimits

if TYPE_CHECKING:
    from inferail.client import BaseClient, CallOptions
    from inferail.pipelines.mcp.server.asgi import MCPApp
    from inferail.pipelines.tools.protocol import Permission, RunnableTool

__all__ = ["MCPServer"]

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])
_LOCAL = ("127.0.0.1", "localhost", "::1")


class MCPServer:
    """Offers tools, resources and prompts over stdio (`run`) or streamable HTTP (`app`), in every protocol from 2024-11-05.

        server = MCPServer("orders", tools=[order_status])
        server.run()

    Every function may take an `MCPContext`. One that is no coroutine function runs in a thread of its own. It needs asyncio.
    """

    def __init__(
        self,
        name: str,
        *,
        tools: Iterable[RunnableTool | Callable[..., Any]] = (),
        version: str = "",
        instructions: str = "",
        page: int = 1000,
        limits: MCPLimits | None = None,
        secret: bytes | None = None,
    ) -> None:
        """Sets up; nothing is served.

        Args:
            name: Shown to clients.
            tools: RunnableTools, or typed functions: a pipeline is an async function as well.
            version: Of your server; default: inferail's.
            instructions: How to use it, for a client's model.
            page: Most items of one page of a list.
            limits: What is read from clients.
            secret: Seals what clients of 2026-07-28 keep between a question and its answer: the same in all processes that
                serve one URL. Default: a random one.

        Raises:
            ConfigError: A wrong argument, or two tools of one name.
        """
        if not name or page < 1 or (secret is not None and len(secret) < 16):
            raise ConfigError("an MCP server needs a name, page must be 1 or more, and secret 16 bytes or more")
        self._offer, self._listeners, self._limits = Offer(), Listeners(), limits or MCPLimits()
        for tool in tools:
            self._offer.add_tool(tool)
        self._dispatcher = Dispatcher(
            self._offer,
            name=name,
            version=version or _version(),
            instructions=instructions,
            page=page,
            secret=secret or secrets.token_bytes(32),
        )

    def add_tool(self, tool: RunnableTool | Callable[..., Any]) -> None:
        """Adds a tool, or a typed function as one; clients that listen are told.

        Raises:
            ConfigError: There is one of that name, or it is neither.
        """
        self._offer.add_tool(tool)
        self._listeners.changed("tools")

    def add_client(
        self,
        client: BaseClient,
        *,
        name: str = "ask",
        description: str = "Asks a language model.",
        **options: Unpack[CallOptions],
    ) -> None:
        """Adds a tool that asks a client's model: it takes `prompt` and gives the answer's text.

        Args:
            client: An `ir.AsyncClient`, or an `ir.Client`, which is asked in a thread.
            name: Of the tool.
            description: What a caller's model is told.
            options: Of each call, as for `client.complete`: `system`, `sampling`, `timeout`, ….

        Raises:
            ConfigError: There is a tool of that name, or it is no client.
        """
        if calls.is_blocking(client):

            def ask(prompt: str) -> str:
                return drive(calls.complete(client, prompt, **options)).text

            self.add_tool(ServedFunction(ask, name=name, description=description, permission="read"))
        else:

            async def ask_async(prompt: str) -> str:
                return (await calls.complete(client, prompt, **options)).text

            self.add_tool(ServedFunction(ask_async, name=name, description=description, permission="read"))

    def remove_tool(self, name: str) -> None:
        """Takes a tool away; clients that listen are told.

        Raises:
            ConfigError: There is no such tool.
        """
        if self._offer.tools.pop(name, None) is None:
            raise ConfigError(f"there is no tool {name}")
        self._listeners.changed("tools")

    def tool(
        self,
        *,
        name: str = "",
        description: str = "",
        permission: Permission = "side_effect",
        timeout: float | None = None,
    ) -> Callable[[FunctionT], FunctionT]:
        """Decorates a typed function that is a tool.

        Args:
            name: Default: its own.
            description: Default: the first paragraph of its docstring.
            permission: What running it may do to the world; clients are told.
            timeout: Seconds that one run may take.
        """

        def add(function: FunctionT) -> FunctionT:
            self.add_tool(
                ServedFunction(function, name=name, description=description, permission=permission, timeout=timeout)
            )
            return function

        return add

    def resource(
        self, uri: str, *, name: str = "", description: str = "", mime_type: str = "text/plain"
    ) -> Callable[[FunctionT], FunctionT]:
        """Decorates a function that reads a resource and gives str, bytes or MCPContent.

        Args:
            uri: Its address. `{name}` in it is a variable without slashes, `{+name}` one that may have them: the function takes
                each as a parameter.
            name: For people; default: the function's.
            description: Default: the first paragraph of its docstring.
            mime_type: What it is.
        """

        def add(function: FunctionT) -> FunctionT:
            reader = Function(function)
            shown = MCPResource(
                uri, name or reader.name, description or reader.description, mime_type, template="{" in uri
            )
            self._offer.add_resource(shown, function)
            self._listeners.changed("resources")
            return function

        return add

    def prompt(self, *, name: str = "", description: str = "") -> Callable[[FunctionT], FunctionT]:
        """Decorates a function of texts that writes a prompt: a text, MCPContent, MCPPromptMessage, or a list of these.

        Args:
            name: Default: its own.
            description: Default: the first paragraph of its docstring.
        """

        def add(function: FunctionT) -> FunctionT:
            self._offer.add_prompt(name, description, function)
            self._listeners.changed("prompts")
            return function

        return add

    def completion(self, function: FunctionT) -> FunctionT:
        """Decorates the function that completes arguments: `(prompt or URI, argument, its beginning) -> texts`.

        Raises:
            ConfigError: It does not take three texts.
        """
        completer = Function(function)
        if list(completer.types.values()) != [str, str, str]:
            raise ConfigError(
                "a completion takes three texts: the prompt's name or the URI, the argument, its beginning"
            )
        self._offer.completer = completer
        return function

    def updated(self, uri: str) -> None:
        """Tells the clients that want to hear of it that a resource has changed. From the loop that serves."""
        self._listeners.updated(uri)

    def app(
        self,
        *,
        path: str = "/mcp",
        hosts: Sequence[str] | None = _LOCAL,
        sessions: int = 1000,
        idle: float = 3600.0,
    ) -> MCPApp:
        """An ASGI app that serves streamable HTTP, for uvicorn or to be mounted in another app.

        Who may call it is for the app around it to decide: it asks for no token.

        Args:
            path: Of the endpoint.
            hosts: Names that requests may use for this server, without port. Others are refused, so that no web page can
                reach a server on the machine of whoever reads it. None takes any name.
            sessions: Most sessions at a time (protocols before 2026-07-28); the one that was silent longest makes room.
            idle: Seconds of silence after which a session may end.
        """
        from inferail.pipelines.mcp.server.asgi import MCPApp
        from inferail.pipelines.mcp.server.sessions import Sessions

        return MCPApp(
            self._dispatcher,
            self._listeners,
            path=path,
            hosts=None if hosts is None else frozenset(each.strip("[]").lower() for each in hosts),
            limits=self._limits,
            sessions=Sessions(sessions, idle),
        )

    async def serve_stdio(self) -> None:
        """Serves the client at the other end of standard input and output, until it closes the input."""
        from inferail.pipelines.mcp.server.stdio import StdioServer, own_output

        with own_output() as output:
            await StdioServer(self._dispatcher, self._listeners, self._limits, output).serve(0)

    def run(self) -> None:
        """The same, for a script: `if __name__ == "__main__": server.run()`."""
        asyncio.run(self.serve_stdio())


def _version() -> str:
    from inferail.core import __version__

    return __version__
