"""A run while it happens: the events in a `with` block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Self

from inferail._sync import drive
from inferail.errors import ConfigError, StreamError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import TracebackType

    from inferail.pipelines.agent.events import Event
    from inferail.pipelines.agent.loop import Loop
    from inferail.pipelines.agent.run import Run

__all__ = ["AsyncSteps", "Steps"]


class _Reading:
    """What both kinds of stream share."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._events: AsyncGenerator[Event, None] | None = None

    @property
    def run(self) -> Run[Any]:
        """The run, once its last event has been read.

        Raises:
            StreamError: It is not over.
        """
        if self._loop.run is None:
            raise StreamError("the run is not over: read its events to the end, or take final()")
        return self._loop.run

    def _begin(self) -> None:
        if self._events is None:
            self._events = self._loop.events()

    async def _next(self) -> Event | None:
        """The next event, or None after the last one."""
        if self._events is None:
            raise ConfigError("a run is read in a with block: with agent.stream(…) as steps")
        return await anext(self._events, None)

    async def _leave(self) -> None:
        if self._events is not None:
            await self._events.aclose()


class AsyncSteps(_Reading):
    """A run while it happens: an async context manager and iterator of events. Leaving it stops the run."""

    async def __aenter__(self) -> Self:
        self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._leave()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while (event := await self._next()) is not None:
            yield event

    async def final(self) -> Run[Any]:
        """The run; reads what is left first."""
        async for _ in self:
            pass
        return self.run


class Steps(_Reading):
    """A run while it happens, synchronously: a context manager and iterator of events. Leaving it stops the run."""

    def __enter__(self) -> Self:
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        drive(self._leave())

    def __iter__(self) -> Iterator[Event]:
        while (event := drive(self._next())) is not None:
            yield event

    def final(self) -> Run[Any]:
        """The run; reads what is left first."""
        for _ in self:
            pass
        return self.run
