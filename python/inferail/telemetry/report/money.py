"""Where the money goes: cost per success, the most efficient model, waste, and what a baseline would have cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from inferail.errors import ConfigError
from inferail.telemetry.prices import Price, PriceTable, Tiered
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.telemetry.report.columns import Columns, Integers, Mask

__all__ = ["CostPerSuccess", "Efficiency", "Savings", "Waste", "cost_per_success", "efficiency", "savings", "waste"]

_TOKENS: Final = tuple(field.name for field in fields(Usage) if field.name.endswith("_tokens"))


@dataclass(frozen=True, slots=True)
class CostPerSuccess:
    """What an answered call cost, everything included that did not answer.

    Attributes:
        group: Which records, for example `{"model": "openai:gpt-5", "task": "faq"}`.
        calls: Calls in which a model was asked.
        attempts: How often.
        successes: Calls that an attempt of the group answered. Answers from a cache are not among them.
        from_cache: Calls that a cache answered.
        spend_usd: All that was spent: also on failed, retried, hedged and cancelled attempts.
        usd: `spend_usd / successes`; None without a success, or where no price at all is known.
        unpriced: Attempts whose cost is not known. Above 0, `spend_usd` and `usd` are lower bounds.
    """

    group: Mapping[str, str | None]
    calls: int
    attempts: int
    successes: int
    from_cache: int
    spend_usd: float
    usd: float | None
    unpriced: int


@dataclass(frozen=True, slots=True)
class Efficiency:
    """How a model did at a task, and whether it is the one to take.

    Attributes:
        task: The task.
        model: The model, `provider:model`.
        usd: Dollars per success, or None.
        successes: Calls it answered.
        success_rate: Of the calls in which it was asked.
        quality: Its quality as given, or None where none is known.
        qualified: Whether it reaches the bar, has enough successes, and all its costs are known.
        winner: Whether it is the cheapest per success of the qualified ones.
    """

    task: str | None
    model: str
    usd: float | None
    successes: int
    success_rate: float
    quality: float | None
    qualified: bool
    winner: bool


@dataclass(frozen=True, slots=True)
class Waste:
    """What was spent on attempts that did not answer.

    Attributes:
        spend_usd: All that was spent.
        failed_usd: On attempts that failed or broke.
        cancelled_usd: On attempts that were cancelled: losers of a hedge, and callers that left.
        lost_calls_usd: On calls that nobody answered in the end; part of the two above.
        ratio: `(failed_usd + cancelled_usd) / spend_usd`; None where nothing was spent.
        by_error: The same dollars by class of the error, dearest first.
        unpriced: Attempts without an answer whose cost is not known.
    """

    spend_usd: float
    failed_usd: float
    cancelled_usd: float
    lost_calls_usd: float
    ratio: float | None
    by_error: Mapping[str, float]
    unpriced: int


@dataclass(frozen=True, slots=True)
class Savings:
    """What was spent, against what the same answers would have cost from one model.

    The baseline is asked once for each answer: the tokens of attempts that answered, at its standard price of the day. An
    answer of a cache is priced by its tokens, split into prompt and answer as those of all answers are. That another model
    would use other tokens is not known, and not guessed.

    Attributes:
        baseline: The model, `provider:model`.
        actual_usd: All that was spent, also on what did not answer.
        answers_usd: What the answers of models would have cost from the baseline; None where it has no known price.
        cached_usd: What the answers of caches would have cost from it; None likewise.
        saved_usd: Both together less `actual_usd`.
        share: `saved_usd` of what the baseline would have cost.
        priced: Whether a price of the baseline is known.
        unpriced: Attempts whose actual cost is not known: with those, the saving is an upper bound.
    """

    baseline: str
    actual_usd: float
    answers_usd: float | None
    cached_usd: float | None
    saved_usd: float | None
    share: float | None
    priced: bool
    unpriced: int


def cost_per_success(columns: Columns, by: Sequence[str]) -> tuple[CostPerSuccess, ...]:
    """One for each group, the most expensive spender first."""
    groups = columns.groups(by)
    attempts = groups.count(columns.asked)
    calls = columns.calls_of(groups, columns.asked)
    successes = columns.calls_of(groups, columns.answered)
    cached = columns.calls_of(groups, columns.from_cache)
    spend = groups.sum(columns.spend)
    unpriced = groups.count(columns.unpriced)
    found = [
        CostPerSuccess(
            groups.named(place),
            calls[place],
            attempts[place],
            successes[place],
            cached[place],
            spend[place],
            _per_success(spend[place], successes[place], unpriced[place], attempts[place]),
            unpriced[place],
        )
        for place in range(len(groups))
        if attempts[place] or cached[place]
    ]
    return tuple(sorted(found, key=lambda one: (-one.spend_usd, _sortable(one.group))))


def _per_success(spend: float, successes: int, unpriced: int, attempts: int) -> float | None:
    return None if not successes or unpriced == attempts else spend / successes


def _sortable(group: Mapping[str, str | None]) -> tuple[str, ...]:
    return tuple(name or "" for name in group.values())


def efficiency(
    columns: Columns, quality: str | Mapping[Any, float] | None, at_least: float | None, minimum: int
) -> tuple[Efficiency, ...]:
    """Each model at each task, the winner of a task first; see `Report.most_efficient`."""
    known = _qualities(columns, quality)
    found: dict[str | None, list[Efficiency]] = {}
    for one in cost_per_success(columns, ("task", "model")):
        if not one.attempts:
            continue
        task, model = one.group["task"], one.group["model"] or ""
        value = known.get((task, model))
        reaches = at_least is None or (value is not None and value >= at_least)
        qualified = reaches and one.usd is not None and not one.unpriced and one.successes >= minimum
        rate = one.successes / one.calls if one.calls else 0.0
        found.setdefault(task, []).append(
            Efficiency(task, model, one.usd, one.successes, rate, value, qualified=qualified, winner=False)
        )
    ranked: list[Efficiency] = []
    for task in sorted(found, key=lambda name: name or ""):
        ordered = sorted(
            found[task], key=lambda one: (not one.qualified, math.inf if one.usd is None else one.usd, one.model)
        )
        ranked += [replace(ordered[0], winner=ordered[0].qualified), *ordered[1:]]
    return tuple(ranked)


def _qualities(
    columns: Columns, quality: str | Mapping[Any, float] | None
) -> Mapping[tuple[str | None, str], float | None]:
    """The quality of each model at each task: of a label the mean over answers, of a mapping what it says."""
    groups = columns.groups(("task", "model"))
    if quality is None:
        return {}
    if isinstance(quality, str):
        numbers = _label_numbers(columns, quality)
        rated = columns.answered & ~np.isnan(numbers)
        sums, counts = groups.sum(np.nan_to_num(numbers), rated), groups.count(rated)
        pairs = zip(groups.names, sums, counts, strict=True)
        return {(names[0], names[1] or ""): total / count for names, total, count in pairs if count}
    found: dict[tuple[str | None, str], float | None] = {}
    for task, model in groups.names:
        value = quality.get((task, model), quality.get(model))
        if value is not None and not (isinstance(value, int | float) and math.isfinite(value)):
            raise ConfigError("quality is a number by model, or by (task, model)")
        found[task, model or ""] = value
    return found


def _label_numbers(columns: Columns, label: str) -> Any:
    groups = columns.groups((label,))
    values: list[float] = []
    for (text,) in groups.names:
        try:
            number = math.nan if text is None else float(text)
        except ValueError:
            number = math.nan
        values.append(number if math.isfinite(number) else math.nan)
    return np.array([*values, math.nan])[groups.codes]


def waste(columns: Columns) -> Waste:
    """What was spent on attempts that did not answer."""
    errors = columns.groups(("error",))
    spend = float(columns.spend.sum())
    by_error = {
        name: dollars
        for (name,), dollars in zip(errors.names, errors.sum(columns.spend, columns.failed), strict=True)
        if name is not None
    }
    cancelled = by_error.get("CancelledError", 0.0)
    failed = sum(by_error.values()) - cancelled
    calls = columns.calls
    lost = ~calls.any(columns.answered | columns.from_cache)
    return Waste(
        spend_usd=spend,
        failed_usd=failed,
        cancelled_usd=cancelled,
        lost_calls_usd=float(columns.spend[lost[calls.of] & columns.failed].sum()) if len(columns) else 0.0,
        ratio=(failed + cancelled) / spend if spend > 0 else None,
        by_error=dict(sorted(by_error.items(), key=lambda item: (-item[1], item[0]))),
        unpriced=int(np.count_nonzero(columns.unpriced & columns.failed)),
    )


def savings(columns: Columns, baseline: str, prices: PriceTable) -> Savings:
    """What was spent against a baseline; see `Savings`.

    Raises:
        ConfigError: The baseline is not `provider:model`.
    """
    provider, _, model = baseline.partition(":")
    if not provider or not model:
        raise ConfigError(f"the baseline is named provider:model, not {baseline!r}")
    actual = float(columns.spend.sum())
    unpriced = int(np.count_nonzero(columns.unpriced))
    answers = _priced(columns, columns.answered, (provider, model), prices)
    cached = _cached(columns, (provider, model), prices)
    if answers is None or cached is None:
        return Savings(baseline, actual, None, None, None, None, priced=False, unpriced=unpriced)
    saved = answers + cached - actual
    share = saved / (answers + cached) if answers + cached > 0 else None
    return Savings(baseline, actual, answers, cached, saved, share, priced=True, unpriced=unpriced)


def _priced(columns: Columns, mask: Mask, model: tuple[str, str], prices: PriceTable) -> float | None:
    """What the tokens of some rows would have cost; None where that cannot be said."""
    total = 0.0
    for price, rows in _by_price(columns, mask, model, prices):
        if price is None:
            return None
        for flat, inner in _by_tier(columns, rows, price):
            cost = _sum_cost(columns, inner, flat)
            if cost is None:
                return None
            total += cost
    return total


def _by_price(
    columns: Columns, mask: Mask, model: tuple[str, str], prices: PriceTable
) -> list[tuple[Price | None, Integers]]:
    """The rows by the price that held at noon of their day (UTC)."""
    rows = np.flatnonzero(mask)
    days = columns.day[rows]
    found: list[tuple[Price | None, list[int]]] = []
    first = int(days.min()) if len(days) else 0
    for day in (np.flatnonzero(np.bincount(days - first)) + first).tolist():
        price = prices.find(*model, at=_noon(day))
        for known, its_days in found:
            if known == price:
                its_days.append(day)
                break
        else:
            found.append((price, [day]))
    if not found:  # nothing to price: whether a price is known is still said
        return [(prices.find(*model), rows)]
    return [(price, rows if len(found) == 1 else rows[np.isin(days, its_days)]) for price, its_days in found]


def _noon(day: int) -> datetime:
    return datetime.combine(datetime.fromtimestamp(0, UTC) + timedelta(days=day), time(12), UTC)


def _by_tier(columns: Columns, rows: Integers, price: Price) -> list[tuple[Price, Integers]]:
    """The rows by the step of the price that their prompt is in, each with the flat price of that step."""
    tiered = [rate for name in _rates() if isinstance(rate := getattr(price, name), Tiered)]
    starts = sorted({start for rate in tiered for start, _ in rate.steps})
    if not starts:
        return [(price, rows)]
    steps = np.searchsorted(np.array(starts), columns.number("input_tokens")[rows], side="left")
    found: list[tuple[Price, Integers]] = []
    for step in range(len(starts) + 1):
        prompt = starts[step - 1] + 1 if step else 0
        rates = {name: getattr(price, name) for name in _rates()}
        flat = {name: rate.at(prompt) if isinstance(rate, Tiered) else rate for name, rate in rates.items()}
        found.append((replace(price, **flat), rows[steps == step]))
    return found


def _rates() -> tuple[str, ...]:
    return tuple(field.name for field in fields(Price) if field.name.endswith("_per_million"))


def _sum_cost(columns: Columns, rows: Integers, price: Price) -> float | None:
    """What rows cost at flat rates.

    A price is linear in the tokens as long as the parts fit into the whole: then the sums
    are priced once, by the price's own arithmetic; rows of which that does not hold are priced one by one.
    """
    if not len(rows):
        return 0.0
    counts = {name: columns.number(name)[rows] for name in _TOKENS}  # whole numbers, exact in a double
    parts = counts["cache_read_tokens"] + counts["cache_write_tokens"] + counts["input_audio_tokens"]
    spoken = counts["reasoning_tokens"] + counts["output_audio_tokens"]
    fits = (parts <= counts["input_tokens"]) & (spoken <= counts["output_tokens"])
    fits &= counts["cache_write_1h_tokens"] <= counts["cache_write_tokens"]
    seconds = np.maximum(0.0, np.nan_to_num(columns.number("total")[rows]))
    total = 0.0
    if bool(fits.any()):
        inside = slice(None) if bool(fits.all()) else fits
        usage = _usage({name: int(values[inside].sum()) for name, values in counts.items()})
        cost = price.cost_usd(usage, float(seconds[inside].sum()))
        if cost is None and usage.total_tokens:
            return None
        total = (cost or 0.0) + (price.per_request or 0.0) * (int(np.count_nonzero(fits)) - 1)
    for place in np.flatnonzero(~fits).tolist():
        usage = _usage({name: int(values[place]) for name, values in counts.items()})
        cost = price.cost_usd(usage, float(seconds[place]))
        if cost is None:
            return None
        total += cost
    return total


def _usage(counts: Mapping[str, Any]) -> Usage:
    return Usage(**counts)


def _cached(columns: Columns, model: tuple[str, str], prices: PriceTable) -> float | None:
    """What the answers of caches would have cost, their tokens split as those of all answers are."""
    hits = np.flatnonzero(columns.from_cache)
    tokens = columns.number("saved_tokens")[hits].astype(np.int64)
    asked = int(columns.number("input_tokens")[columns.answered].sum())
    said = int(columns.number("output_tokens")[columns.answered].sum())
    share = asked / (asked + said) if asked + said else 0.5
    total = 0.0
    for price, rows in _by_price(columns, columns.from_cache, model, prices):
        if price is None:
            return None
        mine = tokens[np.isin(hits, rows)]
        if not len(mine):
            continue
        prompt = share * float(mine.sum()) / len(mine)
        usage = Usage(input_tokens=round(share * int(mine.sum())), output_tokens=0)
        usage = replace(usage, output_tokens=int(mine.sum()) - usage.input_tokens)
        rates = {name: getattr(price, name) for name in _rates()}
        flat = {name: rate.at(round(prompt)) if isinstance(rate, Tiered) else rate for name, rate in rates.items()}
        cost = replace(price, **flat).cost_usd(usage)
        if cost is None and usage.total_tokens:
            return None
        total += (cost or 0.0) + (price.per_request or 0.0) * (len(mine) - 1)
    return total
