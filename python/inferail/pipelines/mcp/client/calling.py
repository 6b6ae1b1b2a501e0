"""One call of a tool over a session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from inferail.pipelines.mcp.wire.content import MCPResult, contents_from
from inferail.pipelines.mcp.wire.headers import parameter_headers
from inferail.pipelines.mcp.wire.reading import Reader

if TYPE_CHECKING:
    from inferail.pipelines.mcp.client.session import ProgressHandler, Session

__all__ = ["call_tool"]


async def call_tool(
    session: Session,
    name: str,
    arguments: Mapping[str, Any],
    *,
    seconds: float | None,
    marked: Mapping[tuple[str, ...], str] | None = None,
    meta: Mapping[str, Any] | None = None,
    progress: ProgressHandler | None = None,
) -> MCPResult:
    """What the tool gives back.

    Args:
        session: With the server.
        name: The server's name for the tool.
        arguments: By name.
        seconds: Time for the call; None is the session's.
        marked: Arguments that are repeated in HTTP headers.
        meta: Added to `_meta`.
        progress: Takes how far it is.

    Raises:
        RpcError: The server answered with an error of the protocol.
        RequestError: It does not answer, is gone, or refuses.
        FormatError: What it answers makes no sense.
    """
    result = await session.request(
        "tools/call",
        {"name": name, "arguments": dict(arguments)},
        seconds=seconds,
        progress=progress,
        headers=parameter_headers(marked or {}, arguments) if session.stateless else {},
        meta=meta,
    )
    reader = Reader(f"{session.link.who}, tools/call")
    content = contents_from(result, "content", reader, session.limits.items) if "content" in result else ()
    return MCPResult(
        content,
        is_error=reader.optional(result, "isError", bool, default=False),
        structured=result.get("structuredContent"),
    )
