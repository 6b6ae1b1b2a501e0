"""What a provider says is left of its rate limits: response headers in the formats of OpenAI and Anthropic.

Sources: OpenAI's `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, with resets as durations such as `6m0s` (Groq,
Mistral, Azure and many compatible servers send the same), and Anthropic's `anthropic-ratelimit-{requests,tokens,
input-tokens,output-tokens}-{limit,remaining,reset}`, with resets as RFC 3339 times.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from inferail.transport.retries import duration

__all__ = ["RateLimit", "rate_limits"]

_OPENAI = re.compile(r"x-ratelimit-(limit|remaining|reset)-([a-z][a-z0-9-]{0,40})\Z")
_ANTHROPIC = re.compile(r"anthropic-ratelimit-([a-z][a-z0-9-]{0,40})-(limit|remaining|reset)\Z")
_NUMBER = re.compile(r"\d{1,15}(?:\.\d+)?\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One limit, as far as the provider tells.

    Attributes:
        limit: The most there can be in its window.
        remaining: What is left of it.
        reset: Seconds from the answer until it is whole again.
    """

    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None


def rate_limits(headers: Mapping[str, str], *, now: datetime | None = None) -> dict[str, RateLimit]:
    """The limits in `Response.headers`, by what they count: `requests`, `tokens`, `input-tokens` and so on.

    Args:
        headers: Names in lower case.
        now: When the answer came, for resets that are a time of day; by default this moment.

    Returns:
        Nothing for a provider that sends none. A value that cannot be read, or that is negative (Azure sends -1 for
        "not known"), is None.
    """
    found: dict[str, dict[str, str]] = {}
    for name, value in headers.items():
        if match := _OPENAI.match(name):
            found.setdefault(match[2], {})[match[1]] = value.strip()
        elif match := _ANTHROPIC.match(name):
            found.setdefault(match[1], {})[match[2]] = value.strip()
    return {
        kind: RateLimit(
            _count(values.get("limit")), _count(values.get("remaining")), _seconds(values.get("reset"), now)
        )
        for kind, values in found.items()
    }


def _count(value: str | None) -> int | None:
    return int(float(value)) if value is not None and _NUMBER.match(value) else None


def _seconds(value: str | None, now: datetime | None) -> float | None:
    if value is None:
        return None
    if _NUMBER.match(value):
        return float(value)
    seconds = duration(value)
    if seconds is not None:
        return seconds
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())
