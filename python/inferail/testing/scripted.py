"""A model that says what a script tells it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from inferail.core import Delta
from inferail.testing.streams import ScriptStream, deltas_of, pause
from inferail.types.response import Response, text_message
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.types.request import Request

__all__ = ["ScriptedModel"]

Step: TypeAlias = Delta | str | float | Exception
Answer: TypeAlias = str | Response[Any] | Sequence[Step] | Exception


class ScriptedModel:
    """A Model whose i-th call gives the i-th answer, whole or streamed.

    An answer is text, a Response, an exception to raise, or a list of steps: a Delta or the text of one, streamed one by
    one as they are (without a `finish` delta the stream counts as cut off); a number, which is so many seconds of
    silence; an exception, which breaks the stream there. `[0.2, "One ", 0.1, ServerError("down")]` shows a word after
    0.2 s and breaks 0.1 s later, on the clock of the call's transport: with `run_virtual` that takes no time.

    Attributes:
        requests: What it was asked, in order.
    """

    def __init__(
        self,
        answers: Sequence[Answer],
        name: str = "scripted",
        *,
        cycles: bool = False,
        delay: float = 0.0,
        pace: float = 0.0,
    ) -> None:
        """Keeps the script.

        Args:
            answers: What to say, in order.
            name: The model's name; also the provider in its answers.
            cycles: Begin again after the last answer instead of failing.
            delay: Seconds before an answer begins, or fails; a whole answer takes its stream's time.
            pace: Seconds between two lists of deltas of an answer that is not a list of steps.
        """
        self.requests: list[Request] = []
        self._answers = list(answers)
        self._name = name
        self._cycles = cycles
        self._delay = delay
        self._pace = pace

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
        if isinstance(answer, Response) and not (self._delay or self._pace):
            return answer
        async with self._stream(self._play(answer)) as stream:
            streamed = await stream.final()
        return answer if isinstance(answer, Response) else streamed

    def stream(self, request: Request) -> ScriptStream:
        """The next answer while it arrives; it is taken from the script when the stream is entered."""
        return self._stream(self._play_next(request))

    def explain(self, request: Request, *, stream: bool = False) -> str:  # noqa: ARG002 - every Model is asked the same way
        """Says that nothing would be sent."""
        return f"{self._name}: answers from a script, sends nothing"

    def _stream(self, source: AsyncIterator[list[Delta]]) -> ScriptStream:
        return ScriptStream(source, provider=self._name, model=self._name)

    async def _play_next(self, request: Request) -> AsyncIterator[list[Delta]]:
        async for deltas in self._play(self._take(request)):
            yield deltas

    async def _play(self, answer: Answer) -> AsyncIterator[list[Delta]]:
        await pause(self._delay)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Response):
            for number, deltas in enumerate(deltas_of(answer)):
                await pause(self._pace if number else 0.0)
                yield deltas
            return
        for step in answer:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, Delta | str):
                yield [Delta("text", text=step) if isinstance(step, str) else step]
            else:
                await pause(step)

    def _take(self, request: Request) -> Answer:
        number = len(self.requests)
        self.requests.append(request)
        if self._cycles and self._answers:
            number %= len(self._answers)
        if number >= len(self._answers):
            raise AssertionError(f"call {number + 1} of {self._name!r}, whose script has {len(self._answers)} answers")
        answer = self._answers[number]
        if isinstance(answer, str):
            asked = sum(len(message.text.split()) for message in request.messages)
            usage = Usage(input_tokens=asked, output_tokens=len(answer.split()))
            return Response(text_message(answer), "stop", usage, provider=self._name, model=self._name)
        return answer
