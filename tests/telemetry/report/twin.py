"""The report as slow loops over Records: the oracle of the fast one."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

from inferail.telemetry.prices import PriceTable
from inferail.telemetry.records import Record
from inferail.telemetry.report import SLO
from inferail.types.usage import Usage


class Twin:
    """The same figures, as plain tuples and dicts, from a list of Records."""

    def __init__(self, records: Sequence[Record], now: datetime) -> None:
        self.records = list(records)
        self.now = now
        self.calls: dict[str, list[Record]] = defaultdict(list)
        for record in self.records:
            self.calls[record.call_id or f"record {record.id}"].append(record)

    def cost_per_success(self, by: Sequence[str]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        found = {}
        for group in {tuple(word(record, name) for name in by) for record in self.records}:
            mine = [record for record in self.records if tuple(word(record, name) for name in by) == group]
            calls = [[record for record in call if record in mine] for call in self.calls.values()]
            asked = [record for record in mine if record.reason != "cache"]
            cached = sum(any(from_cache(record) for record in call) for call in calls)
            successes = sum(any(answered(record) for record in call) for call in calls)
            spend = sum(record.cost_usd or 0.0 for record in mine)
            missing = sum(unpriced(record) for record in mine)
            if not asked and not cached:
                continue
            usd = None if not successes or missing == len(asked) else spend / successes
            num_calls = sum(any(record.reason != "cache" for record in call) for call in calls)
            found[group] = (num_calls, len(asked), successes, cached, spend, usd, missing)
        return found

    def waste(self) -> tuple[float, float, float, float]:
        failed = sum(record.cost_usd or 0.0 for record in self.records if not in_time(record))
        cancelled = sum(record.cost_usd or 0.0 for record in self.records if record.error == "CancelledError")
        lost = sum(
            record.cost_usd or 0.0
            for call in self.calls.values()
            if not any(answered(record) or from_cache(record) for record in call)
            for record in call
            if record.error is not None
        )
        return sum(record.cost_usd or 0.0 for record in self.records), failed - cancelled, cancelled, lost

    def savings(self, baseline: tuple[str, str], prices: PriceTable) -> tuple[float | None, float | None]:
        hits = [record for record in self.records if from_cache(record)]
        answers = [record for record in self.records if answered(record)]
        costs: list[float | None] = []
        for record in answers:
            price = prices.find(*baseline, at=datetime.combine(record.started_at.date(), time(12), self.now.tzinfo))
            costs.append(None if price is None else price.cost_usd(record.usage, max(0.0, record.timing.total)))
        if prices.find(*baseline) is None or None in costs:
            return None, None
        asked = sum(record.usage.input_tokens for record in answers)
        said = sum(record.usage.output_tokens for record in answers)
        share = asked / (asked + said) if asked + said else 0.5
        tokens = sum(record.saved_tokens for record in hits)
        price = prices.find(*baseline)
        prompt = round(share * tokens)
        cached = price.cost_usd(Usage(prompt, tokens - prompt)) if price is not None and hits else 0.0
        return sum(cost or 0.0 for cost in costs), cached

    def fallbacks(self) -> dict[tuple[str, str], tuple[int, ...]]:
        tried: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        alone: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for call in self.calls.values():
            units: dict[str, tuple[bool, bool]] = {}
            for record in sorted(call, key=lambda one: (one.started_at, one.attempt)):
                if record.reason == "cache":
                    continue
                good, second = units.get(name_of(record), (False, False))
                units[name_of(record)] = (good or answered(record), second or record.reason == "fallback")
            steps = list(units.items())
            for name, (good, second) in steps:
                if not second:
                    alone[name][0] += 1
                    alone[name][1] += not good
            for (one, (one_good, _)), (other, (other_good, second)) in pairwise(steps):
                if second and not one_good:
                    tried[one, other][0] += 1
                    tried[one, other][1] += other_good
        return {pair: (*counts, *alone[pair[1]]) for pair, counts in tried.items()}

    def audit(self) -> dict[str | None, tuple[Any, ...]]:
        found = {}
        for task in {record.task for record in self.records}:
            mine = [record for record in self.records if record.task == task]
            calls = sum(any(record.task == task for record in call) for call in self.calls.values())
            tokens = sum(record.usage.total_tokens for record in mine)
            times = sorted(record.timing.total for record in mine if answered(record) and record.timing.total >= 0)
            spend = sum(record.cost_usd or 0.0 for record in mine)
            found[task] = (calls, spend, tokens, rank(times, 0.5), rank(times, 0.95))
        return found

    def latency(self) -> dict[tuple[str, str], tuple[Any, ...]]:
        found = {}
        for group in {(name_of(record), record.path) for record in self.records}:
            mine = [record for record in self.records if (name_of(record), record.path) == group]
            good = [record for record in mine if answered(record) and record.timing.total >= 0]
            if not good:
                continue
            total = sorted(record.timing.total for record in good)
            firsts = [record.timing.first_token for record in good]
            first = sorted(one for one in firsts if one is not None and one >= 0)
            shares = (0.5, 0.95, 0.99)
            found[group] = (len(good), *(rank(total, q) for q in shares), *(rank(first, q) for q in shares))
        return found

    def caching(self) -> dict[str | None, tuple[Any, ...]]:
        found = {}
        for task in {record.task for record in self.records}:
            mine = [record for record in self.records if record.task == task]
            hits = [record for record in mine if from_cache(record)]
            calls = [call for call in self.calls.values() if any(record.task == task for record in call)]
            hit_calls = sum(any(from_cache(record) and record.task == task for record in call) for call in calls)
            prompts = sum(record.usage.input_tokens for record in mine)
            read = sum(record.usage.cache_read_tokens for record in mine)
            asked = [record for record in mine if record.reason != "cache"]
            waits = sum(record.streamed for record in asked) * 2 > len(asked)
            found[task] = (
                len(calls),
                hit_calls,
                sum(record.saved_usd or 0.0 for record in hits),
                sum(record.saved_usd is None for record in hits),
                sum(record.saved_tokens for record in hits),
                read / prompts if prompts else None,
                waits and not hit_calls and not read and len(calls) >= 2,
            )
        return found

    def reconciliation(self) -> tuple[int, int, int, float | None, float | None]:
        used = [record for record in self.records if record.reason != "cache" and record.usage.total_tokens]
        both = [
            (record.estimated_usd, record.cost_usd)
            for record in self.records
            if record.reason != "cache"
            and not record.estimated
            and record.estimated_usd is not None
            and record.cost_usd
        ]
        errors = sorted(abs(told - real) / real for told, real in both)
        guessed = sum(record.estimated for record in used)
        return len(used), guessed, len(both), rank(errors, 0.5), rank(errors, 0.95)

    def daily_spend(self) -> list[float]:
        days = [record for record in self.records if record.started_at <= self.now + timedelta(seconds=60)]
        if not days:
            return []
        first, today = min(record.started_at.date() for record in days), self.now.date()
        spent: dict[Any, float] = defaultdict(float)
        for record in days:
            spent[min(record.started_at.date(), max(first, today))] += record.cost_usd or 0.0
        return [spent[first + timedelta(days=step)] for step in range(max(1, (today - first).days + 1))]

    def slo(self, slo: SLO) -> tuple[int, int, int]:
        good = bad = silent = 0
        for call in self.calls.values():
            mine = [record for record in call if record.reason not in {"shadow", "classify"}]
            if not any(slo.task is None or record.task == slo.task for record in mine):
                continue
            began = min(record.started_at for record in mine)
            answers = [record for record in mine if answered(record) or from_cache(record)]
            if not answers:
                errors = {record.error for record in mine}
                unstreamed = slo.first_token is not None and not any(record.streamed for record in mine)
                if errors <= {None, "CancelledError"} or unstreamed:
                    silent += 1
                else:
                    bad += 1
                continue
            kept = True
            measured = True
            for bound, name in ((slo.first_token, "first_token"), (slo.total, "total")):
                if bound is None:
                    continue
                waits = [
                    (record.started_at - began).total_seconds() + getattr(record.timing, name)
                    for record in answers
                    if getattr(record.timing, name) is not None
                ]
                measured = measured and bool(waits)
                kept = kept and bool(waits) and min(waits) <= bound + 1e-6
            if not measured:
                silent += 1
            elif kept:
                good += 1
            else:
                bad += 1
        return good, bad, silent


def in_time(record: Record) -> bool:
    return record.error is None


def answered(record: Record) -> bool:
    return record.error is None and record.reason not in {"cache", "shadow", "classify"}


def from_cache(record: Record) -> bool:
    return record.reason == "cache" and record.error is None


def unpriced(record: Record) -> bool:
    if record.cost_usd is not None or record.reason == "cache":
        return False
    return record.usage.total_tokens > 0 or record.error is None


def name_of(record: Record) -> str:
    return f"{record.provider}:{record.model}"


def word(record: Record, name: str) -> Any:
    if name == "model":
        return name_of(record)
    return record.labels.get(name) if name in {"task", "tenant"} else getattr(record, name)


def rank(values: Sequence[float], share: float) -> float | None:
    """Nearest rank of sorted values."""
    return values[max(0, math.ceil(share * len(values)) - 1)] if values else None


def least_squares(rows: Sequence[Sequence[float]], values: Sequence[float]) -> list[float]:
    """Solves the normal equations exactly, in fractions."""
    size = len(rows[0])
    exact = [[Fraction(value) for value in row] for row in rows]
    right = [Fraction(value) for value in values]
    matrix = [
        [sum((row[i] * row[j] for row in exact), Fraction()) for j in range(size)]
        + [sum((row[i] * value for row, value in zip(exact, right, strict=True)), Fraction())]
        for i in range(size)
    ]
    for pivot in range(size):
        swap = next(row for row in range(pivot, size) if matrix[row][pivot])
        matrix[pivot], matrix[swap] = matrix[swap], matrix[pivot]
        matrix[pivot] = [value / matrix[pivot][pivot] for value in matrix[pivot]]
        for row in range(size):
            if row != pivot:
                factor = matrix[row][pivot]
                matrix[row] = [one - factor * other for one, other in zip(matrix[row], matrix[pivot], strict=True)]
    return [float(matrix[row][size]) for row in range(size)]
