"""An MCP server over stdio that does what no server should: `bad_server.py WHAT [TOOLS]`, in 2025-11-25."""

from __future__ import annotations

import json
import os
import sys
import time

WHAT = sys.argv[1]
CANARY = "canary-5b1e"


def say(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def line(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def tool(name="good", **changes):
    return {"name": name, "inputSchema": {"type": "object"}, **changes}


LISTS = {
    "tools-are-no-list": {"tools": {"a": 1}},
    "tool-is-no-object": {"tools": ["a"]},
    "tool-without-name": {"tools": [{"inputSchema": {}}]},
    "tool-without-schema": {"tools": [{"name": "a"}]},
    "tool-takes-a-list": {"tools": [tool(inputSchema={"type": "array"})]},
    "tools-of-one-name": {"tools": [tool(), tool()]},
    "too-many-tools": {"tools": [tool(f"tool-{number}") for number in range(30)]},
    "cursor-is-a-number": {"tools": [tool()], "nextCursor": 7},
    "pages-without-end": {"tools": [], "nextCursor": "again"},
}
CALLS = {
    "content-of-no-kind": {"content": [{"type": "hologram"}]},
    "content-without-text": {"content": [{"type": "text"}]},
    "picture-is-no-base64": {"content": [{"type": "image", "data": CANARY, "mimeType": "image/png"}]},
    "is-error-is-a-word": {"content": [], "isError": "no"},
}


def answer(request):
    method, number = request["method"], request["id"]
    if method == "server/discover":
        if WHAT == "silent-on-discover":
            return
        say({"id": number, "error": {"code": -32601, "message": "unknown"}})
    elif method == "initialize":
        begin(number)
    elif method == "tools/list":
        listed(number)
    elif method == "tools/call":
        called(number)
    else:
        say({"id": number, "result": {}})


def begin(number):
    good = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "bad"}}
    if WHAT == "dies-on-initialize":
        sys.stderr.write(f"it is {CANARY}")
        sys.stderr.flush()
        os._exit(3)
    elif WHAT == "never-initializes":
        return
    elif WHAT == "refuses-to-begin":
        say({"id": number, "error": {"code": -32603, "message": CANARY}})
    elif WHAT == "version-of-nobody":
        say({"id": number, "result": {**good, "protocolVersion": "1999-01-01"}})
    elif WHAT == "capabilities-are-a-word":
        say({"id": number, "result": {**good, "capabilities": "all"}})
    else:
        say({"id": number, "result": good})


def floods(number):
    for told in range(5000):
        say({"method": "notifications/message", "params": {"level": "info", "data": told}})
    say({"id": number, "result": {"tools": [tool()]}})


def answers_others(number):
    say({"id": number + 1000, "result": {"tools": []}})
    say({"id": "no such", "error": {"code": 1, "message": ""}})
    say({"id": number, "result": {"tools": [tool()]}})


def asks_nonsense(number):
    say({"id": "q1", "method": "sampling/createMessage", "params": {}})
    say({"id": "q2", "method": "do/what", "params": {"it": "likes"}})
    say({"id": "q3", "method": "ping"})
    answers = [json.loads(sys.stdin.readline()) for _ in range(3)]
    kinds = {each["id"]: each.get("error", {}).get("code", "fine") for each in answers}
    say({"id": number, "result": {"tools": [tool(description=json.dumps(kinds, sort_keys=True))]}})


def writes_without_end(number):
    while True:
        sys.stdout.write("x" * 65536)


LISTED = {
    "not-json": lambda number: line(f"Listening on port 3000 {CANARY}"),
    "not-an-object": lambda number: line("[]"),
    "not-json-rpc": lambda number: line(json.dumps({"id": number, "result": {}})),
    "result-and-error": lambda number: say({"id": number, "result": {}, "error": {"code": 1, "message": ""}}),
    "result-is-a-list": lambda number: say({"id": number, "result": []}),
    "not-a-number": lambda number: line(f'{{"jsonrpc":"2.0","id":{number},"result":{{"tools":[NaN]}}}}'),
    "line-without-end": writes_without_end,
    "long-line": lambda number: line(" " * 200_000),
    "deep": lambda number: line(f'{{"jsonrpc":"2.0","id":{number},"result":{"[" * 5000}{"]" * 5000}}}'),
    "rather-deep": lambda number: line(
        f'{{"jsonrpc":"2.0","id":{number},"result":{{"tools":{"[" * 150}{"]" * 150}}}}}'
    ),
    "dies-on-list": lambda number: os._exit(0),
    "answers-others": answers_others,
    "floods": floods,
    "asks-nonsense": asks_nonsense,
}


def listed(number):
    if WHAT in LISTED:
        LISTED[WHAT](number)
    else:
        say({"id": number, "result": LISTS.get(WHAT, {"tools": [tool()]})})


def called(number):
    if WHAT in CALLS:
        say({"id": number, "result": CALLS[WHAT]})
    elif WHAT == "dies-on-call":
        os._exit(9)
    elif WHAT == "error-of-the-protocol":
        say({"id": number, "error": {"code": -32603, "message": CANARY}})
    elif WHAT == "never-answers":
        return
    else:
        say({"id": number, "result": {"content": []}})


def main():
    if WHAT == "dies-at-once":
        sys.exit(5)
    if WHAT == "never-reads":
        time.sleep(60)
    if WHAT == "closes-output":
        os.close(1)
        time.sleep(60)
    for text in sys.stdin:
        message = json.loads(text)
        if "method" in message and "id" in message:
            answer(message)
    if WHAT == "stays":
        while True:
            time.sleep(1)


main()
