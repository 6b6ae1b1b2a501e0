import sys

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI


def order_status(order_id: str) -> str:
    """Status of one order."""
    return f"order {order_id} has been shipped"


url, model, text = sys.argv[1:]
chat = ChatOpenAI(model=model, base_url=url, api_key="none", timeout=10.0)
asked = {"messages": [{"role": "user", "content": text}]}
run = create_agent(chat, [order_status]).invoke(asked, {"recursion_limit": 16})
print(run["messages"][-1].text)
