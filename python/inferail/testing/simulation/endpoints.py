"""What a simulated endpoint is like: its latencies, errors, limits, outages and prices; stated, or fitted from Records."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from inferail.errors import (
    AuthenticationError,
    ConfigError,
    ConnectError,
    ContentFilteredError,
    ContextLengthError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitError,
    RequestError,
    ServerError,
    TransportError,
)
from inferail.telemetry.prices import Price, PriceTable
from inferail.testing.simulation.distributions import Tailed

__all__ = ["BREAKS", "SILENT", "Endpoint", "Kind", "Observed", "Outage", "error_of"]

Kind: TypeAlias = Literal["down", "silent", "slow"]
# Errors that are no answer: a stream that breaks off in the middle, and silence until whoever asked gives up.
BREAKS: Final = "StreamError"
SILENT: Final = "DeadlineError"

_PACE: Final = Tailed(0.01)
_SAID: Final = "the simulated endpoint failed"
_ERRORS: Final[Mapping[str, Callable[[], RequestError]]] = {
    "AuthenticationError": lambda: AuthenticationError(_SAID, status_code=401),
    "ConnectError": lambda: ConnectError(_SAID),
    "ContentFilteredError": lambda: ContentFilteredError(_SAID, status_code=400),
    "ContextLengthError": lambda: ContextLengthError(_SAID, status_code=400),
    "InvalidRequestError": lambda: InvalidRequestError(_SAID, status_code=400),
    "NotFoundError": lambda: NotFoundError(_SAID, status_code=404),
    "OverloadedError": lambda: OverloadedError(_SAID, status_code=503),
    "PermissionDeniedError": lambda: PermissionDeniedError(_SAID, status_code=403),
    "RateLimitError": lambda: RateLimitError(_SAID, retry_after=1.0, status_code=429),
    "ServerError": lambda: ServerError(_SAID, status_code=500),
    "TransportError": lambda: TransportError(_SAID),
}


def error_of(name: str) -> RequestError:
    """An error of that class, as a provider would have answered; a ServerError for a class that no endpoint raises."""
    return _ERRORS.get(name, _ERRORS["ServerError"])()


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which an endpoint does not do what it usually does.

    Attributes:
        starts: Seconds since the first call.
        ends: When it is over.
        kind: `down` (503 at once), `silent` (no answer at all) or `slow` (everything takes `factor` times as long).
        factor: For `slow`.
    """

    starts: float
    ends: float
    kind: Kind = "down"
    factor: float = 10.0

    def __post_init__(self) -> None:
        if not 0 <= self.starts < self.ends:
            raise ConfigError(f"an outage starts before it ends, not at {self.starts!r} and {self.ends!r}")
        if not (math.isfinite(self.factor) and self.factor > 0):
            raise ConfigError(f"the factor of an outage is a positive number, not {self.factor!r}")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A provider's model as a simulation has it.

    Attributes:
        name: `provider:model`.
        first_token: Seconds to the first content.
        seconds_per_token: Of the tokens after it. Each answer has a pace of its own.
        price: What it costs; None is the table's price for the name, which may be unknown.
        errors: Shares of the attempts that end so, by class name; `StreamError` breaks off in the middle, `DeadlineError`
            never answers.
        capacity: Calls at a time up to which it is as fast as that; None is no bound.
        slowdown: With more of them it takes `(calls / capacity) ** slowdown` times as long.
        requests_per_minute: Past it the answer is 429; None is no limit.
        outages: When it does not do what it usually does.
        verbosity: Its answers are so many times as long as those of the trace.
    """

    name: str
    first_token: Tailed
    seconds_per_token: Tailed = _PACE
    price: Price | None = None
    errors: Mapping[str, float] = field(default_factory=dict[str, float])
    capacity: int | None = None
    slowdown: float = 1.0
    requests_per_minute: float | None = None
    outages: tuple[Outage, ...] = ()
    verbosity: float = 1.0

    def __post_init__(self) -> None:
        provider, colon, model = self.name.partition(":")
        if not (provider and colon and model):
            raise ConfigError(
                f"an endpoint is named provider:model, for example 'openai:gpt-5-mini', not {self.name!r}"
            )
        if any(not 0 <= share <= 1 for share in self.errors.values()) or sum(self.errors.values()) > 1:
            raise ConfigError(f"the errors of {self.name} are shares from 0 to 1, together at most 1")
        known = sorted({*_ERRORS, BREAKS, SILENT})
        if strange := sorted(self.errors.keys() - set(known)):
            raise ConfigError(f"{self.name} cannot fail with {strange[0]!r}: the errors are {', '.join(known)}")

    @property
    def provider(self) -> str:
        """Before the colon."""
        return self.name.partition(":")[0]

    @property
    def model(self) -> str:
        """Behind it."""
        return self.name.partition(":")[2]

    def priced(self) -> Price | None:
        """Its own price or the table's; None where neither is known."""
        return self.price if self.price is not None else PriceTable.bundled().find(self.provider, self.model)

    def outage(self, now: float) -> Outage | None:
        """The outage of the moment, if there is one."""
        return next((each for each in self.outages if each.starts <= now < each.ends), None)

    def typical(self, output_tokens: float) -> float:
        """Seconds that an answer of that length takes where nothing is wrong: medians."""
        return self.first_token.median + output_tokens * self.verbosity * self.seconds_per_token.median


@dataclass(slots=True)
class Observed:
    """What the Records of a trace say of one `provider:model`.

    Attributes:
        first_tokens: Seconds to the first content, of streams that were answered.
        paces: Seconds per token after it.
        totals: Seconds of whole answers that were not streamed.
        errors: How often each class of error ended an attempt.
        attempts: All of them, but those that were cancelled.
    """

    first_tokens: list[float] = field(default_factory=list[float])
    paces: list[float] = field(default_factory=list[float])
    totals: list[float] = field(default_factory=list[float])
    errors: Counter[str] = field(default_factory=Counter[str])
    attempts: int = 0

    def endpoint(self, name: str, **stated: Any) -> Endpoint:
        """The endpoint that behaves like it; what is `stated` (a field of `Endpoint`) goes before what was observed.

        Where nothing was streamed a whole answer comes at once, after the time that whole answers took.

        Raises:
            ConfigError: No attempt was answered, so nothing is known of its latency.
        """
        found: dict[str, Any] = {}
        if self.first_tokens:
            found["first_token"] = Tailed.fit(self.first_tokens)
            if any(pace > 0 for pace in self.paces):
                found["seconds_per_token"] = Tailed.fit(self.paces)
        elif self.totals:
            found["first_token"], found["seconds_per_token"] = Tailed.fit(self.totals), Tailed(1e-6)
        elif "first_token" not in stated:
            raise ConfigError(
                f'the trace has no answer of {name}, so its latency is unknown: state it in [endpoints."{name}"]'
            )
        errors: Counter[str] = Counter()
        for kind, count in self.errors.items():
            errors[kind if kind in _ERRORS or kind in (BREAKS, SILENT) else "ServerError"] += count
        found["errors"] = {kind: count / self.attempts for kind, count in errors.items()} if self.attempts else {}
        return Endpoint(name, **{**found, **stated})
