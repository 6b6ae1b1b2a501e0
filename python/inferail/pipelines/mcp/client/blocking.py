"""The synchronous MCP client: the same coroutines, driven without an event loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from inferail._sync import drive
from inferail.pipelines.mcp.client.client import BaseMCPClient

if TYPE_CHECKING:
    from types import TracebackType

    from inferail.pipelines.mcp.client.session import ProgressHandler
    from inferail.pipelines.mcp.client.tools import MCPTool
    from inferail.pipelines.mcp.wire.content import MCPContent, MCPPrompt, MCPPromptMessage, MCPResource, MCPResult

__all__ = ["MCPClient"]


class MCPClient(BaseMCPClient):
    """A client of one MCP server that blocks: the twin of `AsyncMCPClient`. Use it in a `with` block. Thread-safe."""

    blocking = True

    def tools(self) -> list[MCPTool]:
        """The server's tools; gives and raises what `AsyncMCPClient.tools` does."""
        return drive(self._tools())

    def call(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        progress: ProgressHandler | None = None,
        timeout: float | None = None,
    ) -> MCPResult:
        """Calls a tool; takes, gives and raises what `AsyncMCPClient.call` does."""
        return drive(self._call_or_error(name, arguments, progress, timeout))

    def resources(self) -> list[MCPResource]:
        """The resources."""
        return drive(self._resources())

    def resource_templates(self) -> list[MCPResource]:
        """The templates of resources."""
        return drive(self._templates())

    def read(self, uri: str) -> tuple[MCPContent, ...]:
        """The contents of a resource."""
        return drive(self._read(uri))

    def subscribe(self, uri: str) -> None:
        """Asks to hear (`on_change`) when a resource changes."""
        drive(self._subscribe(uri, "resources/subscribe"))

    def unsubscribe(self, uri: str) -> None:
        """Asks to hear no more of a resource."""
        drive(self._subscribe(uri, "resources/unsubscribe"))

    def prompts(self) -> list[MCPPrompt]:
        """The prompts."""
        return drive(self._prompts())

    def prompt(self, name: str, /, **arguments: str) -> tuple[MCPPromptMessage, ...]:
        """The messages of a prompt."""
        return drive(self._prompt(name, arguments))

    def complete(
        self, argument: str, value: str, *, prompt: str | None = None, resource: str | None = None
    ) -> tuple[str, ...]:
        """What an argument may be, as `AsyncMCPClient.complete` gives it."""
        return drive(self._complete(prompt, resource, argument, value))

    def log_level(self, level: str) -> None:
        """Asks for log messages of this level and above."""
        drive(self._log_level(level))

    def ping(self) -> None:
        """Comes back once the server has answered."""
        drive(self._ping())

    def listen(self, seconds: float | None = None, *, resources: Sequence[str] = ()) -> None:
        """Hears what the server tells outside of calls, as `AsyncMCPClient.listen` does."""
        drive(self._listen(seconds, resources))

    def close(self) -> None:
        """Ends the session, and the process if there is one. Safe to call twice."""
        drive(self._aclose())

    def __enter__(self) -> Self:
        drive(self._begin())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
