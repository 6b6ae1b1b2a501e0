"""A stream whose model is chosen when it is entered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from inferail.errors import ConfigError, RequestError
from inferail.types.response import Attempt, Partial, text_message

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from inferail.core import Delta
    from inferail.types.model import DeltaStream
    from inferail.types.response import Response

__all__ = ["Opened"]

Opening: TypeAlias = "Callable[[], Awaitable[tuple[DeltaStream, tuple[Attempt, ...]]]]"
Ended: TypeAlias = "Callable[[DeltaStream, Response[Any] | None, BaseException | None], Awaitable[None]]"


class Opened:
    """The stream that `opening` enters, with the attempts before it; `ended` is told once when it is left."""

    def __init__(self, opening: Opening, ended: Ended | None = None) -> None:
        self._opening = opening
        self._ended = ended
        self._stream: DeltaStream | None = None
        self._earlier: tuple[Attempt, ...] = ()
        self._response: Response[Any] | None = None
        self._whole = False
        self._error: BaseException | None = None

    @property
    def partial(self) -> Partial:
        """What has arrived."""
        return self._stream.partial if self._stream is not None else Partial(text_message(""))

    @property
    def attempts(self) -> Sequence[Attempt]:
        """The attempts that have ended."""
        return (*self._earlier, *(self._stream.attempts if self._stream is not None else ()))

    async def __aenter__(self) -> Self:
        if self._stream is not None:
            raise ConfigError("a stream is entered once: ask for a new one")
        self._stream, self._earlier = await self._opening()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        stream = self._stream
        if stream is None:
            return
        ended, self._ended = self._ended, None
        try:
            if self._whole and self._response is None:
                self._response = await stream.final()  # at hand: the stream has been read to its end
        finally:
            try:
                await stream.__aexit__(kind, error, traceback)
            finally:
                if ended is not None:
                    await ended(stream, self._response, self._error)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Delta]:
        try:
            return await self._entered().__anext__()
        except StopAsyncIteration:
            self._whole = True
            raise
        except RequestError as error:
            raise self._failed(error) from error.__cause__

    async def final(self) -> Response[Any]:
        """The whole answer."""
        try:
            response = await self._entered().final()
        except RequestError as error:
            raise self._failed(error) from error.__cause__
        self._response = response
        return replace(response, attempts=(*self._earlier, *response.attempts)) if self._earlier else response

    def _failed(self, error: RequestError) -> RequestError:
        self._error = error
        error.attempts = (*self._earlier, *error.attempts)
        return error

    def _entered(self) -> DeltaStream:
        if self._stream is None:
            raise ConfigError("the stream has not been entered: use it in a `with` block")
        return self._stream
