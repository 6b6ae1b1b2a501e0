"""What is typed behind the options of `inferail report`: times, budgets, objectives, conditions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from inferail.telemetry.report import SLO

__all__ = ["Budget", "budget", "moment", "objective", "pairs", "windows"]

_AGO: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(m|h|d|w)")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_BUDGET: Final = re.compile(r"\$?(\d+(?:\.\d+)?)\s*(?:usd)?\s*/\s*(day|week|month)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Budget:
    """So many dollars for each day, week or month."""

    usd: float
    period: str


def moment(option: str, text: str | None) -> datetime | timedelta | None:
    """`7d`, `24h`, `30m`, `2w` ago, or a day or a time in ISO 8601 (UTC where it names no zone)."""
    if text is None:
        return None
    try:
        if ago := _AGO.fullmatch(text.strip()):
            return timedelta(**{_UNITS[ago[2]]: float(ago[1])})
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise click.UsageError(
            f"{option} is how long ago (7d, 24h, 30m, 2w) or a day (2026-11-01), not {text!r}"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def budget(option: str, text: str) -> Budget:
    """`500usd/month`, `20/day`, `$100/week`."""
    found = _BUDGET.fullmatch(text.strip())
    if found is None or float(found[1]) <= 0:
        raise click.UsageError(f"{option} is dollars per day, week or month: 500usd/month, not {text!r}")
    return Budget(float(found[1]), found[2].lower())


def pairs(option: str, texts: tuple[str, ...]) -> dict[str, list[str | None]]:
    """`name=value`; the same name twice is one or the other, nothing behind the sign is none."""
    found: dict[str, list[str | None]] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not name or not sign:
            raise click.UsageError(f"{option} is name=value, for example task=faq, not {text!r}")
        found.setdefault(name, []).append(value or None)
    return found


def windows(option: str, texts: tuple[str, ...]) -> dict[str, int]:
    """`provider:model=tokens`."""
    found: dict[str, int] = {}
    for text in texts:
        name, _, tokens = text.rpartition("=")
        if not name or not tokens.isdecimal() or not int(tokens):
            raise click.UsageError(f"{option} is model=tokens, for example openai:gpt-5=400000, not {text!r}")
        found[name] = int(tokens)
    return found


def objective(option: str, text: str) -> SLO:
    """`first_token=0.2,objective=0.95` and, if wanted, `total=2` and `task=chat`."""
    from inferail.errors import ConfigError
    from inferail.telemetry.report import SLO

    parts = [part.partition("=") for part in text.split(",")]
    words = {name: value for name, _, value in parts}
    try:
        numbers = {name: float(words.pop(name)) for name in ("first_token", "total", "objective") if name in words}
        task = words.pop("task", None)
        if not words and "objective" in numbers:
            share = numbers.pop("objective")
            return SLO(objective=share, first_token=numbers.get("first_token"), total=numbers.get("total"), task=task)
    except (ValueError, ConfigError):
        pass
    raise click.UsageError(f"{option} is first_token=0.2,objective=0.95 (also total=, task=), not {text!r}")
