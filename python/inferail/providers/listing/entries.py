"""One entry of a provider's list as a `ModelInfo`. Every field but the name may be missing or odd; then it is not told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from inferail.providers import reading
from inferail.types.model import ModelInfo

__all__ = ["anthropic", "cohere", "gemini", "ollama", "openai", "tgi"]


def openai(provider: str, entry: Mapping[str, Any]) -> ModelInfo | None:
    """OpenAI's entry, and what its imitators add to it, each under a name of its own."""
    pricing = reading.mapping(entry.get("pricing"))
    top = reading.mapping(entry.get("top_provider"))
    return _model(
        provider,
        entry.get("id"),
        owner=entry.get("owned_by"),
        created=_moment(entry.get("created")),
        context_tokens=_first(entry, "context_length", "max_context_length", "context_window", "max_model_len"),
        output_tokens=_first(entry, "max_completion_tokens") or _first(top, "max_completion_tokens"),
        input_usd=_per_million(pricing.get("prompt")),
        output_usd=_per_million(pricing.get("completion")),
    )


def anthropic(provider: str, entry: Mapping[str, Any]) -> ModelInfo | None:
    """Anthropic's entry."""
    return _model(
        provider,
        entry.get("id"),
        owner="anthropic",
        created=_moment(entry.get("created_at")),
        context_tokens=_first(entry, "max_input_tokens"),
        output_tokens=_first(entry, "max_tokens"),
    )


def gemini(provider: str, entry: Mapping[str, Any]) -> ModelInfo | None:
    """Gemini's entry, whose name begins with `models/`."""
    return _model(
        provider,
        reading.text(entry.get("name")).removeprefix("models/"),
        owner="google",
        context_tokens=_first(entry, "inputTokenLimit"),
        output_tokens=_first(entry, "outputTokenLimit"),
    )


def cohere(provider: str, entry: Mapping[str, Any]) -> ModelInfo | None:
    """Cohere's entry."""
    return _model(provider, entry.get("name"), owner="cohere", context_tokens=_first(entry, "context_length"))


def ollama(provider: str, entry: Mapping[str, Any]) -> ModelInfo | None:
    """Ollama's entry."""
    # `modified_at` is when it was pulled to this machine.
    return _model(provider, entry.get("model") or entry.get("name"), created=_moment(entry.get("modified_at")))


def tgi(provider: str, entry: Mapping[str, Any]) -> ModelInfo | None:
    """What a TGI server says of itself: it has one model."""
    return _model(provider, entry.get("model_id"), context_tokens=_first(entry, "max_total_tokens", "max_input_tokens"))


def _model(provider: str, name: Any, *, owner: Any = None, **facts: Any) -> ModelInfo | None:
    known = reading.text(name)
    return ModelInfo(known, provider, owner=reading.text_or_none(owner), **facts) if known else None


def _first(entry: Mapping[str, Any], *names: str) -> int | None:
    return next((number for name in names if (number := reading.count(entry.get(name)))), None)


def _per_million(dollars_per_token: Any) -> float | None:
    """OpenRouter's price, text; -1 is "it depends"."""
    try:
        price = float(dollars_per_token) * 1e6
    except (TypeError, ValueError):
        return None
    # Millionths of a dollar as text lose nothing, but their product is not round any more.
    return round(price, 9) if math.isfinite(price) and price >= 0 else None


def _moment(value: Any) -> datetime | None:
    """A date as text, or in seconds since 1970; 1970 itself is "not known"."""
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        else:
            moment = datetime.fromtimestamp(reading.count(value), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.year > 1970 else None
