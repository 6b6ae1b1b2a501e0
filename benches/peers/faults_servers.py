"""The two servers of `faults.py`: the sandbox twice, one process. It ends when its input does.

Both answer with the same 60 words, one at a time, and go on where the conversation's last assistant message stops when they
are asked to: by that message being the last, or by a user message after it. The first line printed has their addresses;
each line read is answered with how often each model was asked, at each of the two.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from faults_cases import ANSWER
from inferail.core import Delta
from inferail.testing import Sandbox
from inferail.testing.streams import ScriptStream

# Longer than any call here, short enough that a stalled server lets go of its connections before the run ends.
MAX_SILENCE = 20.0


class Continuing:
    """Answers with ANSWER, and with the rest of it when it is asked to go on."""

    name = "continuing"

    async def generate(self, request: Any) -> Any:
        """The whole answer."""
        async with self.stream(request) as stream:
            return await stream.final()

    def stream(self, request: Any) -> ScriptStream:
        """One word at a time."""
        return ScriptStream(self._play(request), provider="sandbox", model=self.name)

    async def _play(self, request: Any) -> AsyncIterator[list[Delta]]:
        said = [message.text for message in request.messages if message.role == "assistant"]
        rest = ANSWER
        if said and ANSWER.startswith(said[-1].rstrip()):
            rest = ANSWER[len(said[-1]) :]
            if request.messages[-1].role != "assistant":
                rest = rest.lstrip()
        yield [Delta("start", id="answer", name=self.name)]
        if rest:
            for number, word in enumerate(rest.split(" ")):
                yield [Delta("text", text=word if number == 0 else f" {word}")]
        yield [Delta("finish", reason="stop", raw_reason="stop")]


def _asked(sandbox: Sandbox) -> dict[str, int]:
    found: Counter[str] = Counter()
    for received in sandbox.requests:
        if received.method == "POST":
            found[str(json.loads(received.body).get("model", "")).partition("@")[0]] += 1
    return found


def main() -> None:
    """Serves until the input ends."""
    with (
        Sandbox(Continuing(), max_silence=MAX_SILENCE) as first,
        Sandbox(Continuing(), max_silence=MAX_SILENCE) as second,
    ):
        both = (first, second)
        print(json.dumps([sandbox.base_url("anthropic") for sandbox in both]), flush=True)
        for _ in sys.stdin:
            print(json.dumps([_asked(sandbox) for sandbox in both]), flush=True)


if __name__ == "__main__":
    main()
