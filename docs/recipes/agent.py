"""An agent: a model with tools, asked until it answers or a bound is reached, and written down as it goes."""

import inferail as ir
from inferail.pipelines.agent import Said, ToolEnded
from inferail.store.sqlite import SQLiteStore
from inferail.testing import recipes

ORDERS = {"A-1234": "on its way", "A-1235": "delivered"}


@ir.tool(permission="read")
def order_status(order_id: str) -> str:
    """Status of one order.

    Args:
        order_id: As printed on the receipt, for example A-1234.
    """
    return f"order {order_id} is {ORDERS.get(order_id, 'not known')}"


def main(model: ir.Model) -> None:
    """A run with an answer, the same run out of its journal, and one that is read while it happens."""
    with ir.Client(model) as client:
        agent = ir.Agent(
            client,
            tools=[order_status],
            system="You are a clerk. Answer in one sentence.",
            budget=ir.Budget(usd=0.05, steps=8),
            timeout=60.0,
            journal=SQLiteStore("runs.db"),
        )
        run = agent.run("What is the order status of 'A-1234'?", id="ticket-17")
        print(f"{run.stopped} after {len(run.steps)} steps and {run.usage.total_tokens} tokens: {run.text}")

        # After a crash: what was written down is not asked again. This run was answered, so nobody is asked at all.
        print(agent.resume("ticket-17").answer == run.answer)

        with agent.stream("And the order status of 'A-1235'?") as steps:
            for event in steps:
                if isinstance(event, ToolEnded):
                    print(f"[{event.result.call.name}]")
                elif isinstance(event, Said):
                    print(event.text, end="")
        print(f"\n{steps.run.stopped}")


if __name__ == "__main__":
    recipes.run(main)
