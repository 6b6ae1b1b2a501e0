"""Requests that are being answered right now: whoever asks the same meanwhile waits for that answer."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from inferail.errors import BudgetError, CancelledError, DeadlineError, InferailError, RequestError, RouteError
from inferail.transport.clock import time_left
from inferail.waiting.latch import Latch

if TYPE_CHECKING:
    from inferail.types.response import Response
    from inferail.types.scope import Scope

__all__ = ["Flight", "Flights", "late", "own", "pause"]

# Seconds that others wait while whoever leads is not reading its stream. Its reader may be slow, or may itself be waiting
# for one of those others.
PATIENCE = 1.0


class Flight:
    """One call of a model, and all who wait for it. Thread-safe.

    It ends in one of three ways: with an answer, with an error that the others would meet too, or left behind, when who
    led was cancelled or out of time or money, which is nobody else's business: then one of those who wait leads anew.
    """

    __slots__ = ("_flights", "_held_since", "_key", "_landed", "error", "response")

    def __init__(self, flights: Flights, key: str) -> None:
        self.response: Response[Any] | None = None
        self.error: InferailError | None = None
        self._flights = flights
        self._key = key
        self._landed = Latch()
        self._held_since: float | None = None

    def land(self, response: Response[Any]) -> None:
        """Everybody gets this answer."""
        self.response = response
        self._end()

    def fail(self, error: BaseException) -> None:
        """Everybody gets this error, if it would be theirs as well; else another one leads."""
        if _concerns_others(error):
            self.error = error if isinstance(error, InferailError) else None
        self._end()

    def held(self) -> None:
        """A piece of the stream is in the hands of its reader."""
        self._held_since = self._flights.now()

    def read(self) -> None:
        """The reader has come back for more."""
        self._held_since = None

    @property
    def stalled(self) -> bool:
        """Whether the reader of the stream has not come back for a while."""
        held = self._held_since
        return held is not None and self._flights.now() - held >= PATIENCE

    async def wait(self, scope: Scope) -> Response[Any] | None:
        """The answer, or None where it was left behind: lead yourself.

        Raises:
            DeadlineError: The time of the waiting call is up, whatever that of the leading one.
            CancelledError: The waiting call was cancelled.
            InferailError: The model failed.
        """
        while not self._landed.is_open:
            left = time_left(scope)
            if left <= 0:
                raise late()
            await self._landed.wait(scope, min(left, PATIENCE))
            if not self._landed.is_open and self.stalled:
                self._flights.leave(self._key, self)
                return None
        if self.error is not None:
            raise own(self.error)
        return self.response

    def _end(self) -> None:
        self._flights.leave(self._key, self)
        self._landed.open()


class Flights:
    """The flights of one cache, by key. Thread-safe.

    Attributes:
        landed: How many have ended; who has looked into the cache before one ended has to look again.
        now: A clock in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.landed = 0
        self.now = now
        self._lock = threading.Lock()
        self._flights: dict[str, Flight] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def join(self, key: str) -> tuple[Flight, bool]:
        """The flight of a key, and whether it has just begun: then it is the caller's to end."""
        with self._lock:
            known = self._flights.get(key)
            if known is not None:
                return known, False
            flight = self._flights[key] = Flight(self, key)
            return flight, True

    def leave(self, key: str, flight: Flight) -> None:
        """Nobody joins this flight any more."""
        with self._lock:
            self.landed += 1
            if self._flights.get(key) is flight:
                del self._flights[key]


async def pause(scope: Scope, seconds: float) -> None:
    """Waits in the way of whatever runs here, and not beyond the time of the call.

    Raises:
        DeadlineError: The time is up.
        CancelledError: The call was cancelled.
    """
    left = time_left(scope)
    if left <= 0:
        raise late()
    await Latch().wait(scope, min(seconds, left))


def late() -> DeadlineError:
    """The error of a call whose time ran out while it waited for another one's answer."""
    return DeadlineError("no answer in time: an identical request was still being answered", phase="total")


def _concerns_others(error: BaseException) -> bool:
    """Whether it is about the request and the model, and not about who asked.

    A provider's failure is shared: it came after every retry, and who waited would only meet it one after the other.
    """
    if isinstance(error, CancelledError | DeadlineError | BudgetError):
        return False
    if isinstance(error, RouteError):
        return not any(attempt.error in ("DeadlineError", "CancelledError") for attempt in error.attempts)
    return isinstance(error, InferailError)


def own(error: InferailError) -> InferailError:
    """The same error for another call, which made no attempt: what was spent is not counted twice."""
    told = copy.copy(error)
    if isinstance(told, RequestError):
        told.attempts = ()
        told.partial = None
    return told
