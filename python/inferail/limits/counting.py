"""What a request may consume and cost at most, before it is made."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from inferail.core import Tokenizer
from inferail.errors import ConfigError
from inferail.limits.limits import micros
from inferail.telemetry.estimate import MESSAGE_TOKENS, estimate_tokens, estimate_usage
from inferail.telemetry.prices import PriceTable
from inferail.types.message import Audio, File, Image, Text
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
        self._leaves = _leaves(model)
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
            prompt = _prompt_tokens(request, self._leaves[0][1])
        else:
            prompt = max([_prompt_tokens(request, model) for _, model, _ in self._leaves])
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


def _leaves(model: Any) -> list[tuple[str, str, Any]]:
    """The providers' models behind a Model, with their own prices."""
    provider, name = getattr(model, "provider", None), getattr(model, "model", None)
    if isinstance(provider, str) and isinstance(name, str):
        return [(provider, name, getattr(model, "prices", None))]
    leaves = [leaf for one in getattr(model, "models", ()) for leaf in _leaves(one)]
    return list(dict.fromkeys(leaves)) or [(model.name, model.name, None)]


@cache
def _tokenizer(model: str) -> Tokenizer | None:
    """The model's own, or None: one that only stands in for it is no better than counting bytes, and slower."""
    try:
        found = Tokenizer.for_model(model)
    except ConfigError:
        return None
    return None if found.estimate is not None else found


def _prompt_tokens(request: Request, model: str) -> int:
    tokenizer = _tokenizer(model)
    if tokenizer is not None:
        try:
            counted = tokenizer.count_messages(request.messages, model=model, tools=request.tools or None).tokens
        except ConfigError:  # a name that only the tokenizer knows
            counted = 0
        media = any(isinstance(part, Audio | File | Image) for message in request.messages for part in message.parts)
        if counted and not media:
            return counted
    return _plain_tokens(request) or estimate_usage(request, 0).input_tokens


def _plain_tokens(request: Request) -> int:
    """What `estimate_usage` says of a prompt of nothing but text, in a third of the time; 0 for any other."""
    if request.tools or request.output is not None:
        return 0
    num_bytes = 0
    for message in request.messages:
        for part in message.parts:
            if type(part) is not Text or not part.text.isascii():
                return 0
            num_bytes += len(part.text)
    return estimate_tokens(num_bytes) + MESSAGE_TOKENS * len(request.messages)
