"""What providers say of their prompt caches: what they keep, from which length on, for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

__all__ = ["MAX_BREAKPOINTS", "CacheRules", "cache_rules"]

MAX_BREAKPOINTS: Final = 4
"""Most breakpoints of one request (Anthropic's reference of `cache_control`)."""

_LOOKBACK: Final = 20
_MINUTES: Final = 300.0
_HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class CacheRules:
    """How a provider caches prompts.

    Attributes:
        least_tokens: The shortest prefix that is kept.
        explicit: Whether only what a breakpoint ends is kept (`Message.cache`); else every prompt is.
        step: Prefixes are kept in steps of so many tokens; 1 is wherever they end.
        ttls: Seconds for each way of keeping, by the name that `Message.cache` has for it.
        lookback: How many blocks before a breakpoint an earlier one is found.
    """

    least_tokens: int
    explicit: bool = False
    step: int = 1
    ttls: Mapping[str, float] = field(default_factory=lambda: {"5m": _MINUTES})
    lookback: int = _LOOKBACK

    def seconds(self, cache: str | bool) -> float:  # noqa: FBT001 - what `Message.cache` is
        """How long a prefix with this mark is kept after it was last used."""
        return self.ttls.get(cache, _MINUTES) if isinstance(cache, str) else min(self.ttls.values())


_BOTH: Final = {"5m": _MINUTES, "1h": _HOUR}
# Provider, patterns of models, rules; the first match wins. From the providers' guides to prompt caching: Anthropic's table of
# minimum lengths by model, OpenAI (1,024 tokens, then steps of 128, 5 to 10 minutes without use), Gemini's implicit caching,
# DeepSeek (units of 64 tokens; hours to days, of which an hour is counted on here).
_RULES: Final[tuple[tuple[str, str, CacheRules], ...]] = (
    (
        "anthropic",
        "claude-opus-4-5* claude-opus-4-6* claude-haiku-4-5*",
        CacheRules(4096, explicit=True, ttls=_BOTH),
    ),
    ("anthropic", "claude-3-haiku* claude-3-5-haiku*", CacheRules(2048, explicit=True, ttls=_BOTH)),
    ("anthropic", "*", CacheRules(1024, explicit=True, ttls=_BOTH)),
    ("openai", "*", CacheRules(1024, step=128)),
    ("openai_responses", "*", CacheRules(1024, step=128)),
    ("gemini", "gemini-*-pro*", CacheRules(4096)),
    ("gemini", "*", CacheRules(1024)),
    ("deepseek", "*", CacheRules(64, step=64, ttls={"1h": _HOUR})),
)


def cache_rules(provider: str, model: str) -> CacheRules | None:
    """The rules for a model, or None where a provider's cache is not known."""
    for known, patterns, rules in _RULES:
        if known == provider and any(fnmatchcase(model.lower(), pattern) for pattern in patterns.split()):
            return rules
    return None
