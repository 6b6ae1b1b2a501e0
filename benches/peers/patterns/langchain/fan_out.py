import sys

from langchain_openai import ChatOpenAI

url, model, text = sys.argv[1:]
chat = ChatOpenAI(model=model, base_url=url, api_key="none", timeout=10.0)
for each in chat.batch(text.split("|"), {"max_concurrency": 3}, return_exceptions=True):
    print(type(each).__name__ if isinstance(each, Exception) else each.text)
