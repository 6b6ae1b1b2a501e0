"""Results as Markdown. Prompts and answers are left out unless they are asked for: a report is passed on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from inferail.evals.scorers.answers import text_of

if TYPE_CHECKING:
    from inferail.evals.comparing import Comparison
    from inferail.evals.results import CaseResult, EvalResult
    from inferail.types.usage import Usage

__all__ = ["markdown"]

_MOST_ROWS: Final = 50
_LONGEST: Final = 300


def markdown(
    results: EvalResult | Sequence[EvalResult], comparison: Comparison | None = None, *, show_text: bool = False
) -> str:
    """A report: score with its interval, what it took, tags, nondeterminism, cases that did not pass, and the comparison.

    Args:
        results: One, or several of the same cases.
        comparison: Of two of them.
        show_text: Whether questions, answers and the scorers' notes are in it.
    """
    several = list(results) if isinstance(results, Sequence) else [results]
    lines = ["# Evaluation", ""]
    if comparison is not None:
        lines += _comparison(comparison)
    lines += _table(
        ["", "score", "95 % interval", "passed", "cases", "trials", "failed", "unscored", "not run", "cached", "cost",
         "scoring", "tokens", "median", "p95"],
        [_summary(each) for each in several],
    )  # fmt: skip
    for each in several:
        lines += _one(each, show_text=show_text)
    return "\n".join(lines).rstrip() + "\n"


def _summary(result: EvalResult) -> list[str]:
    counted = any(each.values for each in result.cases)
    interval = result.interval() if counted else None
    return [
        result.name,
        _number(result.score) if counted else "–",
        "–" if interval is None else f"{_number(interval.low)} to {_number(interval.high)}",
        _share(result.pass_rate),
        str(len(result.cases)),
        str(result.trials),
        *(str(result.count(status)) for status in ("failed", "unscored", "not_run")),
        str(result.num_cached),
        _dollars(result.usage),
        _dollars(result.scoring),
        f"{result.usage.input_tokens:,} + {result.usage.output_tokens:,}",
        _seconds(result.seconds_at(0.5)),
        _seconds(result.seconds_at(0.95)),
    ]


def _one(result: EvalResult, *, show_text: bool) -> Iterator[str]:
    yield f"## {_cell(result.name)}"
    yield ""
    if result.reasons:
        yield "Not scored: " + ", ".join(f"{count} × {_cell(reason)}" for reason, count in result.reasons.items()) + "."
        yield ""
    if not result.complete:
        yield "**Incomplete**: the score is that of the cases that count."
        yield ""
    if tags := result.tags():
        rows = [[name, _value(each.score), _share(each.pass_rate), str(len(each.cases))] for name, each in tags.items()]
        yield from _table(["tag", "score", "passed", "cases"], rows)
    if result.trials > 1:
        yield from _nondeterminism(result)
    wrong = [each for each in result.cases if not each.passed]
    if wrong:
        yield f"### {len(wrong)} cases did not pass in every trial"
        yield ""
        columns = ["case", "score", "passed", "why"] + (["question", "answer"] if show_text else [])
        yield from _table(columns, [_case(each, show_text=show_text) for each in wrong[:_MOST_ROWS]])
        if len(wrong) > _MOST_ROWS:
            yield f"… and {len(wrong) - _MOST_ROWS} more."
            yield ""


def _nondeterminism(result: EvalResult) -> Iterator[str]:
    """How much the model's own chance does."""
    fewest = min((len(each.values) for each in result.cases if each.values), default=0)
    sentence = f"{len(result.flaky)} of {len(result.cases)} cases passed in some trials only; "
    sentence += f"the standard deviation within a case is {result.spread:.4f} on average."
    if fewest > 1:
        sentence += f" pass@{fewest} is {result.pass_at(fewest):.1%}, pass^{fewest} {result.pass_every(fewest):.1%}."
    yield sentence
    yield ""


def _case(each: CaseResult, *, show_text: bool) -> list[str]:
    why = dict.fromkeys(trial.reason or trial.error or "" for trial in each.trials)
    row = [each.case.id, _value(each.value), f"{each.num_passed} of {len(each.trials)}", ", ".join(filter(None, why))]
    if show_text:
        notes = [trial.score.note for trial in each.trials if trial.score is not None and trial.score.note]
        row[3] = "; ".join(filter(None, [row[3], *notes[:1]]))
        answered = next((trial.output for trial in each.trials if trial.output is not None), None)
        row += [_text(each.case.input), "" if answered is None else _text(answered)]
    return row


def _comparison(comparison: Comparison) -> Iterator[str]:
    interval = comparison.interval
    worse, better = len(comparison.worse), len(comparison.better)
    yield f"**{comparison.verdict}**: {_cell(comparison.before.name)} → {_cell(comparison.after.name)}"
    yield ""
    rows = [
        ["difference of the means", f"{interval.mean:+.4f}"],
        [f"{interval.confidence:.0%} interval (paired bootstrap, {interval.resamples:,} resamples, seed {interval.seed})",
         f"{interval.low:+.4f} to {interval.high:+.4f}"],
        ["p, two-sided", f"{interval.p_value:.4f}"],
        ["accepted drop", f"{comparison.max_drop:g}"],
        ["pairs", f"{len(comparison.changes)}" + (f", {len(comparison.unpaired)} unpaired" if comparison.unpaired else "")],
        ["worse, better, the same", f"{worse}, {better}, {len(comparison.changes) - worse - better}"],
        ["power", comparison.power_in_words()],
    ]  # fmt: skip
    yield from _table(["", ""], rows)
    if comparison.worse:
        fallen = [[each.id, _value(each.before), _value(each.after)] for each in comparison.worse[:_MOST_ROWS]]
        yield from _table(["fell", "before", "after"], fallen)


def _table(columns: list[str], rows: list[list[str]]) -> list[str]:
    return [_row(columns), "|" + "---|" * len(columns), *map(_row, rows), ""]


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _text(value: object) -> str:
    from inferail.errors import ConfigError
    from inferail.evals.scorers.judge import question_of

    try:
        text = value if isinstance(value, str) else question_of(value)
    except ConfigError:
        text = text_of(str(type(value).__name__))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _value(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.4f}"


def _share(share: float) -> str:
    return "–" if math.isnan(share) else f"{share:.1%}"


def _number(value: float) -> str:
    return f"{value:.4f}"


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.3f} s"


def _dollars(usage: Usage) -> str:
    return "price unknown" if usage.cost_usd is None else f"${usage.cost_usd:.4f}"
