"""Who asks the model, when many ask the same: one at a time, in this process and in all that share the store."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from inferail.cache.admission import why_not
from inferail.cache.counting import Tally
from inferail.cache.policy import Found, Missed
from inferail.cache.sharing.flights import Flight, Flights, own, pause
from inferail.errors import ConfigError, ProviderError
from inferail.store.leases import Keeper

if TYPE_CHECKING:
    from inferail.cache.policy import CachePolicy
    from inferail.store.leases import Lease
    from inferail.store.protocol import Store
    from inferail.types.request import Request
    from inferail.types.response import Response
    from inferail.types.scope import Scope

__all__ = ["Turn", "Turns"]

_LOGGER = logging.getLogger("inferail.cache")
_LEASE = 5.0  # seconds after which others take over from a process that died
_FIRST_LOOK, _LAST_LOOK = 0.005, 0.1  # seconds between looks at what another process is doing
_OPTIONS = ("no-cache", "refresh")


class Turn:
    """The right to ask the model, and the duty to tell how it ended: `finish` or `fail`, once.

    Attributes:
        ended: Whether that was told.
    """

    __slots__ = ("_flight", "_lease", "_missed", "_request", "_turns", "ended")

    def __init__(
        self, turns: Turns, request: Request, missed: Missed | None, flight: Flight | None, lease: Lease | None
    ) -> None:
        self.ended = False
        self._turns = turns
        self._request = request
        self._missed = missed  # None: nothing is kept
        self._flight = flight
        self._lease = lease

    async def finish(self, response: Response[Any]) -> None:
        """A whole answer came: it is kept, if it may be, and whoever waits gets it."""
        self.ended = True
        try:
            if self._missed is not None:
                await self._turns.keep(self._request, self._missed, response)
        finally:
            if self._flight is not None:
                self._flight.land(response)
            self._release()

    async def fail(self, error: BaseException) -> None:
        """None came: whoever waits gets the error, or asks again if it was this call's own."""
        self.ended = True
        try:
            if self._missed is not None and isinstance(error, ProviderError):
                await self._turns.keep_error(self._request, self._missed, error)
        finally:
            if self._flight is not None:
                self._flight.fail(error)
            self._release()

    def held(self) -> None:
        """A piece of the stream is in the hands of its reader."""
        if self._flight is not None:
            self._flight.held()

    def read(self) -> None:
        """The reader has come back for more."""
        if self._flight is not None:
            self._flight.read()

    def _release(self) -> None:
        if self._lease is not None:
            self._turns.release(self._lease)


class Turns:
    """Gives turns for the requests of one `Cached`. Thread-safe.

    Attributes:
        tally: What is counted here: coalesced requests, refused answers, failures of the policy.
    """

    def __init__(self, policy: CachePolicy, model: str) -> None:
        self.tally = Tally()
        self._policy = policy
        self._model = model
        self._flights = Flights()
        store: Store | None = getattr(policy, "store", None)
        self._store = store if store is not None and store.shared else None
        self._keeper = None if self._store is None else Keeper(self._store, _LEASE)

    async def take(self, request: Request, scope: Scope) -> Found | Response[Any] | Turn:
        """A kept answer, the answer of an identical request that was under way, or the turn to ask.

        Raises:
            RequestError: An identical request failed meanwhile, or its failure is remembered.
            ConfigError: The label `cache` has an unknown value.
        """
        landed = self._flights.landed
        option = _option(request, scope) if request.labels or scope.labels else None
        if option == "no-cache":
            return Turn(self, request, None, None, None)
        try:
            found = await self._policy.find(request, self._model)
        except Exception as error:  # noqa: BLE001 - a cache that fails is one that is not there
            self.failed(error)
            return Turn(self, request, None, None, None)
        if option == "refresh":
            return Turn(self, request, Missed(found.key), None, None)
        if type(found) is Found:
            return found
        assert isinstance(found, Missed)  # noqa: S101 - the protocol's other answer
        if found.error is not None:
            raise own(found.error)
        return await self._join(request, found, scope, landed)

    async def alone(self, request: Request, key: str) -> Turn | None:
        """The turn to refresh an answer; None where that is being done, or was done just now."""
        flight, first = self._flights.join(f"refresh:{key}")
        if not first:
            return None
        missed, lease = Missed(key), None
        try:
            if self._store is not None and (lease := await self._acquire(f"refresh:{key}", flight)) is None:
                flight.fail(GeneratorExit())
                return None
            found = await self._again(request, missed)
        except BaseException as error:
            flight.fail(error)
            if lease is not None:
                self.release(lease)
            raise
        turn = Turn(self, request, missed, flight, lease)
        if found is not None:
            await turn.fail(GeneratorExit())
            return None
        return turn

    async def keep(self, request: Request, missed: Missed, response: Response[Any]) -> None:
        """Keeps an answer, if it may be kept."""
        reason = why_not(request, response)
        if reason is not None:
            self.tally.refused(reason)
            return
        try:
            await self._policy.keep(request, self._model, missed, response)
        except Exception as error:  # noqa: BLE001 - the answer is there all the same
            self.failed(error)

    async def keep_error(self, request: Request, missed: Missed, error: ProviderError) -> None:
        """Tells a policy that wants to know of a failure."""
        keep_error = getattr(self._policy, "keep_error", None)
        if keep_error is None:
            return
        try:
            await keep_error(request, self._model, missed, error)
        except Exception as failure:  # noqa: BLE001
            self.failed(failure)

    def release(self, lease: Lease) -> None:
        """Gives a lease back."""
        if self._keeper is not None:
            self._keeper.release(lease)

    def failed(self, error: Exception) -> None:
        """Counts a failure of the policy or its store; logs the first one by its class, for its text may quote a prompt."""
        if self.tally.failed():
            _LOGGER.warning(
                "the cache failed (%s) and the model is asked without it; this is said once, failures are counted",
                type(error).__name__,
            )

    async def _join(self, request: Request, missed: Missed, scope: Scope, landed: int) -> Found | Response[Any] | Turn:
        while True:
            flight, first = self._flights.join(missed.key)
            if first:
                break
            response = await flight.wait(scope)
            if response is not None:
                self.tally.coalesced(response.usage)
                return response
        lease: Lease | None = None
        try:
            found = None
            if self._store is not None:
                lease, found = await self._lead(request, missed, scope, flight)
            elif self._flights.landed != landed:  # the answer may have come after it was looked for
                found = await self._again(request, missed)
            if found is not None:
                self.tally.coalesced(found.response.usage)
                flight.land(found.response)
                return found
        except BaseException as error:
            flight.fail(error)
            if lease is not None:
                self.release(lease)
            raise
        return Turn(self, request, missed, flight, lease)

    async def _lead(
        self, request: Request, missed: Missed, scope: Scope, flight: Flight
    ) -> tuple[Lease | None, Found | None]:
        """The lease among processes, or the answer that one of them has got meanwhile."""
        wait = _FIRST_LOOK
        while True:
            try:
                lease = await self._acquire(missed.key, flight)
            except Exception as error:  # noqa: BLE001 - then each process asks for itself
                self.failed(error)
                return None, None
            found = await self._again(request, missed)
            if found is not None and lease is not None:
                self.release(lease)
                return None, found
            if found is not None or lease is not None:
                return lease, found
            await pause(scope, wait)
            wait = min(wait * 1.5, _LAST_LOOK)

    async def _acquire(self, key: str, flight: Flight) -> Lease | None:
        assert self._store is not None and self._keeper is not None  # noqa: S101, PT018 - asked for shared stores only
        lease = await self._store.acquire(f"{self._policy.name}:{key}", _LEASE)
        if lease is not None:
            # Others may take over from a stream whose reader does not come back.
            self._keeper.hold(lease, lambda: not flight.stalled)
        return lease

    async def _again(self, request: Request, missed: Missed) -> Found | None:
        again = getattr(self._policy, "again", None)
        try:
            found = await (again(request, self._model, missed) if again else self._policy.find(request, self._model))
        except Exception as error:  # noqa: BLE001
            self.failed(error)
            return None
        return found if isinstance(found, Found) and found.fresh else None


def _option(request: Request, scope: Scope) -> str | None:
    option = request.labels.get("cache", scope.labels.get("cache"))
    if option is not None and option not in _OPTIONS:
        raise ConfigError(f"the label 'cache' is 'no-cache' or 'refresh', not {option!r}")
    return option
