"""The server that the official conformance suite asks for. With a port: over HTTP on it; without: over stdio."""

from __future__ import annotations

import asyncio
import base64
import json
import sys

from inferail.errors import ToolError
from inferail.pipelines.mcp import (
    MCPContent,
    MCPContext,
    MCPPromptMessage,
    MCPServer,
    ServedFunction,
)

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)
WAV = base64.b64decode("UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=")
server = MCPServer("everything", instructions="Everything that the conformance suite asks for.")


@server.tool()
def test_simple_text() -> str:
    """A text."""
    return "This is a simple text response for testing."


@server.tool()
def test_image_content() -> MCPContent:
    """A picture."""
    return MCPContent("image", data=PNG, mime_type="image/png")


@server.tool()
def test_audio_content() -> MCPContent:
    """A sound."""
    return MCPContent("audio", data=WAV, mime_type="audio/wav")


@server.tool()
def test_embedded_resource() -> MCPContent:
    """A resource."""
    text = "This is an embedded resource content."
    return MCPContent("resource", uri="test://embedded-resource", mime_type="text/plain", text=text)


@server.tool()
def test_multiple_content_types() -> list[MCPContent]:
    """Three kinds of content."""
    return [
        MCPContent(text="Multiple content types test:"),
        MCPContent("image", data=PNG, mime_type="image/png"),
        MCPContent(
            "resource",
            uri="test://mixed-content-resource",
            mime_type="application/json",
            text=json.dumps({"test": "data", "value": 123}),
        ),
    ]


@server.tool()
async def test_tool_with_logging(context: MCPContext) -> str:
    """Logs three times."""
    await context.log("Tool execution started")
    await asyncio.sleep(0.05)
    await context.log("Tool processing data")
    await asyncio.sleep(0.05)
    await context.log("Tool execution completed")
    return "Tool with logging executed successfully"


@server.tool()
def test_error_handling() -> str:
    """Fails."""
    raise ToolError("This tool intentionally returns an error for testing", tool="test_error_handling")


@server.tool()
async def test_tool_with_progress(context: MCPContext) -> str:
    """Tells how far it is."""
    for done in (0, 50, 100):
        await context.progress(done, 100)
        await asyncio.sleep(0.05)
    return "Tool with progress executed successfully"


@server.tool()
async def test_sampling(prompt: str, context: MCPContext) -> str:
    """Asks the client's model."""
    return f"LLM response: {await context.sample(prompt, max_tokens=100)}"


USER = {
    "type": "object",
    "properties": {
        "username": {"type": "string", "description": "User's response"},
        "email": {"type": "string", "description": "User's email address"},
    },
    "required": ["username", "email"],
}


@server.tool()
async def test_elicitation(message: str, context: MCPContext) -> str:
    """Asks the client's user."""
    return _told("User response", await context.elicit(message, USER))


@server.tool()
async def test_elicitation_sep1034_defaults(context: MCPContext) -> str:
    """Asks with defaults."""
    properties = {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    }
    answer = await context.elicit("Who are you?", {"type": "object", "properties": properties, "required": []})
    return _told("Elicitation completed", answer)


@server.tool()
async def test_elicitation_sep1330_enums(context: MCPContext) -> str:
    """Asks for choices."""
    options = ["option1", "option2", "option3"]
    titled = [{"const": f"value{number}", "title": f"Option {number}"} for number in (1, 2, 3)]
    properties = {
        "untitledSingle": {"type": "string", "enum": options},
        "titledSingle": {"type": "string", "oneOf": titled},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled}},
    }
    answer = await context.elicit("What do you choose?", {"type": "object", "properties": properties})
    return _told("Elicitation completed", answer)


@server.tool()
async def test_reconnection(context: MCPContext) -> str:
    """Closes the stream before it answers."""
    await asyncio.sleep(0.05)
    context.close_stream()
    await asyncio.sleep(0.1)
    return "Reconnection test completed successfully"


def _address(name: str = "", address: dict[str, str] | None = None) -> str:
    """A tool with a schema of its own."""
    return f"{name} {address}"


server.add_tool(
    ServedFunction(
        _address,
        name="json_schema_2020_12_tool",
        schema={
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "$defs": {
                "address": {
                    "type": "object",
                    "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
                }
            },
            "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
            "additionalProperties": False,
        },
    )
)


@server.resource("test://static-text")
def static_text() -> str:
    """A text."""
    return "This is the content of the static text resource."


@server.resource("test://static-binary", mime_type="image/png")
def static_binary() -> bytes:
    """A picture."""
    return PNG


@server.resource("test://watched-resource")
def watched() -> str:
    """One to hear of."""
    return "watched"


@server.resource("test://template/{id}/data", mime_type="application/json")
def template(id: str) -> str:  # noqa: A002 - the suite's name
    """A family."""
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


@server.prompt()
def test_simple_prompt() -> str:
    """A prompt."""
    return "This is a simple prompt for testing."


@server.prompt()
def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """A prompt with arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@server.prompt()
def test_prompt_with_embedded_resource(resourceUri: str) -> list[MCPContent]:  # noqa: N803 - the suite's name
    """A prompt with a resource."""
    text = "Embedded resource content for testing."
    return [
        MCPContent("resource", uri=resourceUri, mime_type="text/plain", text=text),
        MCPContent(text="Please process the embedded resource above."),
    ]


@server.prompt()
def test_prompt_with_image() -> list[MCPPromptMessage]:
    """A prompt with a picture."""
    return [
        MCPPromptMessage("user", MCPContent("image", data=PNG, mime_type="image/png")),
        MCPPromptMessage("user", MCPContent(text="Please analyze the image above.")),
    ]


@server.completion
def complete(about: str, argument: str, value: str) -> list[str]:
    """Cities."""
    return [each for each in ("paris", "park", "party") if each.startswith(value)]


def _told(what: str, answer: dict[str, object] | None) -> str:
    action = "decline" if answer is None else "accept"
    return f"{what}: action={action}, content={json.dumps(answer or {})}"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        from inferail.server.run import serve

        serve(server.app(), port=int(sys.argv[1]))
    else:
        server.run()
