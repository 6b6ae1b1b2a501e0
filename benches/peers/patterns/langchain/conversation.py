import sys

from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage, trim_messages
from langchain_openai import ChatOpenAI

url, model, text = sys.argv[1:]
chat = ChatOpenAI(model=model, base_url=url, api_key="none", timeout=10.0)
history: list[AnyMessage] = [SystemMessage("Answer from the handbook.")]
for question in text.split("|"):
    history.append(HumanMessage(question))
    shown = trim_messages(
        history, max_tokens=300, token_counter="approximate", strategy="last", start_on="human", include_system=True
    )
    reply = chat.invoke(shown)
    history.append(reply)
    print(reply.text)
