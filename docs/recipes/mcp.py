"""Tools of an MCP server, offered to a model. The server is this file, started as a child process over stdio."""

import json
import sys

import inferail as ir
from inferail.pipelines.tools.protocol import ToolRun
from inferail.testing import recipes

ORDERS = {"A-17": "shipped on Monday", "A-18": "waiting for paper"}
MOST_STEPS = 4


def order_status(order: str) -> str:
    """Status of one order of the shop, such as A-17."""
    return ORDERS.get(order, f"there is no order {order}; there are {', '.join(ORDERS)}")


async def main(model: ir.Model) -> None:
    """Lets the model use the server's tools until it answers."""
    async with ir.AsyncMCPClient([sys.executable, __file__, "serve"]) as shop, ir.AsyncClient(model) as client:
        tools = {tool.definition.name: tool for tool in await shop.tools()}
        print(f"{shop.server.name} speaks MCP {shop.server.protocol} and offers {', '.join(tools)}")
        messages = [ir.user("What is the order status of A-17?")]
        for _ in range(MOST_STEPS):
            reply = await client.complete(messages, tools=[tool.definition for tool in tools.values()])
            messages.append(reply.message)
            for call in reply.tool_calls:
                run = ToolRun(call_id=call.id, idempotency_key=call.id)
                outcome = await tools[call.name].run(json.loads(call.arguments or "{}"), run)
                messages.append(ir.tool_result(call, outcome.content, is_error=outcome.is_error))
            if not reply.tool_calls:
                print(reply.text)
                break


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        ir.MCPServer("shop", tools=[order_status]).run()
    else:
        recipes.run(main)
