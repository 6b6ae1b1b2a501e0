import sys

import instructor
import litellm
from pydantic import BaseModel


class Ticket(BaseModel):
    category: str
    urgent: bool


url, model, text = sys.argv[1:]
client = instructor.from_litellm(litellm.completion)
ticket = client.chat.completions.create(
    model=f"openai/{model}",
    api_base=url,
    api_key="none",
    timeout=10.0,
    messages=[{"role": "user", "content": text}],
    response_model=Ticket,
)
print(ticket)
