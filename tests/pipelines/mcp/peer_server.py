"""A server of the official SDK, run by its own Python: over stdio, or over HTTP on the port that is named."""

import sys

from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("peer")


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
async def slowly(ctx: Context) -> str:
    """Tells how far it is."""
    await ctx.report_progress(1, 2, "half")
    return "done"


@server.resource("peer://{name}")
def resource(name: str) -> str:
    """A family."""
    return f"resource {name}"


@server.prompt()
def summary(topic: str) -> str:
    """A prompt."""
    return f"Summarise {topic}."


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run("stdio")
