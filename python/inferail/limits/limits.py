"""What may be asked and spent: a few numbers, and for whom they hold."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Final, Literal, TypeAlias

from inferail.errors import ConfigError

__all__ = ["LimitUsage", "Limits", "Rule", "micros"]

Unit: TypeAlias = Literal["requests", "tokens", "micros", "calls"]

_MINUTE: Final = 60.0
_DAY: Final = 86_400.0
_RULES: Final[tuple[tuple[str, Unit, float], ...]] = (
    ("requests_per_second", "requests", 1.0),
    ("requests_per_minute", "requests", _MINUTE),
    ("requests_per_day", "requests", _DAY),
    ("tokens_per_minute", "tokens", _MINUTE),
    ("tokens_per_day", "tokens", _DAY),
    ("concurrent", "calls", _MINUTE),
    ("usd_per_day", "micros", _DAY),
    ("usd", "micros", math.inf),
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One limit.

    Attributes:
        name: As the user spells it.
        unit: What is counted.
        most: How much.
        seconds: In any so many seconds; infinite is ever.
        group: Which key of a call says whose account is charged.
        per: The label whose value is that key; None is one account for all.
    """

    name: str
    unit: Unit
    most: int
    seconds: float
    group: int
    per: str | None

    @property
    def label(self) -> str:
        """Its name, and whose accounts it is about."""
        return f"{self.name} per {self.per}" if self.per else self.name

    def __str__(self) -> str:
        most = f"{self.most / 1e6:g}" if self.unit == "micros" else f"{self.most:,}"
        return f"{self.name} {most}" + (f" per {self.per}" if self.per else "")


@dataclass(frozen=True, slots=True)
class LimitUsage:
    """How far one limit is used, in its own unit: requests, tokens, calls or US dollars.

    Attributes:
        limit: The most there can be in its window.
        used: What is charged to it now.
        reserved: How much of that is reserved by calls that have not ended.
    """

    limit: float
    used: float
    reserved: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Upper bounds on what calls ask and spend; None is no bound.

        ir.Limits(requests_per_minute=500, tokens_per_minute=200_000, concurrent="adaptive")
        ir.Limits(usd_per_request=0.05, usd_per_day=20.0, per="tenant")

    Windows slide: a limit of a minute holds in any 60 seconds, one of a day in any 24 hours, wherever they begin, so also
    in a provider's own. A call is admitted with the most that it may consume, its counted prompt and `max_tokens`, and
    counts with what it did once it has ended. The limit is exceeded by no more than what calls consumed beyond that. The
    price of "any window": a charge counts up to 1/60 of the window too long.

    Attributes:
        requests_per_second: Requests to the provider, retries included.
        requests_per_minute: The same in a minute.
        requests_per_day: The same in 24 hours.
        tokens_per_minute: Tokens of prompts and answers.
        tokens_per_day: The same in 24 hours.
        concurrent: Calls at a time; `adaptive` finds out how many the provider bears: slow start, one more in each round,
            0.85 of it after a 429.
        usd_per_request: US dollars that a single call may cost at most, by its prompt and `max_tokens`.
        usd_per_day: US dollars in 24 hours.
        usd: US dollars ever (of a shared store: ever; else as long as the object lives).
        per: Every value of this label, of the request or its Scope, has an account of its own. Calls without the label
            share one.

    Raises:
        ConfigError: A bound that is not a positive number, or no bound at all.
    """

    requests_per_second: int | None = None
    requests_per_minute: int | None = None
    requests_per_day: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_day: int | None = None
    concurrent: int | Literal["adaptive"] | None = None
    usd_per_request: float | None = None
    usd_per_day: float | None = None
    usd: float | None = None
    per: str | None = None

    def __post_init__(self) -> None:
        bounds = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "per"}
        if all(bound is None for bound in bounds.values()):
            raise ConfigError("Limits without a limit: set one, for example requests_per_minute=60")
        for name, bound in bounds.items():
            if bound is None or (name == "concurrent" and bound == "adaptive"):
                continue
            money = name.startswith("usd")
            number = isinstance(bound, int | float if money else int) and not isinstance(bound, bool)
            if not number or not 0 < bound < 1e12:
                what = "number of US dollars" if money else "whole number"
                raise ConfigError(f"{name} must be a positive {what}, not {bound!r}")
        if self.per is not None and (not isinstance(self.per, str) or not self.per):
            raise ConfigError(f"per must be the name of a label, for example 'tenant', not {self.per!r}")
        if self.per is not None and self.concurrent == "adaptive":
            raise ConfigError("concurrent='adaptive' is about the provider: set it in Limits without per")

    @classmethod
    def profile(cls, name: str, model: str | None = None) -> Limits:
        """The published limits of a provider's free tier.

        Args:
            name: `provider:tier`, for example `gemini:free`; `inferail.limits.PROFILES` has them all, with their source and date.
            model: Whose limits, where they differ by model; with or without the scheme.

        Raises:
            ConfigError: No such profile, or none for this model.
        """
        from inferail.limits.profiles import profile

        return profile(name, model)

    def rules(self, group: int) -> list[Rule]:
        """The bounds that accounts are kept for, one rule each."""
        return [
            Rule(name, unit, micros(bound) if unit == "micros" else bound, seconds, group, self.per)
            for name, unit, seconds in _RULES
            if (bound := getattr(self, name)) is not None and bound != "adaptive"
        ]


def micros(usd: float) -> int:
    """Dollars in millionths, rounded up: what is spent is never told too low."""
    # 0.07 * 1e6 is 70,000.00000000001, which is not a millionth more.
    return math.ceil(round(usd * 1e6, 3))
