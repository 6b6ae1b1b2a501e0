"""What a combiner of models costs around a model that costs next to nothing, beside that model alone.

Ten answers per round, on an event loop that stays, or through the synchronous client, where a race runs in threads. A
stream has 50 words, one list of deltas each. `hedged` is what a hedge costs that is not needed; in `hedged-late` the first
model never answers, so each call has two. `tiered` is upgraded at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

import inferail as ir
from inferail.core import Delta
from inferail.routing.hedged import Hedged
from inferail.routing.tiered import Tiered
from inferail.testing import ScriptedModel
from inferail.types.response import Response
from inferail.types.usage import Usage

CALLS = 10
WORDS = [f"word{number} " for number in range(50)]
END = Delta("finish", reason="stop", raw_reason="stop")
WHOLE: Response[Any] = Response(ir.assistant("".join(WORDS)), "stop", Usage(10, 50), provider="s", model="s")
HELLO = ir.Request((ir.user("Explain in one sentence why a railway needs signals."),))


class Quick(ScriptedModel):
    """Keeps no requests: a benchmark makes millions."""

    def __init__(self, answers: Sequence[Any]) -> None:
        super().__init__(answers, cycles=True)

    def _take(self, request: ir.Request) -> Any:
        self.requests.clear()
        return super()._take(request)


def streaming() -> Quick:
    return Quick([[*(Delta("text", text=word) for word in WORDS), END]])


def whole() -> Quick:
    return Quick([WHOLE])


def silent() -> Quick:
    return Quick([[3600.0, END]])


def around(kind: str, model: Callable[[], Quick]) -> Any:
    match kind:
        case "alone":
            return model()
        case "fallback":
            return ir.Fallback(model(), model())
        case "hedged":
            return Hedged(model(), model(), after=30.0)
        case "hedged-late":
            return Hedged(silent(), model(), after=0.0, max_extra=1.0)
        case _:
            return Tiered(model(), model(), fast_timeout=30.0, deep_timeout=30.0)


KINDS = ["alone", "fallback", "hedged", "hedged-late", "tiered"]


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with asyncio.Runner() as runner:
        yield runner.get_loop()


@pytest.mark.parametrize("kind", KINDS)
def bench_routing_generate(benchmark, loop, kind):
    model = around(kind, whole)

    async def ask() -> int:
        return sum([len((await model.generate(HELLO)).text) for _ in range(CALLS)])

    assert benchmark(lambda: loop.run_until_complete(ask())) == CALLS * len(WHOLE.text)


@pytest.mark.parametrize("kind", KINDS)
def bench_routing_stream(benchmark, loop, kind):
    model = around(kind, streaming)

    async def ask() -> int:
        read = 0
        for _ in range(CALLS):
            async with model.stream(HELLO) as stream:
                async for deltas in stream:
                    read += len(deltas)
        return read

    assert benchmark(lambda: loop.run_until_complete(ask())) >= CALLS * len(WORDS)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "hedged-late"])
def bench_routing_threads(benchmark, kind):
    with ir.Client(around(kind, whole)) as client:

        def ask() -> int:
            return sum([len(client.complete("Hello").text) for _ in range(CALLS)])

        assert benchmark(ask) == CALLS * len(WHOLE.text)
