"""Canaries, and what is printed, held and recorded of calls that carry them."""

from __future__ import annotations

import json
import random
import traceback

import inferail as ir

STATUSES = (200, 302, 400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529)
# A letter that nothing else prints twice, so that one search finds every canary and every piece of eight of them.
PREFIX = "qqjx"


class Canaries:
    """Draws canaries, and remembers how many."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.count = 0

    def one(self) -> str:
        self.count += 1
        letters = "abcdefghijklmnopqrstuvwxyz"
        drawn = self._random.choices(letters if self.count % 2 else letters + "0123456789", k=16)
        return PREFIX + "".join(drawn)

    def many(self, count: int) -> str:
        return " ".join(self.one() for _ in range(count))


def printed(error: BaseException) -> str:
    shown = "".join(traceback.format_exception(error)) + str(error) + repr(error)
    return shown + str(getattr(error, "user_message", ""))


def messages(canaries: Canaries) -> list[ir.Message]:
    return [
        ir.system(canaries.many(3)),
        ir.user(canaries.many(3), ir.Image(data=canaries.one().encode())),
    ]


def call(client: ir.Client, prompt: list[ir.Message], *, streamed: bool) -> str:
    """What a call prints when it fails, and what is held of it when it does not."""
    try:
        if not streamed:
            return repr(client.complete(prompt).usage)
        with client.stream(prompt) as stream:
            shown = repr(stream)
            stream.final()
            return shown + repr(stream)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is printed
        return printed(error)


def records_of(client: ir.Client) -> str:
    return repr(client.records) + json.dumps([record.as_dict() for record in client.records])
