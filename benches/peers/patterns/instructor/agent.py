import json
import sys

import litellm


def order_status(order_id: str) -> str:
    """Status of one order."""
    return f"order {order_id} has been shipped"


schema = {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]}
tools = [
    {
        "type": "function",
        "function": {"name": "order_status", "description": order_status.__doc__, "parameters": schema},
    }
]

url, model, text = sys.argv[1:]
messages = [{"role": "user", "content": text}]
for _ in range(8):
    reply = litellm.completion(
        f"openai/{model}", messages, api_base=url, api_key="none", timeout=10.0, tools=tools, num_retries=2
    )
    message = reply.choices[0].message
    messages.append(message)
    if not message.tool_calls:
        print(message.content)
        break
    for call in message.tool_calls:
        said = order_status(**json.loads(call.function.arguments))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": said})
else:
    raise RuntimeError("no answer in eight steps")
