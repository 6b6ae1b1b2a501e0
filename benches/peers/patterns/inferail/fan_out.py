import sys
from functools import partial

import inferail as ir

url, model, text = sys.argv[1:]
with ir.Client(f"openai:{model}", base_url=url, api_key="none", timeout=10.0) as client:
    asked = ir.gather([partial(client.complete, part) for part in text.split("|")], at_once=3, policy="some", minimum=0)
    for outcome in asked:
        print(type(outcome.error).__name__ if outcome.error else outcome.result().text)
