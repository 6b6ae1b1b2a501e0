"""What a prompt cache saves over many calls, before any is made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inferail.errors import ConfigError
from inferail.pipelines.conversation.counting import leaves
from inferail.telemetry.prices import PriceTable
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.pipelines.prompts.caching.layout import CacheLayout
    from inferail.types.model import Model

__all__ = ["Savings", "predict_savings"]


@dataclass(frozen=True, slots=True)
class Savings:
    """What the prompts of many calls cost, with and without the cache; answers cost the same and are not in it.

    Attributes:
        calls: How many.
        usd_without: US dollars without a cache.
        usd_with: US dollars with it, writing included.
        hits: How many calls read the prefix.
    """

    calls: int
    usd_without: float
    usd_with: float
    hits: int

    @property
    def usd(self) -> float:
        """What is saved; below 0 where writing costs more than reading saves."""
        return self.usd_without - self.usd_with

    @property
    def share(self) -> float:
        """What is saved, in parts of the cost without a cache."""
        return self.usd / self.usd_without if self.usd_without else 0.0

    def __str__(self) -> str:
        return (
            f"{self.calls:,} calls: ${self.usd_with:.4f} instead of ${self.usd_without:.4f} for prompts "
            f"({self.share:.0%} saved, {self.hits:,} read the prefix)"
        )


def predict_savings(
    layout: CacheLayout,
    model: str | Model,
    *,
    calls: int,
    every: float,
    prices: PriceTable | None = None,
) -> Savings:
    """What the cache saves if so many calls share tools and system text and each says something else behind them.

    The first call writes the prefix (at the provider's price for that), every other one that comes in time reads it.

    Args:
        layout: One of the calls, laid out.
        model: Who is asked.
        calls: How many calls.
        every: Seconds from one call to the next.
        prices: The table; None is the bundled one.

    Raises:
        ConfigError: No price is known, nothing is known of the cache, or a number is not positive.
    """
    if calls < 1 or not (every > 0 and math.isfinite(every)):
        raise ConfigError("savings are predicted for one call or more, and a positive number of seconds between them")
    provider, name = leaves(model)[0]
    price = (prices or PriceTable.bundled()).find(provider, name)
    rules = layout.rules
    if price is None or rules is None:
        what = "prompt cache" if rules is None else "price"
        raise ConfigError(f"no {what} of {provider}:{name[:40]} is known, so nothing can be predicted")
    tokens = layout.blocks[-1].until if layout.blocks else 0
    stable = [block for block in layout.blocks if not block.place.startswith("message ")]
    kept = [block for block in stable if block.cache] if rules.explicit else stable
    shared = max((block.until for block in kept), default=0)
    shared -= shared % rules.step
    shared = shared if shared >= rules.least_tokens else 0
    mark = kept[-1].cache if rules.explicit and kept else True
    seconds = rules.seconds(mark)
    hits = calls - 1 if shared and every < seconds else 0
    written = shared if rules.explicit else 0
    turns = [block for block in layout.blocks if block.place.startswith("message ") and block.cache]
    # What a breakpoint behind the turns writes is never read by calls that say something else.
    own = max(0, turns[-1].until - shared) if rules.explicit and turns and turns[-1].until >= rules.least_tokens else 0
    hourly = written if mark == "1h" else 0
    first = price.cost_usd(Usage(tokens, cache_write_tokens=written + own, cache_write_1h_tokens=hourly))
    later = price.cost_usd(Usage(tokens, cache_read_tokens=shared, cache_write_tokens=own))
    plain = price.cost_usd(Usage(tokens))
    if first is None or later is None or plain is None:
        raise ConfigError(f"the price of {provider}:{name[:40]} says nothing of prompts")
    return Savings(calls, plain * calls, first * (calls - hits) + later * hits, hits)
