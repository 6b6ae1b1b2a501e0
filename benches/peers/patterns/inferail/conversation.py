import sys

import inferail as ir

url, model, text = sys.argv[1:]
with ir.Client(f"openai:{model}", base_url=url, api_key="none", timeout=10.0) as client:
    conversation = ir.Conversation(client, system="Answer from the handbook.", window=300)
    for question in text.split("|"):
        print(conversation.say(question).text)
