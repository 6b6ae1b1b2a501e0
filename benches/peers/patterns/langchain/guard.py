import sys

from langchain.agents import create_agent
from langchain.agents.middleware import PIIMiddleware
from langchain_openai import ChatOpenAI

url, model, text = sys.argv[1:]
chat = ChatOpenAI(model=model, base_url=url, api_key="none", timeout=10.0)
guards = [
    PIIMiddleware("email", strategy="redact", apply_to_input=True),
    PIIMiddleware("card", detector=r"\b\d{16}\b", strategy="block", apply_to_input=False, apply_to_output=True),
]
run = create_agent(chat, [], middleware=guards).invoke({"messages": [{"role": "user", "content": text}]})
print(run["messages"][-1].text)
