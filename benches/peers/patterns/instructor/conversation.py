import sys

import litellm
from litellm.utils import trim_messages

url, model, text = sys.argv[1:]
history = [{"role": "system", "content": "Answer from the handbook."}]
for question in text.split("|"):
    history.append({"role": "user", "content": question})
    shown = trim_messages(history, max_tokens=300)
    reply = litellm.completion(f"openai/{model}", shown, api_base=url, api_key="none", timeout=10.0, num_retries=2)
    history.append({"role": "assistant", "content": reply.choices[0].message.content})
    print(reply.choices[0].message.content)
