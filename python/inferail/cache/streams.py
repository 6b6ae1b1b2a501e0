"""The stream of a Cached: a kept answer replayed, or the model's answer on its way into the cache."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

from inferail.cache.sharing.turns import Turn
from inferail.errors import ConfigError, StreamError
from inferail.replay import deltas_of
from inferail.types.accumulate import Accumulator
from inferail.types.response import Partial, Response, text_message

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from inferail.cache.cached import Cached
    from inferail.core import Delta
    from inferail.types.model import DeltaStream
    from inferail.types.request import Request
    from inferail.types.response import Attempt
    from inferail.types.scope import Scope

__all__ = ["CachedStream"]


class CachedStream:
    """See `inferail.types.model.DeltaStream`. Nothing is looked up before it is entered."""

    def __init__(self, cached: Cached, request: Request, scope: Scope) -> None:
        self._cached = cached
        self._request = request
        self._scope = scope
        self._stream: DeltaStream | None = None  # of the model
        self._turn: Turn | None = None
        self._replay: Iterator[list[Delta]] | None = None
        self._shown: list[list[Delta]] = []  # of a replay, for `partial`
        self._response: Response[Any] | None = None
        self._entered = False
        self._ended = False  # all of the answer was shown

    @property
    def partial(self) -> Partial:
        """What has arrived so far."""
        if self._stream is not None:
            return self._stream.partial
        if self._replay is None:
            return Partial(text_message(""))
        accumulator = Accumulator()
        for deltas in self._shown:
            accumulator.add(deltas)
        return accumulator.partial()

    @property
    def attempts(self) -> Sequence[Attempt]:
        """The attempts that have ended; none where the cache answers."""
        return self._stream.attempts if self._stream is not None else ()

    async def __aenter__(self) -> Self:
        if self._entered:
            raise ConfigError("a stream is entered once: ask for a new one")
        self._entered = True
        with self._scope.enter():
            taken = await self._cached.take(self._request, self._scope, time.monotonic())
            if isinstance(taken, Response):
                self._response = taken
                self._replay = deltas_of(taken)
                return self
            self._turn = taken
            try:
                self._stream = self._cached.model.stream(self._request)
                await self._stream.__aenter__()
            except BaseException as error:
                await taken.fail(error)
                raise
        taken.held()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if self._turn is not None and not self._turn.ended:
                await self._turn.fail(GeneratorExit())  # left before its end: whoever waits asks for himself
        finally:
            if self._stream is not None:
                await self._stream.__aexit__(kind, error, traceback)
            elif not self._ended:
                self._replay = self._response = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Delta]:
        if self._replay is not None:
            deltas = next(self._replay, None)
            if deltas is None:
                self._ended = True
                raise StopAsyncIteration
            self._shown.append(deltas)
            return deltas
        stream, turn = self._stream, self._turn
        if stream is None or turn is None:
            raise self._left()
        turn.read()
        try:
            deltas = await stream.__anext__()
        except StopAsyncIteration:
            await self._complete(stream, turn)
            raise
        except BaseException as error:
            if not turn.ended:
                await turn.fail(error)
            raise
        turn.held()
        return deltas

    async def final(self) -> Response[Any]:
        """The whole answer; reads what is left first.

        Raises:
            RequestError: The stream broke; `.partial` has what arrived.
        """
        if not self._ended:
            async for _ in self:
                pass
        if self._response is None:
            raise self._left()
        return self._response

    async def _complete(self, stream: DeltaStream, turn: Turn) -> None:
        """The terminal event has come: now there is an answer to keep."""
        if turn.ended:
            return
        with self._scope.enter():
            try:
                self._response = await stream.final()
            except BaseException as error:
                await turn.fail(error)
                raise
            self._ended = True
            await turn.finish(self._response)

    def _left(self) -> StreamError | ConfigError:
        if not self._entered:
            return ConfigError("the stream has not been entered: use it in a `with` block")
        return StreamError("the stream was left before its end", partial=self.partial, attempts=self.attempts)
