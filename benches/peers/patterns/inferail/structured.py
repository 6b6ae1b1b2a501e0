import sys

from pydantic import BaseModel

import inferail as ir


class Ticket(BaseModel):
    category: str
    urgent: bool


url, model, text = sys.argv[1:]
with ir.Client(f"openai:{model}", base_url=url, api_key="none", timeout=10.0) as client:
    ticket = client.complete(text, output=Ticket).output
    print(ticket)
