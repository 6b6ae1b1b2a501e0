"""What the tests of the router share: models with a pace on a virtual clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import inferail as ir
from inferail.testing import ScriptedModel, ScriptedTransport, VirtualClock
from inferail.types.response import Response, Timing, text_message
from inferail.types.scope import Scope
from inferail.types.usage import Usage


class Paced:
    """A Model that takes as long as it is told on a virtual clock, and fails where it is told."""

    def __init__(
        self,
        name: str,
        clock: VirtualClock,
        seconds: Callable[[ir.Request], float] = lambda request: 0.1,
        fails: Callable[[], Exception | None] = lambda: None,
        provider: str | None = None,
    ) -> None:
        self.name = name
        self.provider = provider or name
        self.requests: list[ir.Request] = []
        self._clock, self._seconds, self._fails = clock, seconds, fails

    async def generate(self, request: ir.Request) -> Response[Any]:
        self.requests.append(request)
        took = self._seconds(request)
        await self._clock.sleep(took)
        if (error := self._fails()) is not None:
            raise error
        tokens = sum(len(message.text) for message in request.messages) // 4
        usage = Usage(tokens, 10, cost_usd=0.001)
        return Response(text_message(self.name), "stop", usage, self.provider, self.name, timing=Timing(total=took))

    def stream(self, request: ir.Request) -> Any:
        return ScriptedModel([self.name], name=self.name).stream(request)


def on(clock: VirtualClock, **options: Any) -> Scope:
    """A Scope whose time is `clock`."""
    return Scope(transport=ScriptedTransport([], clock=clock, blocking=True), **options)


def ask(model: Any, request: ir.Request, scope: Scope) -> Response[Any]:
    """What a Model that never suspends answers."""
    with scope.enter():
        coroutine = model.generate(request)
        try:
            coroutine.send(None)
        except StopIteration as done:
            answer: Response[Any] = done.value
            return answer
    raise AssertionError("it waits for an event loop")


def request(text: str = "Hello", /, **labels: str) -> ir.Request:
    return ir.Request((ir.user(text),), labels=labels)


def says(*names: str, count: int = 100) -> dict[str, ScriptedModel]:
    """Models that answer with their own names."""
    return {name: ScriptedModel([name] * count, name=name) for name in names}
