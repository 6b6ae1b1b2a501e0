import sys

import inferail as ir

url, model, text = sys.argv[1:]
guarded = ir.Guarded(
    ir.Target(f"openai:{model}", base_url=url, api_key="none", timeout=10.0),
    before=(ir.guards.redact_pii(),),
    after=(ir.guards.pattern(r"\b\d{16}\b"),),
)
with ir.Client(guarded) as client, client.stream(text) as stream:
    for piece in stream.text():
        print(piece, end="", flush=True)
