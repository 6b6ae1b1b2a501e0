"""Models and surroundings for these tests."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import trio

import inferail as ir
from inferail.telemetry import Price, PriceTable
from inferail.testing import LoopClock, ScriptedModel, VirtualClock
from inferail.transport.clock import AsyncClock
from inferail.types.response import Response, text_message
from inferail.types.scope import Scope, current_scope
from inferail.types.usage import Usage

# A model that costs a dollar for a million tokens, prompt and answer alike: a token is a millionth.
PRICES = PriceTable.bundled().override({"scripted:scripted": Price(input_per_million=1.0, output_per_million=1.0)})


def ask(words: int = 1, max_tokens: int | None = 10, **labels: str) -> ir.Request:
    """A request whose prompt is estimated at `words` tokens and 4 for its message."""
    return ir.Request((ir.user("abc " * words),), sampling=ir.Sampling(max_tokens=max_tokens), labels={**labels})


def answer(words: int = 2) -> str:
    return "word " * words


def asynchronous(**changes: Any) -> Scope:
    """Surroundings on the clock of the running loop."""
    return Scope(transport=SimpleNamespace(clock=LoopClock(), blocking=False), **changes)


def blocking(clock: Any = None, **changes: Any) -> Scope:
    """Surroundings of a synchronous client, on a clock that a wait moves."""
    return Scope(transport=SimpleNamespace(clock=clock or VirtualClock(100.0), blocking=True), **changes)


def scripted(words: int = 2, *, delay: float = 0.0) -> ScriptedModel:
    """Answers every request with so many words."""
    return ScriptedModel([answer(words)], cycles=True, delay=delay)


def finish(coroutine: Any) -> Any:
    """What a coroutine that never suspends gives."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    coroutine.close()
    raise AssertionError("it waits for an event loop")


class OneAtATime:
    """A Model that finds out whether it is asked by two at a time, in whatever surroundings."""

    name = "one-at-a-time"

    def __init__(self) -> None:
        self.served = self.inside = 0

    async def generate(self, request: ir.Request) -> Any:
        self.inside += 1
        assert self.inside == 1
        transport = current_scope().transport
        if transport is not None and transport.blocking:
            time.sleep(0)  # noqa: ASYNC251 - lets the other threads run
        else:
            await AsyncClock().sleep(0)
        self.inside -= 1
        self.served += 1
        return Response(text_message("done"), "stop", Usage(1, 1), "one", "one")

    def stream(self, request: ir.Request) -> Any:
        raise NotImplementedError


def trio_run(coroutine: Any) -> None:
    async def main() -> None:
        await coroutine

    trio.run(main)
