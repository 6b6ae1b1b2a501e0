"""A process that asks a question through a cache in a shared store, and tells on its output what happens.

`python worker.py STORE`: prints `asked` when the model is asked and waits for a line before it answers; prints
`answered TEXT KIND` when the answer is there. A line on its input begins each question.
"""

from __future__ import annotations

import os
import sys

import inferail as ir
from inferail.types.response import Response, text_message


def say(*words: object) -> None:
    """One line for whoever started this."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


class Told:
    """A model that answers with the id of its process, when it is told to."""

    name = "told:model"

    async def generate(self, request: ir.Request) -> Response:
        say("asked")
        if sys.stdin.readline() == "fail\n":
            raise ir.OverloadedError("busy")
        return Response(text_message(f"from {os.getpid()}"), "stop", provider="told", model="model")

    def stream(self, request: ir.Request):
        raise AssertionError("nobody streams here")


def main() -> None:
    """Answers questions until the input ends."""
    with ir.Client(ir.Cached(Told(), ir.ExactCache(sys.argv[1])), timeout=60.0) as client:
        say("ready")
        for line in sys.stdin:
            say("looking")
            response = client.complete(line.strip())
            say("answered", response.text, response.cache and response.cache.kind)


if __name__ == "__main__":
    main()
