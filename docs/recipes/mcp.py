"""Tools of an MCP server, offered to a model. The server is this file, started as a child process over stdio."""

import sys

import inferail as ir
from inferail.testing import recipes

ORDERS = {"A-17": "shipped on Monday", "A-18": "waiting for paper"}


def order_status(order: str) -> str:
    """Status of one order of the shop, such as A-17."""
    return ORDERS.get(order, f"there is no order {order}; there are {', '.join(ORDERS)}")


async def main(model: ir.Model) -> None:
    """Lets the model use the server's tools until it answers."""
    async with ir.AsyncMCPClient([sys.executable, __file__, "serve"]) as shop, ir.AsyncClient(model) as client:
        tools = await shop.tools()
        offered = ", ".join(tool.definition.name for tool in tools)
        print(f"{shop.server.name} speaks MCP {shop.server.protocol} and offers {offered}")
        run = await ir.AsyncAgent(client, tools=tools, budget=ir.Budget(steps=4)).run(
            "What is the order status of A-17?"
        )
        print(run.stopped, run.text)


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        ir.MCPServer("shop", tools=[order_status]).run()
    else:
        recipes.run(main)
