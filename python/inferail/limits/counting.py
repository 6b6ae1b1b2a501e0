"""What a request may consume and cost at most, before it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inferail.errors import ConfigError
from inferail.limits.limits import micros
from inferail.telemetry.counting import leaves, prompt_tokens
from inferail.telemetry.prices import PriceTable
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.types.model import Model
    from inferail.types.request import Request

__all__ = ["Estimator"]


class Estimator:
    """Counts requests of one model.

    The prompt is counted with the model's own tokenizer where that ships with the package, else by its bytes
    (`inferail.telemetry.estimate`); the answer is `max_tokens` long, or `output_tokens` where a request has none. Of
    several models behind one (a fallback) the dearest is taken.
    """

    def __init__(self, model: Model, *, output_tokens: int, prices: PriceTable | None, priced: bool) -> None:
        self._leaves = leaves(model)
        self._output_tokens = output_tokens
        self._prices = prices
        self._priced = priced

    @property
    def is_one(self) -> bool:
        """Whether there is one provider's model behind it, so that what that provider says is about it."""
        return len(self._leaves) == 1

    def of(self, request: Request) -> tuple[int, int]:
        """Tokens, and millionths of a dollar if money is limited.

        Raises:
            ConfigError: Money is limited and no price is known.
        """
        output = request.sampling.max_tokens or self._output_tokens
        if len(self._leaves) == 1:
            prompt = prompt_tokens(request, self._leaves[0][1])
        else:
            prompt = max([prompt_tokens(request, model) for _, model, _ in self._leaves])
        if not self._priced:
            return prompt + output, 0
        usage = Usage(prompt, output)
        costs = [self._cost(leaf, usage) for leaf in self._leaves]
        return usage.total_tokens, micros(max(costs))

    def cost(self, usage: Usage) -> int:
        """What an answer cost, in millionths of a dollar, where it does not say."""
        if usage.cost_usd is not None:
            return micros(usage.cost_usd)
        return micros(max(self._cost(leaf, usage) for leaf in self._leaves)) if self._priced else 0

    def _cost(self, leaf: tuple[str, str, Any], usage: Usage) -> float:
        provider, model, prices = leaf
        if not usage.total_tokens:
            return 0.0
        price = (self._prices or prices or PriceTable.bundled()).find(provider, model)
        cost = None if price is None else price.cost_usd(usage)
        if cost is None:
            raise ConfigError(
                f"money is limited, and no price of {provider}:{model} is known: pass prices=PriceTable.bundled().override(…)"
            )
        return cost
