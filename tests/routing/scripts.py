"""Scripts with moments, and calls on virtual time, for the tests of combiners."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

import inferail as ir
from inferail.core import Delta
from inferail.testing import LoopClock, ScriptedModel, ScriptedTransport
from inferail.types.scope import current_scope

END = Delta("finish", reason="stop", raw_reason="stop")


def about(seconds: float, abs: float | None = None) -> Any:  # noqa: A002 - as pytest calls it
    """`pytest.approx`, of which the type checker says that it never equals a number."""
    return pytest.approx(seconds, abs=abs)


def said(text: str, *gaps: float) -> list[Any]:
    """A script that says `text` word by word, each after its gap."""
    steps: list[Any] = []
    for number, word in enumerate(text.split(" ")):
        steps += [gaps[number] if number < len(gaps) else 0.0, f"{word} "]
    return [*steps, END]


def model(name: str, *answers: Any) -> ScriptedModel:
    return ScriptedModel(answers, name)


@dataclass
class Call:
    """What a caller saw: the answer or error, when content began and when all was over, and every delta with its moment."""

    response: Any = None
    error: Exception | None = None
    first: float = -1.0
    ended: float = -1.0
    deltas: list[tuple[float, Delta]] = field(default_factory=list)

    @property
    def shown(self) -> str:
        """The text as a reader has it in the end: what was voided is gone."""
        text = ""
        for _, delta in self.deltas:
            if delta.kind == "restart" or (delta.kind == "upgrade" and delta.text == "replace"):
                text = ""
            elif delta.kind == "text":
                text += delta.text or ""
        return text

    @property
    def attempts(self) -> list[tuple[str, str | None, str]]:
        made = self.response.attempts if self.response is not None else getattr(self.error, "attempts", ())
        return [(attempt.provider, attempt.error, attempt.reason) for attempt in made]


def virtual_scope() -> Any:
    """A `with` block in which Models that are asked without a client read the time of the running loop."""
    return current_scope().but(transport=ScriptedTransport([], clock=LoopClock())).enter()


async def call(combiner: Any, *, stream: bool, prompt: Any = "Hello", transport: Any = None, **options: Any) -> Call:
    """One call through a client on the loop's clock; nothing may be left running after it."""
    seen = Call()
    clock, began = LoopClock(), LoopClock().now()
    transport = transport or ScriptedTransport([], clock=clock)
    async with ir.AsyncClient(combiner, transport=transport, timeout=60.0) as client:
        try:
            if stream:
                async with client.stream(prompt, **options) as reading:
                    async for delta in reading.deltas():
                        seen.first = clock.now() - began if seen.first < 0 else seen.first
                        seen.deltas.append((clock.now() - began, delta))
                    seen.response = await reading.final()
            else:
                seen.response = await client.complete(prompt, **options)
        except ir.InferailError as error:
            seen.error = error
    seen.ended = clock.now() - began
    assert len(asyncio.all_tasks()) == 1
    return seen
