"""Which failures are worth another attempt, and how long to wait before it."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from inferail.errors import (
    ConfigError,
    ConnectError,
    DeadlineError,
    OverloadedError,
    ProviderError,
    RateLimitError,
    ServerError,
    TransportError,
)

__all__ = ["Allowance", "RetryPolicy", "Uniform", "duration", "retry_after"]

_SECONDS = re.compile(r"\d+(?:\.\d*)?\Z", re.ASCII)
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:h|ms|m|s|us|µs|ns))+\Z", re.ASCII)
_DURATION_PIECE = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)", re.ASCII)
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class Uniform(Protocol):
    """Source of randomness, for example `random.Random`."""

    def uniform(self, a: float, b: float, /) -> float:
        """A number between `a` and `b`."""
        ...


class Allowance(Protocol):
    """What all the calls that share it may add together, for example `inferail.core.RetryBudget`."""

    def deposit(self) -> None:
        """A request was made for the first time."""
        ...

    def withdraw(self) -> bool:
        """Whether one more may be made; then it is counted."""
        ...


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter; a server's `Retry-After` is obeyed.

    Before retry n (1 is the first) it waits a random time between 0 and `min(cap, base * 2 ** (n - 1))` seconds
    ("full jitter": clients that failed together do not come back together), and never less than the server asked for.

    Retried are 429, 503 and 529, other 5xx, connections that could not be made, and connections that broke before any
    response header had come. In the last case the provider may have worked on the request already: a completion has
    no side effect, so a second one costs money at worst. Not retried are other 4xx, deadlines other than that for
    connecting, and answers that broke after their headers (an alternative target may still be asked). The response
    header `x-should-retry` overrules all of this for a provider's own errors.

    Attributes:
        retries: How many more attempts after the first.
        base: Upper end of the first wait, in seconds.
        cap: Upper end of any wait of our own, in seconds.
        retry_after_cap: The longest wait a server may ask for; above it there is no retry.
        budget: Bounds the retries of everything that shares it, for example `RetryBudget(ratio=0.1)`: where a provider is
            down, retries of single calls would multiply its load. One with `spend` also hears what retries cost.
    """

    retries: int = 3
    base: float = 0.5
    cap: float = 8.0
    retry_after_cap: float = 120.0
    budget: Allowance | None = None

    def __post_init__(self) -> None:
        _check("retries", self.retries, whole=True)
        for name in ("base", "cap", "retry_after_cap"):
            _check(name, getattr(self, name))
        if self.budget is not None and not (hasattr(self.budget, "deposit") and hasattr(self.budget, "withdraw")):
            raise ConfigError(f"budget must be a RetryBudget, for example RetryBudget(ratio=0.1), not {self.budget!r}")

    def began(self) -> None:
        """A request is made for the first time."""
        if self.budget is not None:
            self.budget.deposit()

    def allows(self) -> bool:
        """Whether the budget allows one more attempt; then it is counted."""
        return self.budget is None or self.budget.withdraw()

    def cost(self, usd: float | None) -> None:
        """What a retry cost."""
        spend = getattr(self.budget, "spend", None)
        if spend is not None and usd:
            spend(usd)

    def delay(
        self,
        attempt: int,
        error: BaseException,
        headers: Mapping[str, str] | None = None,
        rng: Uniform | None = None,
    ) -> float | None:
        """Seconds to wait before the next attempt, or None for no other attempt.

        Args:
            attempt: How many attempts were made so far, the failed one included (1 or more).
            error: Why the last one failed.
            headers: Its response headers, names in lower case; empty or None if none had come.
            rng: Source of the jitter.
        """
        headers = headers or {}
        if attempt > self.retries or not _worth_it(error, headers):
            return None
        draw = (rng or random).uniform
        # 2 ** 60 of any base is above every cap, and a larger power would overflow a float.
        wait = draw(0.0, min(self.cap, self.base * 2.0 ** min(attempt - 1, 60)))
        asked: float | None = getattr(error, "retry_after", None)
        if asked is None and isinstance(error, ProviderError):
            asked = retry_after(headers)
        if asked is None or asked <= 0:
            return wait
        if asked > self.retry_after_cap:
            return None
        # Up to a tenth more, so that all the clients that were told the same moment do not meet again.
        return max(wait, draw(asked, asked * 1.1))


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Seconds the provider asks us to wait; None if it does not, or in no form that we know.

    Reads `retry-after-ms`, and `retry-after` as seconds, as a fraction of them, as an HTTP date (RFC 9110), as an RFC 3339
    date or as a Go duration (`6m0s`): all of them are in use. A moment that has passed is 0.0.
    """
    milliseconds = duration(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000.0
    value = headers.get("retry-after", "").strip()
    seconds = duration(value)
    return _seconds_until(value, now or datetime.now(UTC)) if seconds is None else seconds


def duration(value: str) -> float | None:
    """Seconds in a number (`7`, `2.5`) or a Go duration (`37s`, `6m0s`); None for anything else."""
    value = value.strip()
    if _SECONDS.match(value):
        seconds = float(value)
    elif _DURATION.match(value):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _DURATION_PIECE.findall(value))
    else:
        return None
    return seconds if math.isfinite(seconds) else None


def _seconds_until(value: str, now: datetime) -> float | None:
    if not value:
        return None
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = parse(value)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return max(0.0, (moment - now).total_seconds())
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None


def _check(name: str, value: Any, *, whole: bool = False) -> None:
    number = isinstance(value, int) or (isinstance(value, float) and not whole)
    if isinstance(value, bool) or not number or not 0 <= value < math.inf:
        what = "a whole number" if whole else "a number of seconds"
        raise ConfigError(f"{name} must be {what}, 0 or more, not {value!r}")


def _worth_it(error: BaseException, headers: Mapping[str, str]) -> bool:
    if isinstance(error, ProviderError):
        told = headers.get("x-should-retry", "").strip().lower()
        if told in ("true", "false"):
            return told == "true"
        return isinstance(error, RateLimitError | OverloadedError | ServerError)
    if isinstance(error, DeadlineError):
        return error.phase == "connect"
    return isinstance(error, ConnectError) or (isinstance(error, TransportError) and not headers)
