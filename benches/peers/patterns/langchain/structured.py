import sys

from langchain_openai import ChatOpenAI
from pydantic import BaseModel


class Ticket(BaseModel):
    category: str
    urgent: bool


url, model, text = sys.argv[1:]
chat = ChatOpenAI(model=model, base_url=url, api_key="none", timeout=10.0)
ticket = chat.with_structured_output(Ticket).invoke(text)
print(ticket)
