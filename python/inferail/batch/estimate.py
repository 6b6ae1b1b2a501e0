"""What a batch will take, before it takes it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inferail.batch.items import Broken, Prepared, prepared
from inferail.batch.probes import Complete, request_for
from inferail.errors import ConfigError, InferailError
from inferail.telemetry.counting import leaves, prompt_tokens
from inferail.telemetry.prices import PriceTable
from inferail.types.registry import resolve
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.batch.files.sources import Source
    from inferail.batch.options import Settings
    from inferail.types.model import Model
    from inferail.types.request import Request

__all__ = ["Estimate", "estimated"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a batch will take, about.

    Attributes:
        rows: How many rows there are; broken ones are among them.
        counted: How many of them were counted.
        broken: How many of those cannot be asked for: they will be items that failed, and cost nothing.
        usage: Tokens of all rows, flagged `estimated`; `cost_usd` is None where no price is known.
    """

    rows: int
    counted: int
    broken: int
    usage: Usage

    @property
    def cost_usd(self) -> float | None:
        """US dollars, or None where no price is known."""
        return self.usage.cost_usd


@dataclass(frozen=True, slots=True)
class Call:
    """How the rows of a batch are asked for: through which client, of which model, with what."""

    complete: Complete
    model: Model
    output: Any
    settings: Settings


async def estimated(call: Call, source: Source, sample: int, output_tokens: int) -> Estimate:
    """Counts the rows, or `sample` of them, evenly chosen, and takes the rest alike.

    Raises:
        ConfigError: An option is wrong.
    """
    if sample < 1 or output_tokens < 0:
        raise ConfigError("sample is 1 or more, output_tokens is 0 or more")
    step = 1 if source.total is None else -(-source.total // sample) or 1
    rows = counted = broken = prompt_tokens = answer_tokens = 0
    cost: float | None = 0.0
    async for row in _each(source.begin()):
        rows += 1
        if (rows - 1) % step:
            continue
        counted += 1
        try:
            asked = _asked(row, call.settings)
            request, model = await _request(call, asked)
        except InferailError:
            broken += 1
            continue
        prompt, answer, price = _of(request, model, output_tokens)
        prompt_tokens += prompt
        answer_tokens += answer
        cost = None if price is None or cost is None else cost + price
    scale = rows / counted if counted else 0.0
    usage = Usage(
        round(prompt_tokens * scale),
        round(answer_tokens * scale),
        cost_usd=None if cost is None else cost * scale,
        estimated=True,
    )
    return Estimate(rows, counted, broken, usage)


async def _each(rows: Iterator[Any] | AsyncIterator[Any]) -> AsyncIterator[Any]:
    if isinstance(rows, AsyncIterator):
        async for row in rows:
            yield row
    else:
        for row in rows:
            yield row


def _asked(row: Any, settings: Settings) -> Prepared:
    if isinstance(row, Broken):
        raise row.error
    if settings.prompt is not None:
        try:
            row = settings.prompt(row)
        except Exception as error:  # noqa: BLE001 - a failure of one row
            raise ConfigError(f"the function that makes prompts failed with {type(error).__name__}") from None
    return prepared(row)


async def _request(call: Call, asked: Prepared) -> tuple[Request, Model]:
    """What is sent for a row, and who answers it: a row may name another model."""
    options = {**call.settings.call, **asked.options}
    model = resolve(options.get("model") or call.model)
    return await request_for(call.complete, asked.prompt, model, asked.output or call.output, options), model


def _of(request: Request, model: Model, output_tokens: int) -> tuple[int, int, float | None]:
    """Tokens of the prompt and of the answer, and what they cost; of several models the dearest."""
    answer = request.sampling.max_tokens or output_tokens
    found: list[tuple[int, float | None]] = []
    for provider, name, prices in leaves(model):
        prompt = prompt_tokens(request, name)
        price = (prices or PriceTable.bundled()).find(provider, name)
        found.append((prompt, None if price is None else price.cost_usd(Usage(prompt, answer))))
    costs = [cost for _, cost in found if cost is not None]
    return max(prompt for prompt, _ in found), answer, max(costs) if len(costs) == len(found) else None
