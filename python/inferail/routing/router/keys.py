"""Several keys of one model: the next one is used when a key has reached its limit or is refused."""

from __future__ import annotations

import math
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from inferail.errors import (
    AuthenticationError,
    CapacityError,
    ConfigError,
    PermissionDeniedError,
    RateLimitError,
    RequestError,
)
from inferail.routing.router.streams import Opened
from inferail.transport.clock import clock_of
from inferail.transport.retries import RetryPolicy
from inferail.types.registry import resolve
from inferail.types.scope import current_scope

if TYPE_CHECKING:
    from inferail.types.model import DeltaStream, Model, ModelInfo
    from inferail.types.request import Request
    from inferail.types.response import Attempt, Response
    from inferail.types.scope import Scope

__all__ = ["KeyPool", "Keyed", "keyed"]

ResultT = TypeVar("ResultT")
_OF_THE_KEY: Final = (RateLimitError, AuthenticationError, PermissionDeniedError)


class KeyPool:
    """Keys, who uses them, and which rest. Thread-safe. It never shows a key: not in `repr`, errors or records."""

    def __init__(self, keys: Sequence[str], *, cooldown: float = 30.0, refused_cooldown: float = 600.0) -> None:
        """Takes the keys.

        Args:
            keys: One or more, all different.
            cooldown: Seconds that a key rests after a 429 that names no time of its own.
            refused_cooldown: Seconds that a key rests after 401, 402 or 403.

        Raises:
            ConfigError: No key, an empty one, or one twice.
        """
        if isinstance(keys, str) or not keys or not all(isinstance(key, str) and key.strip() for key in keys):
            raise ConfigError("a KeyPool takes a list of keys, none of them empty")
        if len(set(keys)) != len(keys):
            raise ConfigError("a KeyPool has the same key twice")
        self._keys = tuple(keys)
        self._cooldown, self._refused_cooldown = cooldown, refused_cooldown
        self._lock = threading.Lock()
        self._busy = [0] * len(keys)
        self._turn = [0] * len(keys)
        self._ready = [-math.inf] * len(keys)
        self._count = 0

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"KeyPool({len(self)} keys)"

    def each(self, make: Callable[[str], ResultT]) -> list[ResultT]:
        """What `make` gives for each key."""
        return [make(key) for key in self._keys]

    def take(self, now: float, without: set[int]) -> int | None:
        """The number of the key with the fewest calls, of those the one unused for longest; None if all others rest."""
        with self._lock:
            free = [n for n in range(len(self._keys)) if n not in without and self._ready[n] <= now]
            if not free:
                return None
            number = min(free, key=lambda n: (self._busy[n], self._turn[n]))
            self._busy[number] += 1
            self._count += 1
            self._turn[number] = self._count
            return number

    def give_back(self, number: int) -> None:
        """The call with that key has ended."""
        with self._lock:
            self._busy[number] -= 1

    def rest(self, number: int, now: float, error: RequestError) -> None:
        """Lets a key rest after an error that is its own."""
        asked: float | None = getattr(error, "retry_after", None)
        pause = self._cooldown if isinstance(error, RateLimitError) else self._refused_cooldown
        self._ready[number] = now + (pause if asked is None else asked)

    def ready_at(self) -> float:
        """When the first key is free again; -inf if one has never rested."""
        return min(self._ready)

    def spare(self, now: float) -> bool:
        """Whether more than one key is free."""
        return sum(ready <= now for ready in self._ready) > 1


@dataclass(frozen=True, slots=True)
class _RotatingRetries(RetryPolicy):
    """The usual retries, except that nobody waits for a key that was refused: the next key is asked at once."""

    def delay(self, attempt: int, error: BaseException, *rest: Any, **more: Any) -> float | None:
        """None for what is the key's fault; otherwise the usual wait."""
        return None if isinstance(error, _OF_THE_KEY) else RetryPolicy.delay(self, attempt, error, *rest, **more)


class Keyed:
    """One model with several keys, as a Model.

    429, 401, 402 and 403 are the fault of a key: it rests and the next one is asked at once. A key that has reached a limit
    of ours (`CapacityError`) is passed over. Everything else is the provider's fault and raised, for whoever has another.

    Attributes:
        name: `provider:model`.
        provider: Who is asked.
        model: The provider's name of the model.
        prices: Prices of its own, if it has some.
        pool: The keys.
        targets: One for each key.
    """

    def __init__(
        self, model: str, pool: KeyPool, *, each: Callable[[Any], Model] | None = None, **options: Any
    ) -> None:
        """Makes one target per key; the options are those of `keyed`."""
        retries = options.pop("retries", 3)
        policy = retries if isinstance(retries, RetryPolicy) else RetryPolicy(retries=retries)
        rotating = _RotatingRetries(**{name: getattr(policy, name) for name in RetryPolicy.__dataclass_fields__})
        self.pool = pool
        self.targets: list[Any] = pool.each(lambda key: resolve(model, api_key=key, retries=rotating, **options))
        self._asked: list[Model] = self.targets if each is None else [each(target) for target in self.targets]
        first = self.targets[0]
        self.name: str = first.name
        self.provider: str = first.provider
        self.model: str = first.model
        self.prices: Any = first.prices

    def __repr__(self) -> str:
        return f"Keyed({self.name!r}, {self.pool!r})"

    async def generate(self, request: Request) -> Response[Any]:
        """The whole answer.

        Raises:
            RateLimitError: Every key rests; `.retry_after` says how long.
            CapacityError: Every key has reached a limit of ours.
            RequestError: What the last key, or the provider, answered.
        """

        async def ask(target: Model, number: int) -> Response[Any]:
            try:
                return await target.generate(request)
            finally:
                self.pool.give_back(number)

        response, earlier = await self._rotate(ask, current_scope())
        return replace(response, attempts=(*earlier, *response.attempts)) if earlier else response

    def stream(self, request: Request) -> Opened:
        """The answer while it arrives, by the first key that is accepted."""
        scope = current_scope()
        taken: list[int] = []

        async def ask(target: Model, number: int) -> DeltaStream:
            stream = target.stream(request)
            try:
                await stream.__aenter__()
            except BaseException:
                self.pool.give_back(number)
                raise
            taken.append(number)
            return stream

        async def opening() -> tuple[DeltaStream, tuple[Attempt, ...]]:
            with scope.enter():
                return await self._rotate(ask, scope)

        async def ended(*_: Any) -> None:
            self.pool.give_back(taken.pop())

        return Opened(opening, ended)

    async def _rotate(
        self, ask: Callable[[Model, int], Awaitable[ResultT]], scope: Scope
    ) -> tuple[ResultT, tuple[Attempt, ...]]:
        clock = clock_of(scope)
        tried: set[int] = set()
        attempts: tuple[Attempt, ...] = ()
        last: RequestError | CapacityError | None = None
        while (number := self.pool.take(clock.now(), tried)) is not None:
            tried.add(number)
            try:
                with scope.but(reason="retry" if last is not None else scope.reason).enter():
                    return await ask(self._asked[number], number), attempts
            except CapacityError as error:
                last = error
            except _OF_THE_KEY as error:
                self.pool.rest(number, clock.now(), error)
                attempts = (*attempts, *error.attempts)
                last = error
            except RequestError as error:
                error.attempts = (*attempts, *error.attempts)
                raise
        if last is None:
            wait = max(0.0, self.pool.ready_at() - clock.now())
            last = RateLimitError(
                f"every key rests; the first is free in {wait:.1f} s",
                retry_after=wait, provider=self.provider, model=self.model,
            )  # fmt: skip
        if isinstance(last, RequestError):
            last.attempts = attempts
        raise last

    def explain(self, request: Request, *, stream: bool = False) -> str:
        """What would be sent, with whichever key."""
        text: str = self.targets[0].explain(request, stream=stream)
        return f"# {self.name}: with one of {len(self.pool)} keys\n{text}"

    async def list_models(self, limit: int = 1000) -> list[ModelInfo]:
        """What the provider has."""
        found: list[ModelInfo] = await self.targets[0].list_models(limit)
        return found

    async def warm(self, connections: int = 1) -> None:
        """Makes connections; they are the same whatever the key."""
        await self.targets[0].warm(connections)

    async def aclose(self) -> None:
        """Closes what the targets opened for themselves."""
        for target in self.targets:
            await target.aclose()


def keyed(
    model: str, keys: KeyPool | Sequence[str], *, each: Callable[[Any], Model] | None = None, **options: Any
) -> Keyed:
    """A model with several keys: `keyed("openai:gpt-5", keys=[…])`.

    Args:
        model: `provider:model`.
        keys: The keys, or a `KeyPool` of them.
        each: Makes something else of the target of each key, for example a limit per key that refuses instead of letting
            calls wait: `lambda target: ir.Limited(target, ir.Limits(requests_per_minute=60), queue=0)`.
        options: Of `Target`.

    Raises:
        ConfigError: As `KeyPool` and `Target`.
    """
    return Keyed(model, keys if isinstance(keys, KeyPool) else KeyPool(keys), each=each, **options)
