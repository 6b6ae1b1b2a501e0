"""The sections of a report as text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from inferail.cli.output import dollars, seconds
from inferail.telemetry.report.slo import as_text

__all__ = ["TITLES", "lines"]

_DAYS_SHOWN: Final = 14
_ROWS_SHOWN: Final = 20
TITLES: Final = {
    "cost": "Cost per successful call",
    "efficiency": "Most efficient model per task",
    "waste": "Waste",
    "savings": "Savings",
    "fallbacks": "Fallbacks",
    "tasks": "Traffic by task",
    "latency": "Latency of answers",
    "caches": "Caches",
    "windows": "Context windows",
    "estimates": "Estimates",
    "spend": "Spend per day (UTC)",
    "budgets": "Budgets",
    "objectives": "Objectives",
}
Row = Sequence[str]


def lines(found: Mapping[str, Any], width: int) -> Iterator[str]:
    """The report, section by section, no line longer than `width` where words can be cut."""
    for name, title in TITLES.items():
        if name in found:
            body = list(_SECTIONS[name](found[name], width))
            if body:
                yield from ("", title)
                for line in body:
                    yield from _wrapped(line, width)


def _wrapped(line: str, width: int) -> list[str]:
    if len(line) <= width or "  " in line.strip():  # a line of a table is never broken
        return [line]
    return textwrap.wrap(line, width, initial_indent="", subsequent_indent="  ", break_long_words=False)


def table(head: Row, rows: Iterable[Row], width: int, words: int = 1) -> Iterator[str]:
    """Columns under a head; the first `words` are words (to the left, cut where the line is too long), the rest numbers."""
    body = list(rows)
    shown = [head, *body[:_ROWS_SHOWN]]
    widths = [max(len(row[place]) for row in shown) for place in range(len(head))]
    while sum(widths) + 2 * (len(widths) - 1) + 2 > width:
        longest = max(range(words), key=lambda place: widths[place])
        if widths[longest] <= 8:
            break
        widths[longest] -= 1
    for row in shown:
        cells = [
            f"{_cut(cell, size):<{size}}" if place < words else f"{cell:>{size}}"
            for place, (cell, size) in enumerate(zip(row, widths, strict=True))
        ]
        yield f"  {'  '.join(cells)}".rstrip()
    if len(body) > _ROWS_SHOWN:
        yield f"  … and {len(body) - _ROWS_SHOWN:,} more: see --json"


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else f"{text[: size - 1]}…"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _seconds(value: float | None) -> str:
    return "–" if value is None else seconds(value)


def _usd(value: float | None, unpriced: int = 0) -> str:
    if value is None:
        return "unknown"
    text = dollars(abs(value)) if abs(value) < 100 else f"${abs(value):,.0f}"
    return f"{'≥' if unpriced else ''}{'-' if value < 0 else ''}{text}"


def _names(group: Mapping[str, str | None]) -> list[str]:
    return [name or "–" for name in group.values()]


def _cost(found: Any, width: int) -> Iterator[str]:
    if found:
        by = list(found[0].group)
        head = (*by, "calls", "answered", "cached", "spent", "per success")
        rows = [
            (
                *_names(one.group),
                f"{one.calls:,}",
                f"{one.successes:,}",
                f"{one.from_cache:,}",
                _usd(one.spend_usd, one.unpriced),
                _usd(one.usd, one.unpriced) if one.successes else "no answer",
            )
            for one in found
        ]
        yield from table(head, rows, width, len(by))


def _efficiency(found: Any, width: int) -> Iterator[str]:
    rows = [
        (
            one.task or "–",
            one.model,
            "best" if one.winner else "" if one.qualified else "out",
            _usd(one.usd),
            _share(one.success_rate),
            "–" if one.quality is None else f"{one.quality:.3g}",
            f"{one.successes:,}",
        )
        for one in found
    ]
    if rows:
        yield from table(("task", "model", "", "per success", "answered", "quality", "successes"), rows, width, 3)


def _waste(found: Any, width: int) -> Iterator[str]:
    del width
    mark = found.unpriced
    yield f"  {_share(found.ratio)} of {_usd(found.spend_usd)} went to attempts that did not answer"
    yield (
        f"  failed {_usd(found.failed_usd, mark)}, cancelled {_usd(found.cancelled_usd)},"
        f" of which calls without any answer {_usd(found.lost_calls_usd)}"
    )
    errors = [f"{name} {_usd(usd)}" for name, usd in list(found.by_error.items())[:4] if usd]
    if errors:
        yield f"  dearest: {', '.join(errors)}"


def _savings(found: Any, width: int) -> Iterator[str]:
    del width
    if not found.priced:
        yield f"  {found.baseline}: no price of it is known, so nothing can be said (see inferail models)"
        return
    yield f"  {found.baseline} would have cost {_usd(found.answers_usd + found.cached_usd)},"
    yield f"  of which {_usd(found.cached_usd)} for what caches answered; spent was {_usd(found.actual_usd, found.unpriced)}"
    word = "saved" if found.saved_usd >= 0 else "lost"
    yield f"  {word} {_usd(abs(found.saved_usd))} ({_share(found.share)})"


def _fallbacks(found: Any, width: int) -> Iterator[str]:
    rows = [
        (
            one.source,
            one.target,
            {True: "fail together", False: "", None: "no basis"}[one.correlated],
            f"{one.tried:,}",
            _share(one.rescue_rate),
            f"{one.rescue_low:.0%}–{one.rescue_high:.0%}",
            _share(one.failure_alone),
        )
        for one in found
    ]
    if rows:
        yield from table(("from", "to", "", "tried", "rescued", "95 %", "fails alone"), rows, width, 2)


def _tasks(found: Any, width: int) -> Iterator[str]:
    rows = [
        (
            one.task or "–",
            f"{one.calls:,}",
            _share(one.share_of_calls),
            _usd(one.spend_usd, one.unpriced),
            _share(one.share_of_spend),
            f"{one.tokens:,}",
            _seconds(one.p50),
            _seconds(one.p95),
        )
        for one in found
    ]
    yield from table(("task", "calls", "share", "spent", "share", "tokens", "p50", "p95"), rows, width)


def _latency(found: Any, width: int) -> Iterator[str]:
    rows = [
        (
            *(name or "–" for key, name in one.group.items() if key != "provider"),
            f"{one.answers:,}",
            _seconds(one.p50),
            _seconds(one.p95),
            _seconds(one.p99),
            ("" if one.tail_ratio is None else f"{one.tail_ratio:.1f}") + ("!" if one.long_tail else ""),
            _seconds(one.first_token_p50),
            _seconds(one.first_token_p95),
        )
        for one in found
    ]
    if rows:
        words = [key for key in found[0].group if key != "provider"]
        head = (*words, "answers", "p50", "p95", "p99", "p95/p50", "first p50", "p95")
        yield from table(head, rows, width, len(words))
        if any(one.long_tail for one in found):
            yield "  !: the p95 is three times the median or more"


def _caches(found: Any, width: int) -> Iterator[str]:
    rows = [
        (
            one.task or "–",
            f"{one.calls:,}",
            _share(one.hit_ratio),
            _usd(one.saved_usd, one.saved_unknown),
            f"{one.saved_tokens:,}",
            _share(one.prompt_ratio),
            "no cache!" if one.uncached else "",
        )
        for one in found
    ]
    yield from table(("task", "calls", "hits", "saved", "tokens saved", "prompt cached", ""), rows, width)
    if any(one.uncached for one in found):
        yield "  no cache!: people wait for these answers, and neither a cache of ours nor the provider's helps"


def _windows(found: Any, width: int) -> Iterator[str]:
    rows = [
        (
            one.model,
            "" if one.level == "ok" else one.level,
            "–" if one.window is None else f"{one.window:,}",
            "–" if one.p99_tokens is None else f"{one.p99_tokens:,}",
            "–" if one.most_tokens is None else f"{one.most_tokens:,}",
            _share(one.most_share),
            f"{one.refused:,}",
        )
        for one in found
    ]
    if rows:
        yield from table(("model", "", "window", "p99 tokens", "most", "of window", "too long"), rows, width, 2)


def _estimates(found: Any, width: int) -> Iterator[str]:
    del width
    yield (
        f"  {found.estimated:,} of {found.attempts:,} attempts have estimated tokens:"
        f" {_usd(found.estimated_usd)}, {_share(found.estimated_share)} of the spend"
    )
    if found.compared:
        yield (
            f"  {found.compared:,} streams: the last running estimate was off by {_share(found.median_error)} (median),"
            f" {_share(found.p95_error)} (p95); sum {found.bias:+.1%}"
        )


def _spend(found: Any, width: int) -> Iterator[str]:
    days, forecast = found["days"], found["forecast"]
    shown = days[-_DAYS_SHOWN:]
    most = max((day.usd for day in shown), default=0.0)
    room = max(10, min(50, width - 40))
    for day in shown:
        bar = "█" * round(day.usd / most * room) if most > 0 else ""
        marks = "" if day.complete else " (not whole)"
        yield f"  {day.day.isoformat()} {day.day.strftime('%a')} {_usd(day.usd, day.unpriced):>9} {bar}{marks}".rstrip()
    if len(days) > len(shown):
        yield f"  and {len(days) - len(shown):,} days before"
    if forecast.usd is None:
        yield f"  no forecast: {forecast.reason}"
    else:
        yield (
            f"  next {forecast.days} days, to {forecast.until.isoformat()}: {_usd(forecast.usd)}"
            f" (90 %: {_usd(forecast.low)} to {_usd(forecast.high)})"
        )
        yield f"  {forecast.method} over {forecast.based_on} days, {_usd(forecast.per_day_change)} more each day"


def _budgets(found: Any, width: int) -> Iterator[str]:
    rows = [
        (
            f"{_usd(one.limit_usd)}/{one.period}",
            f"{one.threshold:.0%}",
            "REACHED" if one.fired else "expected" if one.expected else "not reached",
            _usd(one.spent_usd, one.unpriced),
            _usd(one.expected_usd),
        )
        for one in found
    ]
    yield from table(("budget", "threshold", "", "spent", "expected"), rows, width, 3)


def _objectives(found: Any, width: int) -> Iterator[str]:
    for one in found:
        words = as_text(one.slo)
        kept = "no calls" if one.met is None else "kept" if one.met else "MISSED"
        yield (
            f"  {words['bound']} for {float(words['objective']):.4g} of the calls ({words['calls']}): {kept},"
            f" {_share(one.attained)} of {one.good + one.bad:,}"
        )
        yield f"  error budget left {_share(one.budget_left)}; {one.not_measured:,} calls say nothing"
        rows = [
            (
                f"{_span(burn.long_seconds)} and {_span(burn.short_seconds)}",
                "FIRING" if burn.firing else "",
                f"{burn.factor:g}",
                "–" if burn.long_rate is None else f"{burn.long_rate:.1f}",
                "–" if burn.short_rate is None else f"{burn.short_rate:.1f}",
            )
            for burn in one.burn
        ]
        yield from table(("burn rate over", "", "alert at", "long", "short"), rows, width, 2)


def _span(seconds: int) -> str:
    if seconds % 86_400 == 0:
        return f"{seconds // 86_400} d"
    return f"{seconds // 3600} h" if seconds % 3600 == 0 else f"{seconds // 60} min"


_SECTIONS: Final = {
    "cost": _cost,
    "efficiency": _efficiency,
    "waste": _waste,
    "savings": _savings,
    "fallbacks": _fallbacks,
    "tasks": _tasks,
    "latency": _latency,
    "caches": _caches,
    "windows": _windows,
    "estimates": _estimates,
    "spend": _spend,
    "budgets": _budgets,
    "objectives": _objectives,
}
