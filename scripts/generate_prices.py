"""Writes python/inferail/telemetry/prices.json from the installed `genai-prices` package.

Run `python scripts/generate_prices.py` after installing another version of genai-prices; it prints nothing and changes
one file. The source is the MIT-licensed price data of https://github.com/pydantic/genai-prices (see NOTICE).

What is kept: every provider and model, the order of both (the first match wins), the rules that match names, prices per
token and per request with their steps by prompt length, the dates and times of day from which a price holds, and the
variants (batch, service tier). What is left out: prices of things that `inferail.Usage` does not count (searches, pages,
seconds, pictures). The format is described in `inferail.telemetry.prices`.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from genai_prices import types as source
from genai_prices.data import providers

TARGET: Final = Path(__file__).resolve().parent.parent / "python" / "inferail" / "telemetry" / "prices.json"
# The order of the columns in a row of rates; `inferail.telemetry.prices` reads them by position.
RATES: Final = (
    "input_mtok",
    "output_mtok",
    "cache_read_mtok",
    "cache_write_mtok",
    "input_audio_mtok",
    "output_audio_mtok",
    "cache_audio_read_mtok",
    "output_reasoning_mtok",
    "requests_kcount",
    "cache_write_1h_mtok",
)


def document() -> str:
    """The whole file: one model per line, so that a change of one price is a change of one line."""
    blocks = [_provider_block(provider) for provider in providers]
    head = json.dumps({"source": "genai-prices", "license": "MIT", "version": version("genai-prices")})
    return head[:-1] + ', "providers": [\n' + ",\n".join(blocks) + "\n]}\n"


def _provider_block(provider: source.Provider) -> str:
    head: dict[str, Any] = {"id": provider.id}
    if provider.provider_match is not None:
        head["match"] = _clause(provider.provider_match)
    if provider.fallback_model_providers:
        head["fallback"] = provider.fallback_model_providers
    rows = ",\n".join(_compact(_row(model)) for model in provider.models)
    return _compact(head)[:-1] + ',"models":[\n' + rows + "\n]}"


def _row(model: source.ModelInfo) -> Any:
    """`[names, rates]`, or an object for a model whose price depends on the date or on how it is asked."""
    names = _clause(model.match)
    prices = model.prices if isinstance(model.prices, list) else [source.ConditionalPrice(prices=model.prices)]
    free = model.id.endswith(":free")
    dated = [[_constraint(price.constraint), _rates(price.prices, free=free)] for price in prices]
    variants = [
        [variant.when, _constraint(variant.constraint), rates]
        for variant in model.price_variants or ()
        if (rates := _rates(variant.prices)) is not None
    ]
    if not variants and len(dated) == 1:
        return [names, dated[0][1]]
    row: dict[str, Any] = {"match": names, "dated": dated}
    return {**row, "variants": variants} if variants else row


def _rates(prices: source.ModelPrice, *, free: bool = False) -> list[Any] | None:
    """Rates by position, without trailing gaps; None where nothing is priced by token or request.

    The source writes "free" and "not priced" the same way (no price at all). Only a name that ends in `:free` is taken
    at its word.
    """
    columns: list[Any] = [_rate(getattr(prices, key)) for key in RATES]
    while columns and columns[-1] is None:
        columns.pop()
    if columns:
        return columns
    return [0, 0] if free else None


def _rate(price: Decimal | source.TieredPrices | None) -> Any:
    if isinstance(price, source.TieredPrices):
        steps = [value for tier in price.tiers for value in (tier.start, _number(tier.price))]
        return [_number(price.base), *steps]
    return None if price is None else _number(price)


def _number(price: Decimal) -> int | float:
    return int(price) if price == price.to_integral_value() else float(price)


def _constraint(constraint: source.StartDateConstraint | source.TimeOfDateConstraint | None) -> Any:
    """None, the first day (UTC) of a price, or the two times of day (UTC) between which it holds."""
    if isinstance(constraint, source.StartDateConstraint):
        return constraint.start_date.isoformat()
    if isinstance(constraint, source.TimeOfDateConstraint):
        times = (constraint.start_time, constraint.end_time)
        moments = (datetime.combine(date(1970, 1, 1), moment) for moment in times)
        return [
            (moment.astimezone(UTC) if moment.tzinfo else moment).time().isoformat(timespec="seconds")
            for moment in moments
        ]
    return None


def _clause(clause: Any) -> Any:
    """A rule for names: a string is the whole name, a list is "any of", an object has one of the other rules."""
    match clause:
        case source.ClauseEquals(equals=text):
            rule: Any = text.lower()
        case source.ClauseStartsWith(starts_with=text):
            rule = {"starts": text.lower()}
        case source.ClauseEndsWith(ends_with=text):
            rule = {"ends": text.lower()}
        case source.ClauseContains(contains=text):
            rule = {"contains": text.lower()}
        case source.ClauseRegex(regex=text):
            rule = {"regex": text}
        case source.ClauseAnd(and_=clauses):
            rule = {"all": [_clause(inner) for inner in clauses]}
        case source.ClauseOr(or_=clauses):
            rule = [_clause(inner) for inner in clauses]
            rule = rule[0] if len(rule) == 1 else rule
        case _:
            message = f"genai-prices has a rule this script does not know: {type(clause).__name__}"
            raise TypeError(message)
    return rule


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


if __name__ == "__main__":
    TARGET.write_text(document(), encoding="utf-8", newline="\n")
