import sys

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


class Ticket(BaseModel):
    category: str
    urgent: bool


url, model, text = sys.argv[1:]
chat = OpenAIChatModel(model, provider=OpenAIProvider(base_url=url, api_key="none"), settings={"timeout": 10.0})
ticket = Agent(chat, output_type=Ticket).run_sync(text).output
print(ticket)
