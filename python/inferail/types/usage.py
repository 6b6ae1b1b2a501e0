"""What a call consumed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import add, attrgetter

from inferail.frozen import quick

__all__ = ["Usage"]


@quick
@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call and, where a price is known, what they cost.

    As in OpenTelemetry's GenAI conventions the parts are contained in the whole: `input_tokens` includes cached and
    audio tokens, `output_tokens` includes reasoning tokens. Providers that count otherwise (Anthropic leaves cached
    tokens out of its `input_tokens`, Gemini leaves thoughts out of its candidates) are converted.

    Attributes:
        input_tokens: All tokens of the prompt.
        output_tokens: All tokens of the answer, reasoning included.
        cache_read_tokens: Part of the prompt that was read from the provider's cache.
        cache_write_tokens: Part of the prompt that was written to the provider's cache.
        reasoning_tokens: Part of the answer that was reasoning.
        input_audio_tokens: Part of the prompt that was audio.
        output_audio_tokens: Part of the answer that was audio.
        cost_usd: US dollars, or None where no price is known. Never a made-up zero.
        estimated: True where the provider did not report usage and the numbers come from byte counts.
        cache_write_1h_tokens: Part of `cache_write_tokens` that is kept for an hour instead of minutes, at a price of its own.
        service_tier: How the call was processed where that has a price of its own (`flex`, `priority`, `batch`), else None.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    cost_usd: float | None = None
    estimated: bool = False
    cache_write_1h_tokens: int = 0
    service_tier: str | None = None

    @property
    def total_tokens(self) -> int:
        """Prompt and answer together."""
        return self.input_tokens + self.output_tokens

    def with_cost(self, cost_usd: float | None) -> Usage:
        """The same counts with another cost."""
        if cost_usd is None and self.cost_usd is None:
            return self
        # Written out: `dataclasses.replace` takes five times as long, and this is done for every attempt.
        return Usage(
            self.input_tokens,
            self.output_tokens,
            self.cache_read_tokens,
            self.cache_write_tokens,
            self.reasoning_tokens,
            self.input_audio_tokens,
            self.output_audio_tokens,
            cost_usd,
            self.estimated,
            self.cache_write_1h_tokens,
            self.service_tier,
        )

    def __add__(self, other: Usage) -> Usage:
        """Both together; the cost is None if either is unknown, estimated if either is."""
        counts = dict(zip(_COUNTS, map(add, _COUNTED(self), _COUNTED(other)), strict=True))
        known = self.cost_usd is not None and other.cost_usd is not None
        cost = (self.cost_usd or 0.0) + (other.cost_usd or 0.0) if known else None
        tier = self.service_tier if self.service_tier == other.service_tier else None
        return Usage(**counts, cost_usd=cost, estimated=self.estimated or other.estimated, service_tier=tier)


_COUNTS = tuple(field.name for field in fields(Usage) if field.name.endswith("_tokens"))
_COUNTED = attrgetter(*_COUNTS)
