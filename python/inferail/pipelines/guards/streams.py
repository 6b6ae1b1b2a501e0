"""The stream of a Guarded: shown is what its guards let pass, as soon as that is certain."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from inferail.errors import ConfigError, RequestError, StreamError
from inferail.pipelines.guards.beside import Beside
from inferail.types.accumulate import Accumulator
from inferail.types.response import Partial, text_message

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from inferail.core import Delta
    from inferail.pipelines.guards.answers import Answer
    from inferail.pipelines.guards.guarded import Guarded
    from inferail.pipelines.guards.notes import Notes
    from inferail.types.model import DeltaStream
    from inferail.types.request import Request
    from inferail.types.response import Attempt, Response
    from inferail.types.scope import Scope

__all__ = ["GuardedStream"]


class GuardedStream:
    """See `inferail.types.model.DeltaStream`. `partial` is what was shown, never what is held back."""

    def __init__(self, guarded: Guarded, request: Request, scope: Scope) -> None:
        self._guarded = guarded
        self._request = request
        self._scope = scope
        self._stream: DeltaStream | None = None
        self._beside: Beside | None = None  # where guards judge the request meanwhile
        self._held: list[list[Delta]] = []  # what waits for them
        self._answer: Answer | None = None
        self._notes: Notes = guarded.notes(scope)
        self._shown = Accumulator()
        self._response: Response[Any] | None = None
        self._entered = self._ended = self._left = False

    @property
    def partial(self) -> Partial:
        """What has been shown so far, with what the model has consumed for it."""
        inner = self._source_partial()
        return replace(self._shown.partial(), usage=inner.usage)

    @property
    def attempts(self) -> Sequence[Attempt]:
        """The attempts that have ended."""
        source = self._beside or self._stream
        return source.attempts if source is not None else ()

    async def __aenter__(self) -> Self:
        if self._entered:
            raise ConfigError("a stream is entered once: ask for a new one")
        self._entered = True
        guarded, scope, notes = self._guarded, self._scope, self._notes
        with scope.enter():
            allowed = await guarded.check(self._request, scope, notes)
            self._answer = guarded.answer(allowed, scope, notes)
            inside = guarded.inside(scope, notes)
            with inside.enter():
                if allowed.waiting:
                    self._beside = Beside(allowed.waiting, inside, notes)
                    self._beside.play(guarded.model, allowed.request)
                    return self
                stream = guarded.model.stream(allowed.request)
                try:
                    await stream.__aenter__()
                except RequestError as error:
                    raise self._stripped(error) from None
                self._stream = stream
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._leave(kind, error, traceback)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Delta]:
        if self._answer is None:
            raise ConfigError("the stream has not been entered: use it in a `with` block")
        while not self._ended:
            deltas: list[Delta] | None = None
            try:
                deltas = await self._read()
                shown = [] if deltas is None else await self._pass(deltas)
            except RequestError as error:
                raise self._stripped(error) from None
            except BaseException as error:
                await self._leave(type(error), error, None)  # what is blocked costs nothing from here on
                raise
            if deltas is None:
                self._ended = True
                break
            if shown:
                self._shown.add(shown)
                return shown
        if self._left and self._response is None:
            raise StreamError("the stream was left before its end", partial=self.partial, attempts=self.attempts)
        raise StopAsyncIteration

    async def final(self) -> Response[Any]:
        """The whole answer as it was shown; reads what is left first.

        Raises:
            GuardrailError: A guard blocked it.
            RequestError: The stream broke; `.partial` has what was shown.
        """
        async for _ in self:
            pass
        if self._response is None:
            raise StreamError("the stream was left before its end", partial=self.partial, attempts=self.attempts)
        return self._response

    async def _read(self) -> list[Delta] | None:
        """The model's next deltas, once every verdict on the request is there; None at the end."""
        running, stream = self._beside, self._stream
        if running is None:
            assert stream is not None  # noqa: S101 - entered
            try:
                return await stream.__anext__()
            except StopAsyncIteration:
                self._response = self._told(await stream.final())
                return None
        while True:
            if self._held and not running.waits:
                return self._held.pop(0)
            if running.ended and not running.waits:
                assert running.response is not None  # noqa: S101 - else its error was raised
                self._response = self._told(running.response)
                return None
            deltas = await running.next()
            if deltas is not None:
                self._held.append(deltas)

    async def _pass(self, deltas: list[Delta]) -> list[Delta]:
        answer = self._answer
        assert answer is not None  # noqa: S101 - entered
        return deltas if answer.is_free else await answer.take(deltas)

    def _told(self, response: Response[Any]) -> Response[Any]:
        """The model's whole answer, as it was shown."""
        warnings = (*response.warnings, *self._notes.warnings)
        if self._answer is not None and self._answer.changed:
            message = replace(self._shown.message(), provider=response.message.provider)
            return replace(response, message=message, citations=self._shown.citations, raw=None, warnings=warnings)
        return replace(response, warnings=warnings) if self._notes.warnings else response

    def _stripped(self, error: RequestError) -> RequestError:
        """The model's error, with what was shown in the place of what had arrived."""
        if error.partial is not None and self._answer is not None and not self._answer.is_free:
            error.partial = replace(self._shown.partial(), usage=error.partial.usage)
        return error

    def _source_partial(self) -> Partial:
        source = self._beside or self._stream
        return source.partial if source is not None else Partial(text_message(""))

    async def _leave(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._left:
            return
        self._left = True
        if not self._ended:
            self._held.clear()
        if self._beside is not None:
            await self._beside.close()
        if self._stream is not None:
            await self._stream.__aexit__(kind, error, traceback)
