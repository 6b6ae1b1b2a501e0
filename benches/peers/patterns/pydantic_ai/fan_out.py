import asyncio
import sys

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

url, model, text = sys.argv[1:]
chat = OpenAIChatModel(model, provider=OpenAIProvider(base_url=url, api_key="none"), settings={"timeout": 10.0})
agent = Agent(chat, max_concurrency=3)


async def main() -> None:
    for each in await asyncio.gather(*map(agent.run, text.split("|")), return_exceptions=True):
        print(type(each).__name__ if isinstance(each, BaseException) else each.output)


asyncio.run(main())
