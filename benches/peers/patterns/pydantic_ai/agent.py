import sys

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.usage import UsageLimits


def order_status(order_id: str) -> str:
    """Status of one order."""
    return f"order {order_id} has been shipped"


url, model, text = sys.argv[1:]
chat = OpenAIChatModel(model, provider=OpenAIProvider(base_url=url, api_key="none"), settings={"timeout": 10.0})
run = Agent(chat, tools=[order_status]).run_sync(text, usage_limits=UsageLimits(request_limit=8))
print(run.output)
