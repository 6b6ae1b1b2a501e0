"""The part of `_core.pyi` that describes hot-path decisions. There is no such module: import from `inferail.core`."""

from collections.abc import Sequence
from typing import Any, Literal, TypedDict, final

class _Health(TypedDict):
    state: Literal["closed", "open", "half_open", "slow"]
    ready_in: float
    in_flight: int
    calls: int
    failures: int
    mean: float
    first_token_p50: float | None
    first_token_p95: float | None
    whole_p50: float | None
    whole_p95: float | None

@final
class EndpointHealth:
    """How one endpoint (a key of a model at an address) is doing: may it be asked, how busy is it, how long does it take.

    Moments are seconds on one monotonic clock, whichever. Thread-safe.

    A circuit breaker leaves it alone after `failures` failures in a row, or where `share` of at least `calls` calls of the
    last one to two `window`s failed: for `cooldown` seconds, doubled each time that its one call afterwards fails, up to
    `longest`. A rate limit is obeyed at once. Answers `slow` times slower than its own median, three in a row, let others be
    asked first. Latencies are kept as quantiles with a relative error of 1 %, by the length of the prompt, and halve their
    weight in `half_life` seconds.
    """

    def __new__(
        cls,
        *,
        failures: int = 3,
        share: float = 0.5,
        calls: int = 10,
        window: float = 15.0,
        cooldown: float = 2.0,
        longest: float = 60.0,
        slow: float = 5.0,
        half_life: float = 300.0,
    ) -> EndpointHealth: ...
    def started(self, now: float, /) -> None: ...
    def succeeded(
        self, now: float, /, *, total: float, first_token: float | None = None, input_tokens: int = 0
    ) -> None: ...
    def failed(
        self,
        now: float,
        /,
        *,
        kind: Literal["error", "timeout", "rate_limit", "unusable", "refused"] = "error",
        total: float = 0.0,
        retry_after: float | None = None,
    ) -> None: ...
    def abandoned(self, now: float, /, *, total: float = 0.0) -> None: ...
    def available(self, now: float, /) -> bool: ...
    def ready_at(self, now: float, /) -> float: ...
    def state(self, now: float, /) -> Literal["closed", "open", "half_open", "slow"]: ...
    @property
    def in_flight(self) -> int: ...
    def quantile(
        self, q: float, /, *, streamed: bool = True, input_tokens: int = 0, minimum: int = 20
    ) -> float | None: ...
    def peak_ewma(self, now: float, /) -> float: ...
    def load(self, now: float, /) -> float: ...
    def snapshot(self, now: float, /) -> _Health: ...

def pick(
    endpoints: Sequence[EndpointHealth],
    /,
    now: float,
    strategy: Literal["least_busy", "peak_ewma", "weighted"] = "peak_ewma",
    *,
    weights: Sequence[float] | None = None,
    draw: float = 0.0,
) -> int | None: ...

@final
class RecordRing:
    """A bounded queue of objects between those who record and the one who writes them down. Thread-safe.

    A push is some 50 ns, and wakes the one who takes only where that one sleeps. Not for sharing between processes.
    """

    def __new__(cls, capacity: int = 65_536) -> RecordRing:
        """An empty queue.

        Raises:
            ConfigError: `capacity` is 0.
        """

    def push(self, record: object, /) -> bool:
        """Takes in one object; False where it is full or closed. Never waits."""

    def push_within(self, record: object, timeout: float, /) -> bool:
        """Takes in one object, waiting up to `timeout` seconds for room; False where none came, or it is closed."""

    def take(self, most: int, /, timeout: float, linger: float = 0.0) -> list[Any]:
        """Up to `most` objects, oldest first; an empty list where none came within `timeout` seconds, or it is closed.

        Args:
            most: At most so many.
            timeout: Seconds to wait for the first one.
            linger: Seconds to wait for `most` of them, once there is one.
        """

    def nudge(self) -> None:
        """Lets the one who takes, or the next one who does, not wait any longer."""

    def close(self) -> None:
        """Refuses everything from now on; what is in it can still be taken."""

    @property
    def closed(self) -> bool:
        """Whether it was closed."""

    @property
    def capacity(self) -> int:
        """How many objects can wait."""

    @property
    def pushed(self) -> int:
        """How many objects were taken in."""

    @property
    def taken(self) -> int:
        """How many objects were given out."""

    @property
    def refused(self) -> int:
        """How many pushes were refused, each try counted."""

    def __len__(self) -> int:
        """How many objects wait."""
