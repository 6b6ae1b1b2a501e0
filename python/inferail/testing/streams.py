"""The stream of every model in this package, and answers taken apart into deltas."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Self

from inferail import replay
from inferail.errors import CancelledError, InferailError, RequestError, StreamError
from inferail.testing.clock import LoopClock
from inferail.transport.cancellation import Watch
from inferail.transport.clock import AsyncClock
from inferail.types.accumulate import Accumulator
from inferail.types.response import Attempt, Partial, Response, Timing
from inferail.types.scope import current_scope
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from types import TracebackType

    from inferail.core import Delta
    from inferail.types.clock import Clock
    from inferail.types.scope import Scope

__all__ = ["ScriptStream", "count_words", "deltas_of", "pause", "words"]

_WORD = re.compile(r"\s*\S+\s*")
_CONTENT = frozenset({"text", "reasoning", "refusal", "tool_args"})


class ScriptStream:
    """Lists of deltas as a `inferail.types.model.DeltaStream`.

    The source is not started before the stream is entered, and closed when it is left. It must end with a `finish`
    delta; if it does not, or fails, the reader gets a RequestError with what had arrived, as from a real provider. The
    source runs in the Scope in which the stream was made.
    """

    def __init__(self, source: AsyncIterator[list[Delta]], *, provider: str, model: str) -> None:
        self._source = source
        self._provider = provider
        self._model = model
        self._scope = current_scope()
        self._clock: Clock = AsyncClock()
        self._accumulator = Accumulator()
        self._attempts: tuple[Attempt, ...] = ()
        self._held: list[Delta] = []
        self._finished = False
        self._ended = False
        self._started = 0.0
        self._first: float | None = None

    @property
    def partial(self) -> Partial:
        """What has arrived so far."""
        return self._accumulator.partial()

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """One attempt, once it has ended."""
        return self._attempts

    async def __aenter__(self) -> Self:
        """Starts the answer; what fails before the first deltas is raised here."""
        self._clock = _clock(self._scope)
        self._started = self._clock.now()
        try:
            self._held = await self._pull()
        except StopAsyncIteration:
            raise self._end(self._cut_off()) from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._ended:
            self._end(CancelledError("the stream was left before its end"))
        close = getattr(self._source, "aclose", None)
        if close is not None:
            await close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Delta]:
        if self._held:
            held, self._held = self._held, []
            return held
        if self._ended:
            raise StopAsyncIteration
        try:
            return await self._pull()
        except StopAsyncIteration:
            if not self._finished:
                raise self._end(self._cut_off()) from None
            self._end(None)
            raise

    async def final(self) -> Response[Any]:
        """The whole answer; reads what is left first."""
        async for _ in self:
            pass
        if not self._attempts or not self._finished:
            raise StreamError("the stream was left before its end", provider=self._provider, partial=self.partial)
        timing = self._attempts[0].timing
        usage = self._attempts[0].usage
        return self._accumulator.response(
            provider=self._provider, model=self._model, usage=usage, timing=timing, attempts=self._attempts
        )

    async def _pull(self) -> list[Delta]:
        """The next list that is not empty."""
        try:
            with self._scope.enter():
                deltas = await anext(self._source)
                while not deltas:
                    deltas = await anext(self._source)
        except InferailError as error:
            raise self._end(error) from None
        if self._first is None:
            self._first = self._clock.now() - self._started
        self._accumulator.add(deltas)
        self._finished = self._finished or any(delta.kind == "finish" for delta in deltas)
        return deltas

    def _cut_off(self) -> StreamError:
        return StreamError("the stream ended before its terminal event", provider=self._provider, model=self._model)

    def _end(self, error: InferailError | None) -> InferailError:
        """Notes the attempt; an error of a request gets it, and what had arrived."""
        self._ended = True
        attempt = Attempt(
            provider=self._provider,
            model=self._model,
            error=None if error is None else type(error).__name__,
            status_code=getattr(error, "status_code", None),
            retry_after=getattr(error, "retry_after", None),
            started=self._started,
            timing=Timing(first_token=self._first, total=self._clock.now() - self._started),
            usage=self._accumulator.usage or Usage(),
            reason=self._scope.reason,
        )
        self._attempts = (attempt,)
        if isinstance(error, RequestError):
            error.attempts = error.attempts or self._attempts
            if error.partial is None and self._first is not None:
                error.partial = self.partial
        return error or InferailError("the stream has ended")


async def pause(seconds: float) -> None:
    """Waits on the clock of the call's transport, so that synchronous clients can wait too; else on the event loop.

    Raises:
        CancelledError: The Scope was cancelled meanwhile.
    """
    if seconds <= 0:
        return
    scope = current_scope()
    with Watch(scope.cancellation, scope.transport is not None and scope.transport.blocking):
        await _clock(scope).sleep(seconds)


def _clock(scope: Scope) -> Clock:
    if scope.transport is not None:
        clock: Clock = scope.transport.clock
        return clock
    return AsyncClock() if asyncio._get_running_loop() is None else LoopClock()  # noqa: SLF001 - the public one raises


def words(text: str) -> list[str]:
    """`text` in pieces of one word each, with the blanks after it; joined they are `text` again."""
    return _WORD.findall(text) or ([text] if text else [])


def count_words(deltas: list[Delta]) -> int:
    """How many pieces of content there are in `deltas`."""
    return sum(delta.kind in _CONTENT and bool((delta.text or "").strip()) for delta in deltas)


def deltas_of(response: Response[Any]) -> Iterator[list[Delta]]:
    """An answer as the lists of deltas it would stream as, one word each."""
    return replay.deltas_of(response, words)
