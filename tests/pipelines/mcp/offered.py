"""A server of ours that the tests talk to. As a program: over stdio, for a client that starts it."""

from __future__ import annotations

import asyncio
import os

from inferail.errors import ToolError
from inferail.pipelines.mcp import MCPContent, MCPContext, MCPResult, MCPServer
from inferail.pipelines.tools.protocol import Permission, ToolOutcome
from inferail.types.tools import Tool


class Broken:
    """A RunnableTool that raises what it should not."""

    definition = Tool("broken", "Raises.")
    permission: Permission = "read"
    timeout = None

    async def run(self, arguments, run):
        raise KeyError("a secret of the server")


QUESTION = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer", "default": 30}}}


class Echo:
    """A RunnableTool that is no function of ours: says how it was run."""

    definition = Tool(
        "echo", "Gives back what it gets.", {"type": "object", "properties": {"word": {"type": "string"}}}
    )
    permission: Permission = "read"
    timeout = None

    async def run(self, arguments, run):
        return ToolOutcome(f"{arguments.get('word')} under {run.idempotency_key}")


def make_server(**options):
    """The server, with nothing shared between two of them."""
    server = MCPServer("offered", tools=[Echo(), Broken()], instructions="Ask for an order.", **options)
    for add in (add_plain, add_asking, add_failing, add_odd, add_resources):
        add(server)
    return server


def add_plain(server):
    @server.tool(permission="read")
    def add(a: int, b: int = 1) -> int:
        """Adds two numbers.

        This paragraph is for people who read the code.
        """
        return a + b

    @server.tool(permission="write")
    async def slowly(context: MCPContext, steps: int = 2) -> str:
        """Tells how far it is."""
        for step in range(steps):
            await context.progress(step + 1, steps, f"step {step + 1}")
        await context.log({"steps": steps}, level="warning", logger="offered")
        await context.log("a trifle", level="debug")
        return "done"


def add_asking(server):
    @server.tool()
    async def greet(context: MCPContext) -> str:
        """Asks who is there, then asks a model for a greeting."""
        answer = await context.elicit("Who are you?", QUESTION)
        if answer is None:
            return "nobody"
        return await context.sample(f"Greet {answer['name']}, {answer['age']}.", max_tokens=20, system="Be short.")

    @server.tool()
    async def ask_in_a_group(context: MCPContext) -> str:
        """Asks from within a task group, whose exceptions come as a group."""
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(context.roots())
        return str(len(asked.result()))

    @server.tool()
    async def folders(context: MCPContext) -> dict[str, object]:
        """The folders that the client lets servers know of."""
        return {"roots": list(await context.roots())}


def add_failing(server):
    @server.tool()
    def fail(kind: str) -> str:
        """Fails."""
        if kind == "told":
            raise ToolError("the printer is out of paper", tool="fail")
        raise ValueError("a secret of the server")

    @server.tool()
    def no_json() -> dict[str, float]:
        """Gives what JSON cannot say."""
        return {"a": float("nan")}

    @server.tool(timeout=0.05)
    async def hang() -> str:
        """Never ends by itself."""
        await asyncio.Event().wait()
        return "never"

    @server.tool()
    async def wait() -> str:
        """Never ends at all."""
        await asyncio.Event().wait()
        return "never"


def add_odd(server):
    @server.tool()
    def picture() -> MCPResult:
        """A picture and its size."""
        return MCPResult((MCPContent("image", data=b"\x89PNG", mime_type="image/png"),), structured={"bytes": 4})

    @server.tool()
    def noisy() -> str:
        """Prints, which over stdio would be a message."""
        print("a line that is not JSON")  # noqa: T201 - what the test is about
        return "printed"

    @server.tool()
    def variables() -> list[str]:
        """The names of the environment."""
        return sorted(os.environ)

    @server.tool()
    async def grow() -> str:
        """Adds a tool."""
        server.add_tool(grown)
        return "grown"

    @server.tool()
    def touch(uri: str) -> str:
        """Says that a resource has changed."""
        server.updated(uri)
        return "touched"


def add_resources(server):
    @server.resource("test://readme")
    def readme() -> str:
        """What to read first."""
        return "Read me."

    @server.resource("test://logo", mime_type="image/png")
    def logo() -> bytes:
        """A picture."""
        return b"\x89PNG"

    @server.resource("test://orders/{order}")
    def order(order: str) -> str:
        """One order."""
        return f"order {order}"

    @server.resource("test://files/{+path}")
    def file(path: str) -> str:
        """One file."""
        return f"file {path}"

    @server.prompt()
    def summary(topic: str, style: str = "short") -> str:
        """A summary."""
        return f"Summarise {topic}, {style}."

    @server.completion
    def complete(about: str, argument: str, value: str) -> list[str]:
        """Styles."""
        return [each for each in ("short", "shouted", "long") if each.startswith(value)]


def grown() -> str:
    """A tool that came later."""
    return "late"


if __name__ == "__main__":
    make_server().run()
