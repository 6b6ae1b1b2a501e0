"""The part of `_core.pyi` that describes limits and budgets. There is no such module: import from `inferail.core`."""

from collections.abc import Sequence as _Many
from typing import Literal, TypeAlias, final

_Unit: TypeAlias = Literal["requests", "tokens", "micros", "calls"]
_Outcome: TypeAlias = Literal["succeeded", "limited", "failed", "unknown"]

@final
class Limiter:
    """Several limits at once: reserve what a call may consume, settle to what it did.

        limiter = Limiter([("requests", 60, 60.0, 0), ("tokens", 90_000, 60.0, 0), ("calls", 8, 60.0, 0)])
        got = limiter.reserve(now, tokens=1_200)
        if isinstance(got, Reservation):
            ...
            limiter.settle(got, now, tokens=734)

    A reservation is charged to every limit or to none. While a call runs it counts with what it reserved, afterwards with
    what it consumed. In **any** window of a limit, wherever it begins, what calls reserved never exceeds the limit, and
    what they consumed exceeds it at most by the sum of what calls consumed beyond their own reservations. The error is on
    the safe side: a charge counts up to 1/60 of the window too long.

    Moments are seconds on any clock that does not go back. Memory is constant for each key of the last window; a
    reservation and its settlement take about a microsecond. Thread-safe: one lock.
    """

    def __new__(cls, limits: _Many[tuple[_Unit, int, float, int]]) -> Limiter:
        """Limits that nothing is charged to yet.

        Args:
            limits: For each what is counted, the most of it, in how many seconds (`math.inf` is ever; of no meaning for
                `calls`, which counts those that run), and its group: which of the keys says whose account it is.

        Raises:
            ConfigError: An unknown unit, a window that is not positive, or a group above 3.
        """
    def reserve(
        self,
        now: float,
        /,
        *,
        requests: int = 1,
        tokens: int = 0,
        micros: int = 0,
        keys: _Many[str] | None = None,
        ttl: float = 600.0,
    ) -> Reservation | Refusal:
        """Reserves for every limit, or says which one has no room.

        Args:
            now: The moment.
            requests: How many requests the call makes.
            tokens: The most that it may consume: the prompt and the longest answer.
            micros: The most that it may cost, in millionths of a dollar.
            keys: Whose accounts are charged, one key for each group; one that is missing is the empty key.
            ttl: Seconds after which a reservation that nobody settled returns.

        Raises:
            ConfigError: `now` is not finite, or `ttl` not positive.
        """
    def settle(
        self, reservation: Reservation, now: float, /, *, requests: int = 1, tokens: int = 0, micros: int = 0
    ) -> bool:
        """Charges what a call consumed instead of what it reserved; a second time does nothing.

        What a call consumed whose reservation had expired is charged too.

        Returns:
            Whether the reservation was still held.

        Raises:
            ConfigError: `now` is not finite.
        """
    def release(self, reservation: Reservation, now: float, /) -> bool:
        """Returns what was reserved for a call that was not made; whether it was still held."""
    def used(self, limit: int, now: float, /, *, key: str = "") -> tuple[int, int]:
        """What is charged to a limit on the account of a key, and how much of it calls that run have reserved.

        Raises:
            ConfigError: There is no limit of this number.
        """
    def change(self, limit: int, most: int, /) -> None:
        """Changes how much a limit allows from now on; what is charged stays.

        Raises:
            ConfigError: There is no limit of this number.
        """
    @property
    def open(self) -> int:
        """How many reservations are held."""
    @property
    def accounts(self) -> int:
        """How many accounts are kept; those that nothing counts against any more are forgotten in time."""

@final
class Reservation:
    """What a `Limiter` reserved."""

    @property
    def ended(self) -> bool:
        """Whether it was settled or released."""

@final
class Refusal:
    """Why a `Limiter` reserved nothing."""

    @property
    def limit(self) -> int:
        """Number of the limit that takes longest to have room."""
    @property
    def retry_after(self) -> float | None:
        """Seconds until it surely has room.

        Infinite for never, None where only the end of another call makes room. Any call that ends may make it earlier.
        """
    @property
    def used(self) -> int:
        """What is charged to the limit."""
    @property
    def held(self) -> int:
        """How much of that is reserved by calls that have not ended."""

@final
class AdaptiveConcurrency:
    """A limit on concurrent calls that finds out how many a provider bears.

    It begins with slow start, which doubles the limit in a round of calls, until the first 429; from then on a round adds one and a
    429 leaves 0.85 of it. Calls that were under way at a cut do not cut again. A failure of the server pauses growth for
    five seconds and shrinks nothing. A limit that is not used does not grow. Thread-safe.
    """

    def __new__(cls, *, initial: float = 8.0, minimum: float = 1.0, maximum: float = 1024.0) -> AdaptiveConcurrency:
        """Begins at `initial` and stays between the two others.

        Raises:
            ConfigError: Not 1 <= minimum <= initial <= maximum.
        """
    def acquire(self) -> bool:
        """Begins a call, if one more is allowed."""
    def release(self, outcome: _Outcome, started: float, now: float, /) -> None:
        """Ends a call.

        Args:
            outcome: `limited` is a 429, `failed` the server's failure, `unknown` what tells nothing: a wrong request, a call
                that was cancelled or not made.
            started: When it began.
            now: The moment.

        Raises:
            ConfigError: An unknown outcome, or a moment that is not finite.
        """
    @property
    def limit(self) -> int:
        """How many calls may run."""
    @property
    def in_flight(self) -> int:
        """How many do."""

@final
class RetryBudget:
    """How much retries, or hedges, may add across all requests: a share of them, and of money.

    Over any stretch of `t` seconds with `n` requests it allows at most `burst + ratio * n + minimum_per_second * t`
    further ones. Share one object among everything that asks the same provider. Thread-safe.
    """

    def __new__(
        cls,
        ratio: float = 0.1,
        *,
        minimum_per_second: float = 0.1,
        burst: float = 10.0,
        usd_per_day: float | None = None,
    ) -> RetryBudget:
        """A budget that is full.

        Args:
            ratio: Further requests for each one.
            minimum_per_second: Further requests a second of a caller that makes few.
            burst: The most that is saved up, 1 or more.
            usd_per_day: None of them is made once they cost so much in 24 hours; those that run then may exceed it by what
                they cost. None is no limit.

        Raises:
            ConfigError: A number that is negative or not finite.
        """
    def deposit(self, now: float | None = None) -> None:
        """A request was made for the first time. `now` is by default the moment on `time.monotonic`."""
    def withdraw(self, now: float | None = None) -> bool:
        """Whether one more may be made; then it is counted."""
    def spend(self, usd: float, now: float | None = None) -> None:
        """What one of them cost.

        Raises:
            ConfigError: Not a number of dollars.
        """
    @property
    def balance(self) -> float:
        """How many could be made now."""

@final
class WaitQueue:
    """Who waits, in the order in which they are served: bounded, by priority, and nobody for ever.

    The order is that of `entered + priority * ageing`: whoever waits is overtaken only by those who come within
    `priority * ageing` seconds after him. A queue that is full refuses whoever would be its last, and puts out its last
    for whoever would not. Each method takes O(log n). Thread-safe.
    """

    def __new__(cls, capacity: int, *, ageing: float = 10.0) -> WaitQueue:
        """An empty queue; a step of priority is worth `ageing` seconds of waiting.

        Raises:
            ConfigError: `ageing` is negative or not finite.
        """
    def push(self, now: float, /, *, priority: int = 0) -> tuple[int, int | None] | None:
        """Enters; 0 is the most important.

        Returns:
            The ticket, and the one that was put out for it if any; None where the queue is full of more important ones.

        Raises:
            ConfigError: `now` is not finite.
        """
    def first(self) -> int | None:
        """The ticket that is served next."""
    def after(self, ticket: int, /) -> int | None:
        """The ticket that is served after this one; None also if this one does not wait."""
    def is_before(self, one: int, other: int, /) -> bool:
        """Whether one ticket is served before the other; False if either does not wait."""
    def remove(self, ticket: int, /) -> bool:
        """Leaves, served or not; whether it waited."""
    def __len__(self) -> int: ...
