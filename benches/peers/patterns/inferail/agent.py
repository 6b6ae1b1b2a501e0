import sys

import inferail as ir


@ir.tool(permission="read")
def order_status(order_id: str) -> str:
    """Status of one order."""
    return f"order {order_id} has been shipped"


url, model, text = sys.argv[1:]
with ir.Client(f"openai:{model}", base_url=url, api_key="none", timeout=10.0) as client:
    run = ir.Agent(client, tools=[order_status], budget=ir.Budget(steps=8)).run(text)
    print(run.answer)
