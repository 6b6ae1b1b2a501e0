"""A model that fails on purpose: it lies, times out, refuses, garbles or breaks off. For tests of what you build on models."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from inferail.core import Delta
from inferail.errors import StreamError
from inferail.testing.streams import ScriptStream, count_words, deltas_of
from inferail.types.message import Message, Refusal, Text
from inferail.types.response import Response, text_message

if TYPE_CHECKING:
    from inferail.types.model import Model
    from inferail.types.request import Request

__all__ = ["Breaks", "FaultyModel", "Garbles", "Lies", "ModelFault", "Refuses", "Truncates"]


@dataclass(frozen=True, slots=True)
class Breaks:
    """Raises `error` after so many words of the answer."""

    after_words: int
    error: Exception


@dataclass(frozen=True, slots=True)
class Truncates:
    """The answer ends after so many words without its terminal event, which is a StreamError."""

    after_words: int


@dataclass(frozen=True, slots=True)
class Refuses:
    """The model declines, in these words."""

    text: str = "I cannot help with that."


@dataclass(frozen=True, slots=True)
class Garbles:
    """The answer is JSON that breaks off in the middle, and the model says it is done."""

    text: str = '{"answer": "unfinished'


@dataclass(frozen=True, slots=True)
class Lies:
    """The answer is this text, whatever was asked."""

    text: str


ModelFault: TypeAlias = Exception | Breaks | Truncates | Refuses | Garbles | Lies


class FaultyModel:
    """Another Model whose i-th call suffers the i-th fault; None, and every call after the last fault, goes through.

    An exception as a fault is raised before the other model is asked.

    Attributes:
        calls: How often it was asked.
    """

    def __init__(self, model: Model, faults: Sequence[ModelFault | None]) -> None:
        self.calls = 0
        self._model = model
        self._faults = list(faults)

    @property
    def name(self) -> str:
        """`faulty(…)` around the name of the other model."""
        return f"faulty({self._model.name})"

    async def generate(self, request: Request) -> Response[Any]:
        """The other model's answer, or what the fault makes of it."""
        fault = self._next()
        if fault is None:
            return await self._model.generate(request)
        async with self._stream(request, fault) as stream:
            return await stream.final()

    def stream(self, request: Request) -> ScriptStream:
        """The same, streamed. The fault is taken when the stream is made."""
        return self._stream(request, self._next())

    def explain(self, request: Request, *, stream: bool = False) -> str:
        """Its name, and what the other model would send."""
        explain = getattr(self._model, "explain", None)
        inner = explain(request, stream=stream) if explain is not None else self._model.name
        return f"{self.name}\n{inner}"

    def _next(self) -> ModelFault | None:
        self.calls += 1
        return self._faults[self.calls - 1] if self.calls <= len(self._faults) else None

    def _stream(self, request: Request, fault: ModelFault | None) -> ScriptStream:
        return ScriptStream(self._play(request, fault), provider=self.name, model=self._model.name)

    async def _play(self, request: Request, fault: ModelFault | None) -> AsyncIterator[list[Delta]]:
        match fault:
            case Refuses(text):
                for deltas in deltas_of(Response(Message("assistant", (Refusal(text),)), "content_filter")):
                    yield deltas
            case Garbles(text) | Lies(text):
                message = Message("assistant", (Text(text),)) if text else text_message(text)
                for deltas in deltas_of(Response(message, "stop")):
                    yield deltas
            case Exception():
                raise fault
            case Breaks() | Truncates() | None:
                left = None if fault is None else fault.after_words
                async with self._model.stream(request) as stream:
                    async for deltas in stream:
                        kept = deltas if left is None else _first_words(deltas, left)
                        left = None if left is None else left - count_words(kept)
                        yield kept
                        if left is not None and left <= 0:
                            break
                if isinstance(fault, Breaks):
                    raise fault.error
                if fault is not None:
                    raise StreamError("the stream ended before its terminal event", provider=self.name)


def _first_words(deltas: list[Delta], count: int) -> list[Delta]:
    """The deltas up to the one with the last word that is allowed, and never the one that ends the answer."""
    kept: list[Delta] = []
    for delta in deltas:
        if delta.kind == "finish" or count_words([*kept, delta]) > count:
            break
        kept.append(delta)
    return kept
