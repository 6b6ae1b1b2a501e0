"""A turn that is streamed: begun when the stream is entered, kept when it has ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

from inferail.errors import ConfigError
from inferail.types.message import Message
from inferail.types.response import Partial

if TYPE_CHECKING:
    from types import TracebackType

    from inferail.client import ResponseStream
    from inferail.core import Delta
    from inferail.pipelines.conversation.state import Turn
    from inferail.types.response import Attempt, Response

__all__ = ["TurnStream"]

_NOTHING = Partial(Message("assistant", ()))


class TurnStream:
    """The `DeltaStream` of a turn: nothing is kept of a stream that breaks, is left early or is cancelled."""

    def __init__(
        self,
        begin: Callable[[], Awaitable[tuple[Turn, ResponseStream[Any]]]],
        keep: Callable[[Turn, Response[Any]], Awaitable[Response[Any]]],
    ) -> None:
        """Sets it up; nothing is sent.

        Args:
            begin: Prepares the turn and its stream.
            keep: Keeps the turn with its answer.
        """
        self._begin = begin
        self._keep = keep
        self._begun: tuple[Turn, ResponseStream[Any]] | None = None
        self._response: Response[Any] | None = None

    async def __aenter__(self) -> Self:
        turn, stream = await self._begin()
        await stream.__aenter__()
        self._begun = (turn, stream)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._begun is not None:
            await self._begun[1].__aexit__(kind, error, traceback)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Delta]:
        """The next deltas; the turn is kept before the stream says that it has ended."""
        try:
            return await self._entered()[1].next()
        except StopAsyncIteration:
            await self.final()
            raise

    async def final(self) -> Response[Any]:
        """The whole answer, kept in the conversation."""
        if self._response is None:
            turn, stream = self._entered()
            self._response = await self._keep(turn, await stream.final())
        return self._response

    @property
    def partial(self) -> Partial:
        """What has arrived so far."""
        return _NOTHING if self._begun is None else self._begun[1].partial

    @property
    def attempts(self) -> Sequence[Attempt]:
        """The attempts that have ended."""
        return () if self._begun is None else self._begun[1].attempts

    def _entered(self) -> tuple[Turn, ResponseStream[Any]]:
        if self._begun is None:
            raise ConfigError("the stream has not been entered: use it in a with block")
        return self._begun
