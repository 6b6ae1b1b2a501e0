import re
import sys

import litellm

EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")
CARD = re.compile(r"\b\d{16}\b")

url, model, text = sys.argv[1:]
# What has been shown of a stream cannot be taken back, so the whole answer is waited for.
reply = litellm.completion(
    f"openai/{model}",
    [{"role": "user", "content": EMAIL.sub("<EMAIL>", text)}],
    api_base=url,
    api_key="none",
    timeout=10.0,
    num_retries=2,
)
answer = reply.choices[0].message.content
if CARD.search(answer):
    raise ValueError("the answer holds a card number")
print(answer)
