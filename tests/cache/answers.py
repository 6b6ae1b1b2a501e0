"""Answers and requests that the tests of the cache share, and models that wait to be told."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from typing import Any

from tests.store.driving import drive

import inferail as ir
from inferail.core import Delta
from inferail.testing.streams import ScriptStream, deltas_of
from inferail.types.message import Message, Part, Text, ToolCall
from inferail.types.response import Response
from inferail.types.usage import Usage

REQUEST = ir.Request((ir.system("Answer from the handbook."), ir.user("How many days of leave do I have?")))
USAGE = Usage(input_tokens=40, output_tokens=8, cost_usd=0.002)
CALL = ToolCall("call_1", "days_of_leave", '{"employee": "e-1", "year": 2026}')

__all__ = ["CALL", "REQUEST", "USAGE", "GatedModel", "answer", "asking", "drive"]


def answer(*parts: str | Part, finish: Any = "stop", **more: Any) -> Response[Any]:
    """A whole answer of a provider."""
    said = tuple(Text(part) if isinstance(part, str) else part for part in parts or ("You have twenty five days.",))
    fields: dict[str, Any] = {
        "usage": USAGE,
        "provider": "openai",
        "model": "gpt-5-mini-2025",
        "id": "chatcmpl-1",
        "raw_finish_reason": finish,
        "request_id": "req-1",
        **more,
    }
    return Response(Message("assistant", said, "openai"), finish, **fields)


def asking(text: str, **more: Any) -> ir.Request:
    """A request of one question."""
    return ir.Request((ir.user(text),), **more)


class GatedModel:
    """Answers when it is let; for each way of running. Counts its calls.

    Attributes:
        calls: How often it was asked.
        asked: Released once for each call.
        gate: Acquired once by each call before it answers.
    """

    name = "gated:model"

    def __init__(self, given: Response[Any] | Exception | None = None) -> None:
        self.calls = 0
        self.asked = threading.Semaphore(0)
        self.gate = threading.Semaphore(0)
        self.closed = 0
        self._given = given if given is not None else answer()

    async def generate(self, request: ir.Request) -> Response[Any]:
        """The answer, once the gate is open."""
        self.calls += 1
        self.asked.release()
        await self._pass()
        if isinstance(self._given, Exception):
            raise self._given
        return self._given

    def stream(self, request: ir.Request) -> ScriptStream:
        """The same as a stream: its first list at once, the others once the gate is open."""
        return ScriptStream(self._play(), provider="gated", model="model")

    async def _play(self) -> AsyncIterator[list[Delta]]:
        self.calls += 1
        self.asked.release()
        try:
            assert isinstance(self._given, Response)
            first, *others = deltas_of(self._given)
            yield first
            await self._pass()
            for deltas in others:
                yield deltas
        finally:
            self.closed += 1

    async def _pass(self) -> None:
        import asyncio

        import trio

        if asyncio._get_running_loop() is not None:
            while not self.gate.acquire(blocking=False):  # noqa: ASYNC110 - opened by threads too
                await asyncio.sleep(0)
        elif trio.lowlevel.in_trio_run():
            while not self.gate.acquire(blocking=False):
                await trio.lowlevel.checkpoint()
        else:
            assert self.gate.acquire(timeout=30.0)
