"""Functions that a model may call: it asks, the toolbox checks and runs, and the results go back."""

from typing import Literal

import inferail as ir
from inferail.testing import recipes

ORDERS = {"A-1234": "on its way", "A-1235": "delivered"}


@ir.tool(permission="read", errors=(LookupError,))
def order_status(order_id: str) -> str:
    """Status of one order.

    Args:
        order_id: As printed on the receipt, for example A-1234.
    """
    if order_id not in ORDERS:
        raise LookupError("there is no order of this number")
    return f"order {order_id} is {ORDERS[order_id]}"


@ir.tool(permission="side_effect", allow={"usd": lambda usd: usd <= 50}, max_calls=1, timeout=5.0)
def refund(order_id: str, usd: float, reason: Literal["late", "broken"] = "late") -> dict[str, str | float]:
    """Pays money back for an order.

    Args:
        order_id: As printed on the receipt.
        usd: How much, at most 50.
        reason: Why.
    """
    return {"order": order_id, "paid": usd, "reason": reason}


def approve(request: ir.ToolRequest) -> bool | str:
    """A person, or a rule, that is asked before anything is done to the world."""
    return True if request.arguments["order_id"] in ORDERS else "ask a colleague first"


def main(model: ir.Model) -> None:
    """One question, its calls, and the answer that is made of their results."""
    messages = [ir.user("Give me the order status of 'A-1234', please.")]
    toolbox = ir.Toolbox([order_status, refund], approve=approve, who="support")
    with ir.Client(model) as client:
        reply = client.complete(messages, tools=toolbox.definitions)
        while reply.tool_calls and len(messages) < 12:
            messages += [reply.message, *toolbox.run_calls(reply)]
            reply = client.complete(messages, tools=toolbox.definitions)
        print(reply.text)
    for record in toolbox.records:
        print(f"{record.who} called {record.tool}: {record.outcome} in {record.duration:.4f} s")


if __name__ == "__main__":
    recipes.run(main)
