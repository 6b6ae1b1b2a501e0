"""A client of the official SDK, run by its own Python, at a server of ours: prints what it got as JSON.

`peer_client.py MODE URL` or `peer_client.py MODE PROGRAM ARGUMENT…`; MODE is `auto` or `legacy`.
"""

import asyncio
import json
import os
import sys

import mcp_types as types
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client


async def elicit(context, params):
    return types.ElicitResult(action="accept", content={"name": "Ada", "age": 36})


async def sample(context, params):
    text = params.messages[0].content.text
    return types.CreateMessageResult(
        role="assistant", content=types.TextContent(type="text", text=f"sampled: {text}"), model="m"
    )


async def main(mode, target):
    heard = []

    async def progress(done, total, message):
        heard.append([done, total, message])

    given = {"elicitation_callback": elicit, "sampling_callback": sample}
    async with Client(target, mode=mode, **given) as client:
        listed, cursor = [], None
        while True:
            page = await client.list_tools(cursor=cursor)
            listed += [tool.name for tool in page.tools]
            cursor = page.next_cursor
            if cursor is None:
                break
        wrong = await client.call_tool("add", {"a": "x"})
        return {
            "protocol": client.protocol_version,
            "tools": len(listed),
            "add": (await client.call_tool("add", {"a": 2, "b": 3})).content[0].text,
            "greet": (await client.call_tool("greet", {})).content[0].text,
            "slowly": (await client.call_tool("slowly", {}, progress_callback=progress)).content[0].text,
            "progress": heard,
            "wrong": wrong.is_error,
            "read": (await client.read_resource("test://orders/7")).contents[0].text,
            "prompt": (await client.get_prompt("summary", {"topic": "rails"})).messages[0].content.text,
        }


if __name__ == "__main__":
    mode, *rest = sys.argv[1:]
    if not rest[0].startswith("http"):
        environment = {"PYTHONPATH": os.environ["PYTHONPATH"]}
        target = stdio_client(StdioServerParameters(command=rest[0], args=rest[1:], env=environment))
    else:
        target = rest[0]
    sys.stdout.write(json.dumps(asyncio.run(main(mode, target))))
