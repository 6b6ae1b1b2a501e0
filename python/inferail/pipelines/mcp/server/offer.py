"""What a server offers: tools, resources and prompts by name, and completion of their arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from inferail.errors import ConfigError
from inferail.pipelines.mcp.server.functions import Function, ServedFunction
from inferail.pipelines.mcp.wire.content import MCPContent, MCPPrompt, MCPPromptMessage, MCPResource
from inferail.pipelines.tools.protocol import RunnableTool

if TYPE_CHECKING:
    from inferail.pipelines.mcp.server.context import MCPContext

__all__ = ["Completer", "Offer", "OfferedPrompt", "OfferedResource"]

Completer = Callable[[str, str, str], Any]
_VARIABLE: Final = re.compile(r"\{(\+?)([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class OfferedResource:
    """A resource, or a family of them, and the function that reads it."""

    shown: MCPResource
    function: Function
    pattern: re.Pattern[str]

    def arguments(self, uri: str) -> dict[str, str] | None:
        """The variables of a URI of this family; None if it is none."""
        found = self.pattern.fullmatch(uri)
        if found is None:
            return None
        values = {name: unquote(value) for name, value in found.groupdict().items()}
        # A slash that was hidden as %2F would lead out of the place that the template gives a variable.
        hidden = (name for name, value in values.items() if "/" in value and "/" not in found[name])
        return None if any(True for _ in hidden) else values

    async def read(self, uri: str, arguments: dict[str, str], context: MCPContext) -> MCPContent:
        """Its content. Raises whatever the function raises."""
        returned = await self.function.call(arguments, context)
        if isinstance(returned, MCPContent):
            return returned
        text, data = (returned, b"") if isinstance(returned, str) else ("", returned)
        if not isinstance(data, bytes):
            raise ConfigError(f"a resource is read as str, bytes or MCPContent, not {type(returned).__name__}")
        return MCPContent("resource", text=text, data=data, mime_type=self.shown.mime_type, uri=uri)


@dataclass(frozen=True, slots=True)
class OfferedPrompt:
    """A prompt, and the function that writes it."""

    shown: MCPPrompt
    function: Function

    async def messages(self, arguments: dict[str, str], context: MCPContext) -> list[MCPPromptMessage]:
        """Its messages. Raises whatever the function raises."""
        returned = await self.function.call(arguments, context)
        pieces = [returned] if isinstance(returned, str | MCPContent | MCPPromptMessage) else list(returned)
        return [_prompt_message(each) for each in pieces]


@dataclass(slots=True)
class Offer:
    """Everything by name. Changes are seen by the next request."""

    tools: dict[str, RunnableTool] = field(default_factory=dict[str, RunnableTool])
    resources: dict[str, OfferedResource] = field(default_factory=dict[str, OfferedResource])
    prompts: dict[str, OfferedPrompt] = field(default_factory=dict[str, OfferedPrompt])
    completer: Function | None = None

    def add_tool(self, tool: RunnableTool | Callable[..., Any]) -> None:
        """Adds a tool, or a typed function as one.

        Raises:
            ConfigError: There is one of that name, or it is neither.
        """
        ready = tool if isinstance(tool, RunnableTool) else ServedFunction(tool)
        name = ready.definition.name
        if name in self.tools:
            raise ConfigError(f"there is a tool {name} already")
        self.tools[name] = ready

    def add_resource(self, shown: MCPResource, function: Callable[..., Any]) -> None:
        """Adds a resource; one whose URI has variables is a family.

        Raises:
            ConfigError: There is one already, or the function does not take exactly the variables.
        """
        reader = Function(function)
        variables = {found[2] for found in _VARIABLE.finditer(shown.uri)}
        if variables != set(reader.parameters):
            raise ConfigError(f"the function of the resource {shown.uri} must take exactly its variables")
        if shown.uri in self.resources:
            raise ConfigError(f"there is a resource {shown.uri} already")
        self.resources[shown.uri] = OfferedResource(shown, reader, _pattern(shown.uri))

    def add_prompt(self, name: str, description: str, function: Callable[..., Any]) -> None:
        """Adds a prompt; its arguments are the function's parameters.

        Raises:
            ConfigError: There is one already, or a parameter is no text.
        """
        writer = Function(function)
        if not all(each is str for each in writer.types.values()):
            raise ConfigError(f"the arguments of the prompt {name or writer.name} are texts: give them the type str")
        required = {each: parameter.default is parameter.empty for each, parameter in writer.parameters.items()}
        shown = MCPPrompt(name or writer.name, description or writer.description, required)
        if shown.name in self.prompts:
            raise ConfigError(f"there is a prompt {shown.name} already")
        self.prompts[shown.name] = OfferedPrompt(shown, writer)

    def resource_for(self, uri: str) -> tuple[OfferedResource, dict[str, str]] | None:
        """The resource at a URI, and its variables."""
        exact = self.resources.get(uri)
        if exact is not None and not exact.shown.template:
            return exact, {}
        for each in self.resources.values():
            arguments = each.arguments(uri) if each.shown.template else None
            if arguments is not None:
                return each, arguments
        return None


def _pattern(uri: str) -> re.Pattern[str]:
    pieces: list[str] = []
    end = 0
    for found in _VARIABLE.finditer(uri):
        pieces += [re.escape(uri[end : found.start()]), f"(?P<{found[2]}>{'.+' if found[1] else '[^/?#]+'})"]
        end = found.end()
    return re.compile("".join([*pieces, re.escape(uri[end:])]))


def _prompt_message(given: Any) -> MCPPromptMessage:
    if isinstance(given, MCPPromptMessage):
        return given
    if isinstance(given, str | MCPContent):
        return MCPPromptMessage("user", MCPContent(text=given) if isinstance(given, str) else given)
    raise ConfigError(f"a prompt is made of texts, MCPContent or MCPPromptMessage, not {type(given).__name__}")


def as_list(values: Sequence[str] | None) -> list[str]:
    """Values of a completion, at most the hundred that the protocol allows."""
    return [str(each) for each in values or ()][:100]
