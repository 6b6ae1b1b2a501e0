"""What the traffic is like: tasks, latency, caches, context windows, and how good running estimates were."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from inferail.telemetry.report.statistics import quantiles

if TYPE_CHECKING:
    from inferail.telemetry.report.columns import Columns

__all__ = [
    "CacheUse",
    "Headroom",
    "Latency",
    "Reconciliation",
    "TaskShare",
    "audit",
    "cache_use",
    "headroom",
    "latency",
    "reconciliation",
]

TAIL: Final = 3.0  # "if your p95 is three times your median": from there on a tail is called long


@dataclass(frozen=True, slots=True)
class TaskShare:
    """One task's part of the traffic.

    Attributes:
        task: The label `task`, or None where a call has none.
        calls: Its calls, those that a cache answered included.
        share_of_calls: Of all calls.
        spend_usd: What it cost.
        share_of_spend: Of all that was spent; None where nothing was.
        tokens: Prompt and answer tokens of all attempts.
        p50: Median seconds of an attempt that answered; None without one.
        p95: The same that 95 % do not exceed.
        unpriced: Attempts whose cost is not known.
    """

    task: str | None
    calls: int
    share_of_calls: float
    spend_usd: float
    share_of_spend: float | None
    tokens: int
    p50: float | None
    p95: float | None
    unpriced: int


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds of the attempts that answered; quantiles are exact (nearest rank). Answers of a cache are not among them.

    Attributes:
        group: Provider, model and path.
        answers: How many.
        p50: Median of the whole answer.
        p95: 95 % took no longer.
        p99: 99 % took no longer.
        tail_ratio: `p95 / p50`.
        long_tail: Whether that is 3 or more.
        streamed: How many have a first token.
        first_token_p50: Median to the first token; None where nothing was streamed.
        first_token_p95: 95 % took no longer to it.
        first_token_p99: 99 % took no longer to it.
    """

    group: Mapping[str, str | None]
    answers: int
    p50: float | None
    p95: float | None
    p99: float | None
    tail_ratio: float | None
    long_tail: bool
    streamed: int
    first_token_p50: float | None
    first_token_p95: float | None
    first_token_p99: float | None


@dataclass(frozen=True, slots=True)
class CacheUse:
    """What caches spared a task.

    Attributes:
        task: The task: a call site gives itself one with the label `task`.
        calls: Its calls.
        hits: Of which a cache of ours answered.
        hit_ratio: `hits / calls`.
        saved_usd: What those answers had cost when they were made, where that is known.
        saved_unknown: Hits of which it is not.
        saved_tokens: Their tokens.
        prompt_ratio: Part of all prompt tokens that was read from the provider's cache; None without prompt tokens.
        interactive: Whether somebody waits for the answers.
        uncached: An interactive task that no cache helps, neither ours nor the provider's.
    """

    task: str | None
    calls: int
    hits: int
    hit_ratio: float
    saved_usd: float
    saved_unknown: int
    saved_tokens: int
    prompt_ratio: float | None
    interactive: bool
    uncached: bool


@dataclass(frozen=True, slots=True)
class Headroom:
    """How near prompts and answers of a model come to its context window.

    Attributes:
        model: The model, `provider:model`.
        window: Its context window in tokens, or None where none is known.
        answers: Attempts that answered.
        p50_tokens: Median of prompt and answer together.
        p99_tokens: 99 % have no more.
        most_tokens: The most.
        most_share: The most of the window; None without a window.
        warned: Attempts at or above the share `warn`.
        acted: Attempts at or above the share `act`.
        refused: Attempts that were too long (`ContextLengthError`).
        level: `ok`, `warn`, `act`, or `unknown` without a window; a refusal is `act`.
    """

    model: str
    window: int | None
    answers: int
    p50_tokens: int | None
    p99_tokens: int | None
    most_tokens: int | None
    most_share: float | None
    warned: int
    acted: int
    refused: int
    level: str


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """How good estimates were: of tokens that nobody reported, and of the cost while a stream was running.

    Attributes:
        attempts: Attempts that used tokens.
        estimated: Of which the tokens come from byte counts.
        estimated_usd: What those cost.
        estimated_share: Part of all that was spent.
        compared: Streams of which both the last running estimate and the real cost are known.
        bias: What those were estimated at, less what they cost, as a part of what they cost; None where they cost nothing.
        median_error: Median of `abs(estimate - cost) / cost`.
        p95_error: 95 % of the streams were no further off.
    """

    attempts: int
    estimated: int
    estimated_usd: float
    estimated_share: float | None
    compared: int
    bias: float | None
    median_error: float | None
    p95_error: float | None


def audit(columns: Columns) -> tuple[TaskShare, ...]:
    """The share of each task, most calls first."""
    tasks = columns.groups(("task",))
    calls, spend = columns.calls_of(tasks), tasks.sum(columns.spend)
    unpriced = tasks.count(columns.unpriced)
    tokens = tasks.sum(columns.number("input_tokens") + columns.number("output_tokens"))
    timed = columns.answered & (columns.number("total") >= 0)
    found: list[TaskShare] = []
    for place, rows in enumerate(tasks.rows(timed)):
        if not calls[place]:
            continue
        p50, p95 = quantiles(columns.number("total")[rows], (0.5, 0.95))
        found.append(
            TaskShare(
                tasks.names[place][0],
                calls[place],
                calls[place] / len(columns.calls),
                spend[place],
                spend[place] / sum(spend) if sum(spend) > 0 else None,
                int(tokens[place]),
                p50,
                p95,
                unpriced[place],
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.calls, one.task or "")))


def latency(columns: Columns, by: Sequence[str]) -> tuple[Latency, ...]:
    """One for each group that answered, most answers first."""
    groups = columns.groups(by)
    total, first = columns.number("total"), columns.number("first_token")
    found: list[Latency] = []
    for place, rows in enumerate(groups.rows(columns.answered & (total >= 0))):
        if not len(rows):
            continue
        p50, p95, p99 = quantiles(total[rows])
        streamed = first[rows]
        streamed = streamed[streamed >= 0]
        ratio = p95 / p50 if p50 and p95 is not None else None
        found.append(
            Latency(
                groups.named(place),
                len(rows),
                p50,
                p95,
                p99,
                ratio,
                ratio is not None and ratio >= TAIL,
                len(streamed),
                *quantiles(streamed),
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.answers, *(name or "" for name in one.group.values()))))


def cache_use(columns: Columns, interactive: Collection[str] | None, minimum: int) -> tuple[CacheUse, ...]:
    """One for each task, most calls first; see `Report.caching`."""
    tasks = columns.groups(("task",))
    calls, hits = columns.calls_of(tasks), columns.calls_of(tasks, columns.from_cache)
    saved = columns.number("saved_usd")
    dollars = tasks.sum(np.nan_to_num(saved), columns.from_cache)
    unknown = tasks.count(columns.from_cache & np.isnan(saved))
    tokens = tasks.sum(columns.number("saved_tokens"), columns.from_cache)
    prompts = tasks.sum(columns.number("input_tokens"))
    read = tasks.sum(columns.number("cache_read_tokens"))
    streamed = tasks.count(columns.asked & columns.where(lambda kind: kind[9]))
    asked = tasks.count(columns.asked)
    found: list[CacheUse] = []
    for place, (task,) in enumerate(tasks.names):
        if not calls[place]:
            continue
        waits = streamed[place] * 2 > asked[place] if interactive is None else task in interactive
        helped = hits[place] > 0 or read[place] > 0
        found.append(
            CacheUse(
                task,
                calls[place],
                hits[place],
                hits[place] / calls[place],
                dollars[place],
                unknown[place],
                int(tokens[place]),
                read[place] / prompts[place] if prompts[place] else None,
                interactive=waits,
                uncached=waits and not helped and calls[place] >= minimum,
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.calls, one.task or "")))


def headroom(columns: Columns, windows: Mapping[str, int], warn: float, act: float) -> tuple[Headroom, ...]:
    """One for each model, the fullest window first."""
    models = columns.groups(("model",))
    used = columns.number("input_tokens") + columns.number("output_tokens")
    refused = models.count(columns.where(lambda kind: kind[5] == "ContextLengthError"))
    found: list[Headroom] = []
    for place, rows in enumerate(models.rows(columns.answered)):
        if not len(rows) and not refused[place]:
            continue
        name = models.names[place][0] or ""
        window = windows.get(name, windows.get(name.partition(":")[2]))
        tokens = used[rows]
        p50, p99, most = (None if value is None else int(value) for value in quantiles(tokens, (0.5, 0.99, 1.0)))
        share = most / window if window and most is not None else None
        level = "unknown" if window is None else "ok"
        if refused[place] or (share is not None and share >= act):
            level = "act"
        elif share is not None and share >= warn:
            level = "warn"
        warned, acted = (int(np.count_nonzero(tokens >= bound * window)) if window else 0 for bound in (warn, act))
        found.append(Headroom(name, window, len(rows), p50, p99, most, share, warned, acted, refused[place], level))
    return tuple(sorted(found, key=lambda one: (-(one.most_share or -1.0), one.model)))


def reconciliation(columns: Columns) -> Reconciliation:
    """How good estimates were."""
    used = columns.asked & (columns.number("input_tokens") + columns.number("output_tokens") > 0)
    guessed = used & columns.where(lambda kind: kind[10])
    spend = float(columns.spend.sum())
    guessed_usd = float(columns.spend[guessed].sum())
    told, real = columns.number("estimated_usd"), columns.number("cost_usd")
    both = columns.asked & ~columns.where(lambda kind: kind[10]) & ~np.isnan(told) & (real > 0)
    median, p95 = quantiles(np.abs(told[both] - real[both]) / real[both], (0.5, 0.95))
    cost = float(real[both].sum())
    return Reconciliation(
        attempts=int(np.count_nonzero(used)),
        estimated=int(np.count_nonzero(guessed)),
        estimated_usd=guessed_usd,
        estimated_share=guessed_usd / spend if spend > 0 else None,
        compared=int(np.count_nonzero(both)),
        bias=float(told[both].sum()) / cost - 1 if cost > 0 else None,
        median_error=median,
        p95_error=p95,
    )
