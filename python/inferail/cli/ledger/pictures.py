"""The report as a picture: spend per day with its forecast, latency of models, dollars per success."""

from __future__ import annotations

import importlib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from inferail.telemetry.report import Report

__all__ = ["draw"]

_MODELS_SHOWN = 12


def draw(path: Path, made: Report) -> None:
    """Writes the picture; its format is that of the file name. Needs matplotlib.

    Raises:
        ClickException: matplotlib does not know the format.
    """
    # Not a dependency, so it has no types here.
    figure: Any = importlib.import_module("matplotlib.figure").Figure(figsize=(8, 11), dpi=150)
    spend, times, cost = figure.subplots(3, 1)
    _draw_spend(spend, made)
    _draw_latency(times, made)
    _draw_cost(cost, made)
    figure.tight_layout()
    try:
        figure.savefig(path)
    except ValueError as error:
        raise click.ClickException(f"{path.name} is no picture that matplotlib can write: name it .png") from error


def _draw_spend(axes: Any, made: Report) -> None:
    days, ahead = made.daily_spend(), made.forecast()
    axes.bar([day.day for day in days], [day.usd for day in days], color="tab:blue", label="spent")
    if ahead.usd is not None and ahead.low is not None and ahead.high is not None and ahead.days and days:
        coming = [days[-1].day + timedelta(days=step) for step in range(ahead.days)]
        means = [value / ahead.days for value in (ahead.usd, ahead.low, ahead.high)]
        axes.plot(coming, [means[0]] * ahead.days, "--", color="tab:orange", label="forecast, mean of a day")
        axes.fill_between(coming, means[1], means[2], color="tab:orange", alpha=0.2, label="90 %")
    axes.set_ylabel("US dollars per day")
    axes.set_title("Spend")
    axes.legend()
    axes.tick_params(axis="x", rotation=30)


def _draw_latency(axes: Any, made: Report) -> None:
    found = made.latency(("model",))[:_MODELS_SHOWN]
    names = [one.group["model"] or "" for one in found]
    for place, (name, color) in enumerate((("p50", "tab:green"), ("p95", "tab:orange"), ("p99", "tab:red"))):
        heights = [getattr(one, name) for one in found]
        axes.barh(
            [number + place * 0.27 for number in range(len(found))], heights, height=0.25, color=color, label=name
        )
    axes.set_yticks([number + 0.27 for number in range(len(found))], names)
    axes.set_xlabel("seconds")
    axes.set_title("Latency of answers")
    axes.legend()


def _draw_cost(axes: Any, made: Report) -> None:
    found = [one for one in made.cost_per_success(("model",)) if one.usd is not None][:_MODELS_SHOWN]
    axes.barh([one.group["model"] or "" for one in found], [one.usd for one in found], color="tab:blue")
    axes.set_xlabel("US dollars per successful call")
    axes.set_title("Cost per success")
