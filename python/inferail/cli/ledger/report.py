"""`inferail report`: what calls cost, how long they took, and whether what is around them helps."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import click

from inferail.cli.ledger.arguments import Budget, budget, moment, objective, pairs, windows
from inferail.cli.ledger.place import ledger_path
from inferail.cli.plot import check_pictures

if TYPE_CHECKING:
    from inferail.telemetry.report import Report

__all__ = ["report"]

_SECTIONS: Final = (
    "cost", "efficiency", "waste", "savings", "fallbacks", "tasks", "latency", "caches", "windows", "estimates", "spend",
    "budgets", "objectives",
)  # fmt: skip
_SPENT: Final = 3
_EXPECTED: Final = 4
_HELP: Final = """What calls cost, how long they took, and whether fallbacks and caches help.

    \b
    Examples:
      inferail report
      inferail report records.jsonl --since 7d --by model
      inferail report --baseline openai:gpt-5 --only savings
      inferail report --slo first_token=0.2,objective=0.95 --where task=chat
      inferail report --only budgets --fail-over 500usd/month

    LEDGER is a SQLite ledger or a file of JSON lines; without it, the one that other commands write to (INFERAIL_LEDGER).
    Give calls the label "task", or all tasks are one. Attempts whose price is not known are counted and never taken for
    free: a sum with some of them is shown with ≥.

    \b
    Sections for --only: cost, efficiency, waste, savings, fallbacks, tasks,
    latency, caches, windows, estimates, spend, budgets, objectives.

    Exit code with --fail-over: 3 when the budget is spent, 4 when it is only expected to be, else 0.
    """


@click.command(help=_HELP, short_help="What calls cost, how long they took, what helps.")
@click.argument("ledger", required=False, type=click.Path(path_type=Path))
@click.option("--since", metavar="WHEN", help="Only from then on: 7d, 24h, 2w ago, or 2026-11-01.")
@click.option("--until", metavar="WHEN", help="Only before then.")
@click.option("--by", multiple=True, metavar="WORD", help="Cost by: task, model, provider, path, tenant, or any label.")
@click.option("--where", multiple=True, metavar="NAME=VALUE", help="Only those: task=faq, model=openai:gpt-5, a label.")
@click.option("--baseline", metavar="MODEL", help="Savings against provider:model.")
@click.option("--quality", metavar="LABEL", help="Label with a number: how good an answer was.")
@click.option("--at-least", type=float, help="The quality that the most efficient model needs.")
@click.option("--window", multiple=True, metavar="MODEL=TOKENS", help="Context window of a model.")
@click.option("--slo", multiple=True, metavar="OBJECTIVE", help="first_token=0.2,objective=0.95; also total=, task=.")
@click.option("--budget", "budgets", multiple=True, metavar="USD/PERIOD", help="Alerts for 500usd/month, 20usd/day.")
@click.option("--fail-over", metavar="USD/PERIOD", help="The same, and exit with 3 or 4: for cron.")
@click.option("--only", multiple=True, metavar="SECTION", help="Only this section; can be given several times.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
@click.option("--plot", type=click.Path(path_type=Path), help="Also three pictures in one file: spend, latency, cost.")
def report(*, ledger: Path | None, as_json: bool, plot: Path | None, fail_over: str | None, **options: Any) -> int:
    """Reports; the help text is `_HELP`."""
    from inferail.telemetry.report import Report

    limit = None if fail_over is None else budget("--fail-over", fail_over)
    if plot is not None:
        check_pictures()
    only = _only(options["only"])
    where = pairs("--where", options["where"])
    labels = [*options["by"], *([options["quality"]] if options["quality"] else [])]
    path = ledger or ledger_path()
    made = Report.of(
        path,
        since=moment("--since", options["since"]),
        until=moment("--until", options["until"]),
        where=where,
        labels=labels,
    )
    budgets = [budget("--budget", text) for text in options["budgets"]]
    found = _found(made, only, options, [*budgets, *([limit] if limit else [])])
    if as_json:
        click.echo(json.dumps(_plain({**_head(made, path), **found}), ensure_ascii=False))
    else:
        _show(made, path, found)
    if plot is not None:
        from inferail.cli.ledger.pictures import draw

        draw(plot, made)
    return 0 if limit is None else _exit_code(made, limit)


def _only(names: tuple[str, ...]) -> tuple[str, ...]:
    wanted = [name for text in names for name in text.split(",")]
    unknown = [name for name in wanted if name not in _SECTIONS]
    if unknown:
        raise click.UsageError(f"--only knows no section {unknown[0]!r}: {', '.join(_SECTIONS)}")
    return tuple(wanted) or _SECTIONS


def _found(made: Report, only: tuple[str, ...], options: Mapping[str, Any], budgets: list[Budget]) -> dict[str, Any]:
    """The sections that were asked for and have something to go by."""
    baseline = options["baseline"]
    objectives = [objective("--slo", text) for text in options["slo"]]
    sizes = windows("--window", options["window"])
    makers: dict[str, Any] = {
        "cost": lambda: made.cost_per_success(options["by"] or ("model", "task")),
        "efficiency": lambda: made.most_efficient(quality=options["quality"], at_least=options["at_least"]),
        "waste": made.waste,
        "savings": lambda: made.savings(baseline),
        "fallbacks": made.fallbacks,
        "tasks": made.audit,
        "latency": made.latency,
        "caches": made.caching,
        "windows": lambda: made.headroom(sizes),
        "estimates": made.reconciliation,
        "spend": lambda: {"days": made.daily_spend(), "forecast": made.forecast()},
        "budgets": lambda: [alert for one in budgets for alert in made.budget_alerts(one.usd, one.period)],
        "objectives": lambda: [made.slo(one) for one in objectives],
    }
    for name, given, option in (
        ("savings", baseline, "--baseline"),
        ("budgets", budgets, "--budget"),
        ("objectives", objectives, "--slo"),
    ):
        if not given:
            if name in only and only != _SECTIONS:
                raise click.UsageError(f"the section {name} needs {option}")
            del makers[name]
    return {name: make() for name, make in makers.items() if name in only}


def _head(made: Report, path: Path) -> dict[str, Any]:
    return {
        "version": 1,
        "ledger": str(path),
        "records": len(made),
        "calls": made.num_calls,
        "span": made.span,
        "spend_usd": made.spend_usd,
        "unpriced": made.unpriced,
        "unpriced_tokens": made.unpriced_tokens,
        "oddities": made.tally,
    }


def _plain(value: Any) -> Any:
    """Plain JSON values: of dataclasses their fields, of moments ISO 8601."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("list[Any]", value)]
    given: dict[Any, Any] = dict(cast("Any", value)) if isinstance(value, Mapping) else asdict(value)
    return {str(name): _plain(item) for name, item in given.items()}


def _show(made: Report, path: Path, found: Mapping[str, Any]) -> None:
    from inferail.cli.ledger.tables import lines
    from inferail.cli.output import dollars

    span, odd = made.span, made.tally
    if span is None:
        click.echo(
            f"{path}: no records" + (f", {odd.skipped:,} broken lines" if odd.skipped else " that were asked for")
        )
        return
    first, last = (f"{at:%Y-%m-%d %H:%M}" for at in span)
    mark = "≥ " if made.unpriced else ""
    click.echo(f"{path}: {len(made):,} records of {made.num_calls:,} calls, {first} to {last} UTC")
    click.echo(f"spent {mark}{dollars(made.spend_usd)}")
    if made.unpriced:
        click.echo(
            f"! {made.unpriced:,} attempts with {made.unpriced_tokens:,} tokens have no known price and are in no sum"
        )
    for count, said in (
        (odd.skipped, "broken lines were passed over"),
        (odd.in_future, "records are from the future: a clock is wrong"),
        (odd.out_of_order, "records are earlier than those before them: a clock was set back, or files were joined"),
        (odd.negative, "records have a negative duration and are in no latency"),
    ):
        if count:
            click.echo(f"! {count:,} {said}")
    for line in lines(found, shutil.get_terminal_size().columns):
        click.echo(line)


def _exit_code(made: Report, limit: Budget) -> int:
    (alert,) = made.budget_alerts(limit.usd, limit.period, (1.0,))
    if alert.fired:
        click.echo(f"inferail: the budget of {limit.usd:g} USD per {limit.period} is spent", err=True)
        return _SPENT
    if alert.expected:
        click.echo(f"inferail: the budget of {limit.usd:g} USD per {limit.period} will be exceeded", err=True)
        return _EXPECTED
    return 0
