"""Streams whose answer has a type, and streams of tool mode as streams of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from inferail.core import Delta, PartialJSON
from inferail.errors import (
    BudgetError,
    CancelledError,
    CapacityError,
    ConfigError,
    OutputValidationError,
    RequestError,
)
from inferail.structured.answering import checked, corrected, uncorrected
from inferail.structured.modes import answer_in, as_text, plan
from inferail.structured.output import OutputType, Unfit
from inferail.types.model import AroundStream
from inferail.types.scope import current_scope

if TYPE_CHECKING:
    from inferail.types.model import DeltaStream, Model
    from inferail.types.request import Request
    from inferail.types.response import Attempt, Partial, Response

__all__ = ["Growing", "StructuredStream", "ToolTextStream", "text_stream"]


class StructuredStream(AroundStream):
    """An answer while it arrives, checked at its end; see `inferail.types.model.DeltaStream`.

    Where the whole answer is not what was asked for, a corrective call follows in the same stream, after a `restart` delta,
    which says that all before it is void. Where that is not it either, the iteration ends with `OutputValidationError`
    instead of just ending: nobody who read to the end has an answer that was never checked.
    """

    def __init__(self, model: Model, request: Request, output: OutputType) -> None:
        self._model = model
        self._request = request
        self._output = output
        self._scope = current_scope().but(reason="correction")
        self._stream: DeltaStream = model.stream(request)
        self._responses: list[Response[Any]] = []
        self._unfit: Unfit | None = None
        self._outcome: Response[Any] | OutputValidationError | None = None

    async def __anext__(self) -> list[Delta]:
        failure: Exception | None = None
        while self._outcome is None:
            try:
                return await self._stream.__anext__()
            except StopAsyncIteration:
                pass
            except (RequestError, BudgetError, CapacityError) as error:
                if self._unfit is None or isinstance(error, CancelledError):
                    raise
                failure = error
            if restarted := await self._check(failure):
                return restarted
        if isinstance(self._outcome, OutputValidationError):
            raise self._outcome
        raise StopAsyncIteration

    async def final(self) -> Response[Any]:
        """The whole answer, checked and typed; reads what is left first.

        Raises:
            RequestError: The stream broke.
            OutputValidationError: It is not what was asked for, and its corrections are not either.
        """
        async for _ in self:
            pass
        if self._outcome is None or isinstance(self._outcome, OutputValidationError):
            raise AssertionError("a stream that ends has an outcome")
        return self._outcome

    @property
    def partial(self) -> Partial:
        """What has arrived so far of the answer that counts: the corrected one, once that has begun."""
        return self._stream.partial

    @property
    def attempts(self) -> Sequence[Attempt]:
        """The attempts that have ended, those of answers that did not match included."""
        if self._outcome is not None:
            return self._outcome.attempts
        return [*(attempt for each in self._responses for attempt in each.attempts), *self._stream.attempts]

    async def _check(self, failure: Exception | None) -> list[Delta]:
        """Reads the answer that has ended, or the `failure` of a correction: an outcome, or the start of a correction."""
        if failure is None:
            self._responses.append(await self._stream.final())
            outcome = checked(self._output, self._responses)
            if not isinstance(outcome, Unfit):
                self._outcome = outcome
                return []
            self._unfit = outcome
            if outcome.final or len(self._responses) > self._output.corrections:
                self._outcome = self._output.failed(self._responses, outcome)
                return []
            try:
                return await self._again(outcome)
            except CancelledError:
                raise
            except (RequestError, BudgetError, CapacityError) as error:
                failure = error
        if self._unfit is not None:
            self._outcome = uncorrected(self._output, self._responses, self._unfit, failure)
        return []

    async def _again(self, unfit: Unfit) -> list[Delta]:
        await self._stream.__aexit__(None, None, None)
        with self._scope.enter():
            stream = self._model.stream(corrected(self._request, unfit.problems))
        await stream.__aenter__()
        self._stream = stream
        return [Delta("restart", name=self._model.name)]


class ToolTextStream(AroundStream):
    """A stream of tool mode as one of text: the arguments of the tool that takes the answer are the text."""

    def __init__(self, stream: DeltaStream, tool: str) -> None:
        self._stream = stream
        self._tool = tool
        self._block: tuple[int, int] | None = None
        self._said = False

    async def __anext__(self) -> list[Delta]:
        while True:
            deltas = [made for delta in await self._stream.__anext__() if (made := self._as_text(delta)) is not None]
            if deltas:
                return deltas

    async def final(self) -> Response[Any]:
        """The whole answer, with the arguments as its text."""
        return as_text(await self._stream.final(), self._tool)

    @property
    def partial(self) -> Partial:
        """What has arrived so far, the arguments as text."""
        partial = self._stream.partial
        message = answer_in(partial.message, self._tool)
        return partial if message is None else replace(partial, message=message)

    def _as_text(self, delta: Delta) -> Delta | None:
        kind, place = delta.kind, (delta.index, delta.block)
        if kind == "tool_start":
            if self._block is None and delta.name == self._tool:
                self._block = place
                # What was said before the call is no part of the answer.
                return Delta("restart", name=self._tool) if self._said else None
        elif kind == "text":
            self._said = self._said or bool(delta.text)
            return None if self._block else delta
        elif kind == "finish" and delta.reason == "tool_calls" and self._block:
            return Delta("finish", index=delta.index, reason="stop", raw_reason=delta.raw_reason)
        if kind in ("tool_start", "tool_args", "tool_end") and self._block:
            if place != self._block or kind != "tool_args":
                return None
            return Delta("text", index=delta.index, block=delta.block, text=delta.text)
        return delta


def text_stream(stream: DeltaStream, request: Request, target: Any) -> DeltaStream:
    """The stream of a Target that is asked for an output: as it is, or where that is tool mode, with the arguments as text."""
    try:
        tool = plan(request, target.provider, target.model).tool
    except ConfigError:  # entering the stream raises it, like all that is wrong with a request
        return stream
    return ToolTextStream(stream, tool) if tool else stream


class Growing:
    """The structured output while it grows, out of the pieces of its text.

    Skips what stands before the JSON and behind it. Where the text stops being JSON it grows no more: the end of the stream
    says whether that could be repaired.
    """

    def __init__(self, output: OutputType) -> None:
        self._output = output
        self._parser = PartialJSON()
        self._begun = False
        self._stuck = False

    def feed(self, text: str) -> None:
        """Reads the next piece of text."""
        if not self._begun:
            places = [place for bracket in "{[" if (place := text.find(bracket)) >= 0]
            if not places:
                return
            self._begun, text = True, text[min(places) :]
        if self._stuck or self._parser.complete:
            return
        try:
            self._parser.feed(text)
        except OutputValidationError:
            self._stuck = True

    @property
    def value(self) -> Any:
        """What has come of it; None where nothing has."""
        return self._output.grown(self._parser.value)
