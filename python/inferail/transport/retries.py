"""Which failures are worth another attempt, and how long to wait before it."""

from __future__ import annotations

import math
import random
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

__all__ = ["RetryPolicy", "Uniform", "retry_after"]


class Uniform(Protocol):
    """Source of randomness, for example `random.Random`."""

    def uniform(self, a: float, b: float, /) -> float:
        """A number between `a` and `b`."""
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
    """

    retries: int = 3
    base: float = 0.5
    cap: float = 8.0
    retry_after_cap: float = 120.0

    def __post_init__(self) -> None:
        _check("retries", self.retries, whole=True)
        for name in ("base", "cap", "retry_after_cap"):
            _check(name, getattr(self, name))

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


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds a server asks to wait, or None.

    Reads `retry-after-ms` (milliseconds; OpenAI and Azure) before `retry-after` (seconds or an HTTP date, RFC 9110
    section 10.2.3). What cannot be read counts as not said; a date in the past is 0.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000.0
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None or text is None:
        return seconds
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _check(name: str, value: Any, *, whole: bool = False) -> None:
    number = isinstance(value, int) or (isinstance(value, float) and not whole)
    if isinstance(value, bool) or not number or not 0 <= value < math.inf:
        what = "a whole number" if whole else "a number of seconds"
        raise ConfigError(f"{name} must be {what}, 0 or more, not {value!r}")


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else -1.0
    except ValueError:
        return None
    return value if 0 <= value < math.inf else None


def _worth_it(error: BaseException, headers: Mapping[str, str]) -> bool:
    if isinstance(error, ProviderError):
        told = headers.get("x-should-retry", "").strip().lower()
        if told in ("true", "false"):
            return told == "true"
        return isinstance(error, RateLimitError | OverloadedError | ServerError)
    if isinstance(error, DeadlineError):
        return error.phase == "connect"
    return isinstance(error, ConnectError) or (isinstance(error, TransportError) and not headers)
