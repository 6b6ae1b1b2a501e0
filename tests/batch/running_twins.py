"""Models that answer by what they are asked, and one way to run a batch through either client."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import trio

import inferail as ir
from inferail.testing import ScriptedModel
from inferail.testing.streams import pause
from inferail.types.response import Response, text_message
from inferail.types.scope import current_scope
from inferail.types.usage import Usage


class Echo:
    """Answers `<question>`, after what `seconds` says of it; raises what `fails` has for it; counts what it costs.

    Attributes:
        asked: The questions, in order.
        most: How many calls ran at a time, at most.
    """

    name = "echo:model"

    def __init__(self, *, seconds: Any = None, fails: Any = None, usd: float = 0.001) -> None:
        self.asked: list[str] = []
        self.most = 0
        self._running = 0
        self._seconds, self._fails, self._usd = seconds, fails, usd
        self._lock = threading.Lock()

    async def generate(self, request: ir.Request) -> Response[Any]:
        """The answer."""
        text = request.messages[-1].text
        budget = current_scope().budget
        if budget is not None:
            budget.check()
        with self._lock:
            self.asked.append(text)
            self._running += 1
            self.most = max(self.most, self._running)
        try:
            if self._seconds is not None:
                await pause(self._seconds(text))
            error = self._fails(text) if self._fails is not None else None
            if error is not None:
                raise error
        finally:
            with self._lock:
                self._running -= 1
        usage = Usage(4, 2, cost_usd=self._usd)
        if budget is not None:
            budget.spend(usage)
        return Response(text_message(f"<{text}>"), "stop", usage, provider="echo", model="model")

    def stream(self, request: ir.Request) -> Any:
        """Not asked for by a batch."""
        return ScriptedModel([]).stream(request)


def in_threads(model: Any, items: Any, **options: Any) -> tuple[Any, list[Any]]:
    """The batch and its items, through a Client."""
    with ir.Client(model) as client, client.batch(items, **options) as batch:
        return batch, list(batch)


async def _ask(model: Any, items: Any, options: dict[str, Any]) -> tuple[Any, list[Any]]:
    async with ir.AsyncClient(model) as client, client.batch(items, **options) as batch:
        return batch, [item async for item in batch]


def in_asyncio(model: Any, items: Any, **options: Any) -> tuple[Any, list[Any]]:
    """The same through an AsyncClient under asyncio."""
    return asyncio.run(_ask(model, items, options))


def in_trio(model: Any, items: Any, **options: Any) -> tuple[Any, list[Any]]:
    """The same under trio."""
    return trio.run(_ask, model, items, options)


WAYS = [in_threads, in_asyncio, in_trio]
