"""A model that says what a script tells it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from inferail.core import Delta
from inferail.testing.streams import ScriptStream, deltas_of
from inferail.types.response import Response, text_message
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.types.request import Request

__all__ = ["ScriptedModel"]

Answer: TypeAlias = str | Response[Any] | list[Delta] | Exception


class ScriptedModel:
    """A Model whose i-th call gives the i-th answer, whole or streamed.

    An answer is text, a Response, a list of Deltas (streamed one by one, as it is: without a `finish` delta the stream
    counts as cut off), or an exception to raise.

    Attributes:
        requests: What it was asked, in order.
    """

    def __init__(self, answers: Sequence[Answer], name: str = "scripted", *, cycles: bool = False) -> None:
        """Keeps the script.

        Args:
            answers: What to say, in order.
            name: The model's name; also the provider in its answers.
            cycles: Begin again after the last answer instead of failing.
        """
        self.requests: list[Request] = []
        self._answers = list(answers)
        self._name = name
        self._cycles = cycles

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._name

    async def generate(self, request: Request) -> Response[Any]:
        """The next answer, whole.

        Raises:
            AssertionError: The script is at its end.
        """
        answer = self._take(request)
        if isinstance(answer, Response):
            return answer
        async with self._stream(_play(answer)) as stream:
            return await stream.final()

    def stream(self, request: Request) -> ScriptStream:
        """The next answer while it arrives; it is taken from the script when the stream is entered."""
        return self._stream(self._play(request))

    def explain(self, request: Request, *, stream: bool = False) -> str:  # noqa: ARG002 - every Model is asked the same way
        """Says that nothing would be sent."""
        return f"{self._name}: answers from a script, sends nothing"

    def _stream(self, source: AsyncIterator[list[Delta]]) -> ScriptStream:
        return ScriptStream(source, provider=self._name, model=self._name)

    async def _play(self, request: Request) -> AsyncIterator[list[Delta]]:
        async for deltas in _play(self._take(request)):
            yield deltas

    def _take(self, request: Request) -> Response[Any] | list[Delta]:
        number = len(self.requests)
        self.requests.append(request)
        if self._cycles and self._answers:
            number %= len(self._answers)
        if number >= len(self._answers):
            raise AssertionError(f"call {number + 1} of {self._name!r}, whose script has {len(self._answers)} answers")
        answer = self._answers[number]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, str):
            asked = sum(len(message.text.split()) for message in request.messages)
            usage = Usage(input_tokens=asked, output_tokens=len(answer.split()))
            return Response(text_message(answer), "stop", usage, provider=self._name, model=self._name)
        return answer


async def _play(answer: Response[Any] | list[Delta]) -> AsyncIterator[list[Delta]]:
    for deltas in [[delta] for delta in answer] if isinstance(answer, list) else deltas_of(answer):
        yield deltas
