"""A process that reserves and settles as fast as it can, and writes down what it was granted.

    python worker.py REDIS_URL NAME SECONDS SEED [hold]

With `hold` it takes one reservation at the end, says so, and waits to be killed.
"""

from __future__ import annotations

import json
import random
import sys
import time
from typing import Any

from inferail.limits.books import Ask, SharedBook, Spent
from inferail.limits.limits import Rule
from inferail.store import RedisStore

WINDOW, TOKENS, MICROS, CALLS, TTL = 1.5, 3_000, 60_000, 12, 1.0
RULES = [
    Rule("tokens", "tokens", TOKENS, WINDOW, 0, None),
    Rule("usd", "micros", MICROS, float("inf"), 0, None),
    Rule("concurrent", "calls", CALLS, 60.0, 0, None),
]


def finish(coroutine: Any) -> Any:
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits for an event loop")


def main(url: str, name: str, seconds: float, seed: int, hold: bool) -> None:
    store = RedisStore(url)
    book = SharedBook(store, name, RULES)
    chance = random.Random(seed)
    log: Any = store._client
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        tokens = chance.randint(1, 400)
        got = finish(book.reserve(Ask(("",), tokens, tokens, TTL), 0.0))
        if not isinstance(got, tuple):
            time.sleep(min(0.01, got.retry_after or 0.01))
            continue
        log.hset(f"log:{name}", got[0], json.dumps([float(got[2]), tokens, False]))
        time.sleep(chance.random() * 0.01)
        actual = tokens if chance.random() < 0.7 else tokens // 2
        book.settle(got, Spent(1, actual, actual), 0.0, lambda: None)
        log.hset(f"log:{name}", got[0], json.dumps([float(got[2]), actual, True]))
    finish(book.aclose())
    while hold:
        got = finish(book.reserve(Ask(("",), 50, 50, TTL), 0.0))
        if isinstance(got, tuple):
            log.hset(f"log:{name}", got[0], json.dumps([float(got[2]), 50, False]))
            print("holding", flush=True)  # noqa: T201
            time.sleep(600)
        time.sleep(0.01)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), sys.argv[5:] == ["hold"])
