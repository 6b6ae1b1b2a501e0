import sys

from pydantic_ai import Agent
from pydantic_ai.capabilities import ProcessHistory
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


def windowed(messages: list[ModelMessage]) -> list[ModelMessage]:
    """The library has no window of tokens: the last turns, as its documentation does it."""
    return messages[-5:]


url, model, text = sys.argv[1:]
chat = OpenAIChatModel(model, provider=OpenAIProvider(base_url=url, api_key="none"), settings={"timeout": 10.0})
agent = Agent(chat, instructions="Answer from the handbook.", capabilities=[ProcessHistory(windowed)])
history: list[ModelMessage] = []
for question in text.split("|"):
    run = agent.run_sync(question, message_history=history)
    history = run.all_messages()
    print(run.output)
