"""What providers allow on their free tiers, as data. Such numbers change without notice: each has its source and date.

They are ceilings to plan with. What a provider then says in its headers, or with a 429, is obeyed as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final

from inferail.errors import ConfigError
from inferail.limits.limits import Limits

__all__ = ["PROFILES", "Profile", "profile"]


@dataclass(frozen=True, slots=True)
class Profile:
    """The limits of one tier of one provider.

    Attributes:
        source: Where they are published.
        date: When they were read there, or, where they are published no more, of the last table.
        models: Limits by a pattern of the model's name; the first that matches holds.
        note: What cannot be said in these numbers.
    """

    source: str
    date: str
    models: Mapping[str, Limits] = field(repr=False)
    note: str = ""


def _limits(
    minute: int, day: int | None = None, tokens_minute: int | None = None, tokens_day: int | None = None
) -> Limits:
    return Limits(
        requests_per_minute=minute,
        requests_per_day=day,
        tokens_per_minute=tokens_minute,
        tokens_per_day=tokens_day,
    )


PROFILES: Final[Mapping[str, Profile]] = MappingProxyType(
    {
        "gemini:free": Profile(
            "https://ai.google.dev/gemini-api/docs/rate-limits",
            "2025-09",
            {
                "gemini-2.5-pro*": _limits(5, 100, 250_000),
                "gemini-2.5-flash-lite*": _limits(15, 1_000, 250_000),
                "gemini-2.5-flash*": _limits(10, 250, 250_000),
                "gemini-2.0-flash-lite*": _limits(30, 200, 1_000_000),
                "gemini-2.0-flash*": _limits(15, 200, 1_000_000),
                "gemma-3*": _limits(30, 14_400, 15_000),
            },
            "Google has published no numbers since: those of a project are in AI Studio, and may be lower. It counts prompt "
            "tokens only, and days by Pacific time.",
        ),
        "groq:free": Profile(
            "https://console.groq.com/docs/rate-limits",
            "2026-07",
            {
                "llama-3.1-8b-instant": _limits(30, 14_400, 6_000, 500_000),
                "llama-3.3-70b-versatile": _limits(30, 1_000, 12_000, 100_000),
                "openai/gpt-oss-*": _limits(30, 1_000, 8_000, 200_000),
                "groq/compound*": _limits(30, 250, 70_000),
            },
            "By organisation and model. Cached tokens do not count.",
        ),
        "mistral:free": Profile(
            "https://help.mistral.ai/en/articles/225174-what-are-the-limits-of-the-free-tier",
            "2026-10",
            {"*": Limits(requests_per_second=1, tokens_per_minute=500_000)},
            "By workspace; besides, a billion tokens a month, which is not enforced here.",
        ),
        "openrouter:free": Profile(
            "https://openrouter.ai/docs/api-reference/limits",
            "2026-10",
            {"*:free": _limits(20, 50)},
            "By account, for all models that end in :free together.",
        ),
        "openrouter:free-with-credits": Profile(
            "https://openrouter.ai/docs/api-reference/limits",
            "2026-10",
            {"*:free": _limits(20, 1_000)},
            "For accounts that ever bought 10 credits.",
        ),
        "cohere:trial": Profile(
            "https://docs.cohere.com/docs/rate-limits",
            "2026-10",
            {"command*": _limits(20), "c4ai-*": _limits(20)},
            "Besides, 1,000 calls a month, which is not enforced here.",
        ),
    }
)


def profile(name: str, model: str | None = None) -> Limits:
    """See `Limits.profile`."""
    found = PROFILES.get(name)
    if found is None:
        raise ConfigError(f"there is no profile {name!r}: there are {', '.join(PROFILES)}")
    if model is None:
        if len(found.models) == 1:
            return next(iter(found.models.values()))
        raise ConfigError(f"the limits of {name} differ by model: pass one of {', '.join(found.models)}")
    scheme = f"{name.partition(':')[0]}:"
    bare = model.removeprefix(scheme)
    for pattern, limits in found.models.items():
        if fnmatchcase(bare, pattern):
            return limits
    raise ConfigError(f"{name} has no limits for {model!r}, only for {', '.join(found.models)}")
