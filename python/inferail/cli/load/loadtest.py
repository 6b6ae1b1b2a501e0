"""`inferail loadtest`: how much a server bears, measured without waiting for it."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

if TYPE_CHECKING:
    from inferail.cli.plot import Line
    from inferail.testing.load.generator import Pattern
    from inferail.testing.load.results import Of, Run
    from inferail.testing.load.search import Found

__all__ = ["loadtest"]

_HELP = """How a server does under load: a model by its name, or the URL of an OpenAI-compatible server.

    \b
    Examples:
      inferail sandbox                                     in another terminal
      inferail loadtest http://127.0.0.1:8020/v1 --rate 50 --duration 10
      inferail loadtest http://127.0.0.1:8000/v1 --served qwen2.5 --rate 5 --p95 2s --ramp
      inferail loadtest vllm:qwen2.5 --rate 20 --p95 300ms --of first-token --closed 8

    Requests begin by the clock, whatever the server does, and each is measured from when it should have begun: a second in
    which the server stands still is in the percentiles of everyone who came in it. --closed runs workers that wait for their
    answers beside it, and shows what that hides.

    With --p95 the exit code is 1 where the target is missed. --ramp looks for the highest rate that holds it. Ctrl-C ends the
    test and shows what there is. Only servers on this machine are asked, unless --allow-remote says otherwise.
    """
_UNITS: Final = {"": 1.0, "s": 1.0, "ms": 1e-3, "m": 60.0}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|)\Z", re.ASCII)
_REMOTE_BUDGET: Final = 1.0  # US dollars, where another machine is asked and nobody says how much


def _time(_: click.Context, option: click.Parameter, value: str | None) -> float | None:
    """Seconds in `2s`, `500ms` or `2`."""
    if value is None:
        return None
    match = _DURATION.match(value.strip())
    if match is None or not float(match[1]) > 0:
        raise click.BadParameter(f"{value!r} is no time: write 2s, 500ms or 1.5", param=option)
    return float(match[1]) * _UNITS[match[2]]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What was asked for."""

    rate: float
    duration: float
    target: float | None
    of: Of
    ramp: bool
    closed: int | None
    arrivals: Pattern
    max_requests: int
    budget: float | None
    seed: int


@click.command(help=_HELP, short_help="Load a server, and find the rate at which it is still fast enough.")
@click.argument("model", metavar="MODEL|URL")
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True, help="Requests a second."
)
@click.option("--duration", callback=_time, default="30s", show_default=True, help="How long, or how long each step.")
@click.option("--p95", "target", callback=_time, metavar="TIME", help="Time that 95 % of all requests have to keep.")
@click.option(
    "--of", type=click.Choice(["total", "first-token"]), default="total", show_default=True, help="Which time."
)
@click.option("--ramp", is_flag=True, help="Find the highest rate that keeps --p95, beginning with --rate.")
@click.option("--closed", type=click.IntRange(1, 10_000), metavar="WORKERS", help="Also a closed loop, to compare.")
@click.option("--arrivals", type=click.Choice(["poisson", "uniform"]), default="poisson", show_default=True)
@click.option("--max-requests", type=click.IntRange(1), default=10_000, show_default=True, help="Of the whole test.")
@click.option("--budget", type=click.FloatRange(0), metavar="USD", help="No request begins once so much is spent.")
@click.option("--allow-remote", is_flag=True, help="Also a server that is not on this machine; it may cost money.")
@click.option("--served", default="docs", show_default=True, metavar="NAME", help="The model's name at a URL.")
@click.option("--base-url", metavar="URL", help="Another server for a MODEL that is named.")
@click.option("--api-key-env", metavar="NAME", help="Environment variable with the key.")
@click.option("--prompt", default="Why is the sky blue?", show_default=True, help="What is asked, every time.")
@click.option("--max-tokens", type=click.IntRange(1), default=64, show_default=True, help="Of each answer.")
@click.option("--timeout", callback=_time, default="30s", show_default=True, help="After which a request has failed.")
@click.option("--seed", type=int, default=7, show_default=True, help="Of the arrivals.")
@click.option(
    "--plot", type=click.Path(path_type=Path), help="Write a curve to a .png, .svg or .pdf (needs matplotlib)."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of tables.")
@click.pass_context
def loadtest(context: click.Context, /, *, model: str, plot: Path | None, as_json: bool, **options: Any) -> None:
    """Load a server; the help text is `_HELP`."""
    import asyncio

    from inferail.cli.plot import check_pictures

    if plot is not None:
        check_pictures()
    if options["ramp"] and options["target"] is None:
        raise click.UsageError("--ramp needs the target that is to be kept, for example --p95 2s")
    plan = _Plan(**{name: options[name] for name in _Plan.__dataclass_fields__})
    target, plan = _target(model, plan, options)
    runs, found = asyncio.run(_measure(target, plan, options))
    if as_json:
        click.echo(json.dumps(_told(plan, runs, found)))
    else:
        _print(plan, runs, found)
    if plot is not None:
        _draw(plot, plan, runs, found)
    open_runs = [run for run in runs if run.loop == "open"]
    held = found.best is not None if found is not None else all(_holds(run, plan) for run in open_runs)
    if any(run.stopped == "interrupted" for run in runs):
        context.exit(130)
    if not held:
        context.exit(1)


def _target(model: str, plan: _Plan, options: dict[str, Any]) -> tuple[Any, _Plan]:
    """The model that is asked, and the plan with the budget that goes with it."""
    from dataclasses import replace

    from inferail.providers.target import Target
    from inferail.testing.load.target import check_host, is_loopback, may_cost

    given: dict[str, Any] = {"retries": 0, "timeout": options["timeout"]}
    if name := options["api_key_env"]:
        given["api_key"] = os.environ.get(name)
        if not given["api_key"]:
            raise click.UsageError(f"the environment variable {name} (--api-key-env) is not set")
    if model.startswith(("http://", "https://")):
        given.setdefault("api_key", "none")
        target = Target(f"compatible:{options['served']}", base_url=model, **given)
    else:
        if options["base_url"]:
            given["base_url"] = options["base_url"]
        target = Target(model, **given)
    requests = min(plan.max_requests, plan.rate * plan.duration) if not plan.ramp else plan.max_requests
    cost = may_cost(target, options["prompt"], options["max_tokens"], requests)
    check_host(target.endpoint.base_url, allow_remote=options["allow_remote"], cost=cost)
    if not is_loopback(target.endpoint.base_url):
        plan = replace(plan, budget=_REMOTE_BUDGET if plan.budget is None else plan.budget)
        click.echo(f"inferail: a test {cost}; it ends at ${plan.budget:g}", err=True)
    return target, plan


async def _measure(target: Any, plan: _Plan, options: dict[str, Any]) -> tuple[list[Run], Found | None]:
    """The runs; those of a search are also in what it found."""
    import inferail as ir
    from inferail.telemetry.sinks import MemorySink
    from inferail.testing.load.generator import Bounds, closed_loop, open_loop
    from inferail.testing.load.search import highest_rate
    from inferail.testing.load.target import sender
    from inferail.transport.clock import AsyncClock

    clock, runs = AsyncClock(), list["Run"]()
    budget = ir.Budget(usd=plan.budget)

    def bounds() -> Bounds:
        left = max(1, plan.max_requests - sum(len(run.samples) for run in runs))
        return Bounds(plan.duration, left, budget=budget, drain=options["timeout"])

    async with ir.AsyncClient(target, recorder=MemorySink(1), timeout=options["timeout"]) as client:
        with ir.scope(budget=budget):
            send = sender(client, options["prompt"], sampling=ir.Sampling(max_tokens=options["max_tokens"]))

            async def measure(rate: float) -> Run:
                run = await open_loop(
                    send, rate, clock=clock, bounds=bounds(), pattern=plan.arrivals, seed=plan.seed + len(runs)
                )
                runs.append(run)
                return run

            found: Found | None = None
            if plan.ramp and plan.target is not None:
                found = await highest_rate(measure, plan.target, start=plan.rate, of=plan.of)
            else:
                await measure(plan.rate)
            if plan.closed is not None and runs[-1].stopped is None:
                rate = found.rate if found is not None and found.rate is not None else plan.rate
                runs.append(await closed_loop(send, rate, workers=plan.closed, clock=clock, bounds=bounds()))
    return runs, found


def _holds(run: Run, plan: _Plan) -> bool:
    return plan.target is None or (bool(run.samples) and run.quantile(0.95, plan.of) <= plan.target)


def _print(plan: _Plan, runs: Sequence[Run], found: Found | None) -> None:
    from inferail.cli.plot import curves

    for line in _table(plan, runs):
        click.echo(line)
    shown = found.best if found is not None and found.best is not None else runs[0]
    click.echo("")
    click.echo(f"percentiles at {shown.rate:g} requests a second, in seconds from when each should have begun")
    whole, first = dict(shown.spectrum("total")), dict(shown.spectrum("first-token"))
    click.echo(f"{'':>8}  {'total':>9}  {'first token':>11}")
    for share, value in whole.items():
        click.echo(f"{share:>8.2%}  {_seconds(value):>9}  {_seconds(first[share]):>11}")
    for run in runs:
        for name, number in sorted(run.errors.items()):
            click.echo(f"{name} at {run.rate:g} a second: {number:,}")
        if run.stopped is not None:
            click.echo(f"the run at {run.rate:g} a second ended early: {run.stopped}")
    _print_verdict(plan, runs, found)
    if found is not None and len(found.runs) > 1:
        click.echo("")
        click.echo(curves({f"p95 of {plan.of}": _by_rate(found, plan)}, across="requests a second", up="seconds"))


def _print_verdict(plan: _Plan, runs: Sequence[Run], found: Found | None) -> None:
    click.echo("")
    closed = next((run for run in runs if run.loop == "closed"), None)
    if closed is not None:
        naive, true = closed.quantile(0.99, plan.of, naive=True), closed.quantile(0.99, plan.of)
        click.echo(
            f"closed loop: p99 {_seconds(naive)} s as its workers saw it, {_seconds(true)} s from when their requests should "
            f"have begun: {_seconds(true - naive)} s were hidden"
        )
    if plan.target is None:
        return
    if found is None:
        verdict = "holds" if _holds(runs[0], plan) else "misses"
        p95 = _seconds(runs[0].quantile(0.95, plan.of))
        click.echo(f"p95 of {plan.of} is {p95} s at {plan.rate:g} a second: {verdict} {plan.target:g} s")
    elif found.rate is None:
        click.echo(
            f"no rate that was tried keeps a p95 of {plan.target:g} s; the lowest was {found.failed_at:g} a second"
        )
    else:
        more = "" if found.failed_at is None else f", {found.failed_at:.3g} is too many"
        throughput = 0.0 if found.best is None else found.best.throughput
        click.echo(
            f"{found.rate:.3g} requests a second keep a p95 of {plan.target:g} s ({throughput:.3g} answers a second){more}"
        )


def _table(plan: _Plan, runs: Sequence[Run]) -> list[str]:
    head = ("rate", "loop", "requests", "answered", "answers/s", "in time/s", "tokens/s", "p50", "p95", "p99", "max")
    rows = [
        (
            f"{run.rate:.4g}",
            run.loop,
            f"{len(run.samples):,}",
            f"{run.answered:,}",
            f"{run.throughput:.2f}",
            "-" if plan.target is None else f"{run.goodput(plan.target, plan.of):.2f}",
            f"{run.output_tokens_per_second:.0f}",
            *(_seconds(run.quantile(share, plan.of)) for share in (0.5, 0.95, 0.99, 1.0)),
        )
        for run in runs
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)]


def _seconds(value: float) -> str:
    return "-" if math.isnan(value) else "∞" if math.isinf(value) else f"{value:.3f}"


def _told(plan: _Plan, runs: Sequence[Run], found: Found | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "target": plan.target,
        "of": plan.of,
        "runs": [{**run.as_dict(plan.target, plan.of), "holds": _holds(run, plan)} for run in runs],
    }
    if found is not None:
        told |= {"highest_rate": found.rate, "failed_at": found.failed_at}
    return told


def _by_rate(found: Found, plan: _Plan) -> Line:
    return sorted((run.rate, run.quantile(0.95, plan.of)) for run in found.runs)


def _draw(path: Path, plan: _Plan, runs: Sequence[Run], found: Found | None) -> None:
    """The percentile over the rate of a search, or the percentiles of a run."""
    from inferail.cli.plot import curves_picture

    if found is not None:
        lines: dict[str, Line] = {f"p95 of {plan.of}": _by_rate(found, plan)}
        across: Literal["requests a second", "share of requests that take longer"] = "requests a second"
    else:
        lines = {f"{run.loop} loop": _tail(run, plan) for run in runs}
        if closed := [run for run in runs if run.loop == "closed"]:
            lines["closed loop, naive"] = _tail(closed[0], plan, naive=True)
        across = "share of requests that take longer"
    curves_picture(
        path, lines, across=across, up="seconds", title="load test", log=found is None, marks=found is not None
    )


def _tail(run: Run, plan: _Plan, *, naive: bool = False) -> Line:
    values = sorted(sample.seconds(plan.of, naive=naive) for sample in run.samples)
    return [((len(values) - place) / len(values), value) for place, value in enumerate(values)]
