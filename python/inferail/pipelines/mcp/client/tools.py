"""The tools of a server as tools that an agent can run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from inferail.errors import BudgetError, CancelledError, FormatError, InferailError, PolicyError, ToolError
from inferail.pipelines.mcp.client.calling import call_tool
from inferail.pipelines.mcp.wire import protocol
from inferail.pipelines.mcp.wire.headers import mirrored
from inferail.pipelines.mcp.wire.messages import RpcError
from inferail.pipelines.mcp.wire.reading import Reader
from inferail.pipelines.tools.protocol import Permission, ToolOutcome, ToolRun
from inferail.types.tools import Tool

if TYPE_CHECKING:
    from inferail.pipelines.mcp.client.session import Session

__all__ = ["MCPTool", "tools_from"]

_OTHER: Final = re.compile(r"[^A-Za-z0-9_-]")
_BEGINNING: Final = re.compile(r"[A-Za-z_]")
_NAME: Final = 64


@dataclass(frozen=True, slots=True)
class MCPTool:
    """A tool of an MCP server: runs over the client that listed it, for as long as that is open.

    Attributes:
        definition: As a model sees it. A name that models may not see (`files.read`) has `_` for what is not allowed.
        permission: `side_effect`, unless the client trusts what the server says of its tools.
        timeout: Seconds that one run may take, or None for the client's.
        server_name: The name that the server knows it by.
        session: With the server.
        marked: Arguments that are repeated in HTTP headers: path of properties -> header.
    """

    definition: Tool
    permission: Permission
    timeout: float | None
    server_name: str
    session: Session = field(repr=False, compare=False)
    marked: Mapping[tuple[str, ...], str] = field(default_factory=dict[tuple[str, ...], str], repr=False)

    async def run(self, arguments: Mapping[str, Any], run: ToolRun) -> ToolOutcome:
        """What the server answers. What it says of wrong arguments or of a failure is for the model.

        Raises:
            ToolError: The server is gone, does not answer in time, or answers with what makes no sense.
            CancelledError: The Scope was cancelled; BudgetError, PolicyError likewise.
        """
        name = self.definition.name
        if run.blocking != self.session.link.blocking:
            kind = "MCPClient" if run.blocking else "AsyncMCPClient"
            raise ToolError(f"the tool {name} must come from an ir.{kind} here", tool=name)
        try:
            result = await call_tool(
                self.session,
                self.server_name,
                arguments,
                seconds=self.timeout,
                marked=self.marked,
                meta={protocol.IDEMPOTENCY_KEY: run.idempotency_key},
            )
        except (BudgetError, CancelledError, PolicyError):
            raise
        except RpcError as error:
            if error.code == protocol.INVALID_PARAMS:
                return ToolOutcome(error.text or "the arguments are not what the tool takes", is_error=True)
            raise ToolError(f"the tool {name} failed with error {error.code}", tool=name, detail=error.text) from None
        except InferailError as error:
            raise ToolError(f"the tool {name} could not be run: {error.message}", tool=name) from error
        return ToolOutcome(result.text, is_error=result.is_error, value=result)


def tools_from(
    session: Session, listed: Iterable[Mapping[str, Any]], *, trusted: bool, timeout: float | None
) -> list[MCPTool]:
    """The tools that a server listed.

    Raises:
        FormatError: One of them is no tool, or two share a name.
    """
    tools: dict[str, MCPTool] = {}
    names: set[str] = set()
    who = session.link.who
    reader = Reader(f"{who}, tools/list")
    for each in listed:
        name = reader.required(each, "name", str)
        if not name or name in names:
            raise FormatError(f"{who}, tools/list: a tool without a name, or two of one name")
        names.add(name)
        schema = reader.mapping(each, "inputSchema")
        if schema.get("type", "object") != "object":
            raise FormatError(f"{who}, tools/list: the arguments of a tool are not an object")
        hints = reader.mapping(each, "annotations", {})
        permission = _permission(hints) if trusted else "side_effect"
        shown = _shown(name, tools)
        description = reader.optional(each, "description", str, "") or reader.optional(each, "title", str, "")
        tools[shown] = MCPTool(
            Tool(shown, description, schema, side_effects=permission != "read"),
            permission,
            timeout,
            name,
            session,
            mirrored(schema),
        )
    return list(tools.values())


def _permission(hints: Mapping[str, Any]) -> Permission:
    if hints.get("readOnlyHint") is True:
        return "read"
    return "write" if hints.get("destructiveHint") is False else "side_effect"


def _shown(name: str, taken: Mapping[str, Any]) -> str:
    """A name that every provider takes, and that no other tool has."""
    shown = _OTHER.sub("_", name)
    if not _BEGINNING.match(shown) or shown in ("auto", "none", "required"):
        shown = f"_{shown}"
    shown = shown[:_NAME]
    number = 2
    base = shown
    while shown in taken:
        end = f"_{number}"
        shown, number = f"{base[: _NAME - len(end)]}{end}", number + 1
    return shown
