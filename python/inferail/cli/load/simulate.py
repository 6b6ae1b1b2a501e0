"""`inferail simulate`: what a routing policy would have done with recorded or made-up traffic."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from inferail.cli.plot import Line
    from inferail.testing.simulation import Comparison, Policy, Suggestion, Summary, Trace

__all__ = ["points", "simulate", "tails"]

_HELP = """What a routing policy would have done with recorded traffic, or with traffic that is made up.

    \b
    Examples:
      inferail simulate records.jsonl policy.toml          what you recorded through what you plan
      inferail simulate ledger.db policy.toml --deadline 5 --suggest
      inferail simulate --generate heavy-tail --seed 7     a preset, with the policy that belongs to it
      inferail simulate --generate diurnal my.toml --plot costs.png
      inferail simulate --generate diurnal --show-policy > my.toml

    The trace is a file of Records (chat --records), as JSON lines or the SQLite file of a ledger: when calls came, how many
    tokens they had, and how each provider:model behaved. The policy is a Router's TOML; [combiners] describe hedges, fallbacks
    and tiers beside it, [endpoints] state what no trace tells: latencies, prices, limits, outages.

    The routing objects are the real ones. Only the endpoints are made up, and the clock jumps: an hour takes seconds. The same
    seed gives the same numbers. Nothing is sent.
    """


@click.command(help=_HELP, short_help="Replay traffic through a routing policy, on a clock that jumps.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[TRACE] [POLICY.toml]")
@click.option(
    "--generate",
    type=click.Choice(["heavy-tail", "bursty", "diurnal"]),
    help="Make the traffic up instead of reading it.",
)
@click.option("--seed", type=int, default=7, show_default=True, help="Of the traffic and of the endpoints' luck.")
@click.option("--calls", type=click.IntRange(1, 1_000_000), help="How many calls to make up, or to take of the trace.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Calls a second of traffic that is made up.")
@click.option("--deadline", type=click.FloatRange(0, min_open=True), help="Seconds for recorded calls without one.")
@click.option("--policy", "names", multiple=True, metavar="NAME", help="Only this policy of the file; may be repeated.")
@click.option("--mixes", is_flag=True, help="Also static mixes of the cheapest endpoint and the fastest.")
@click.option("--suggest", is_flag=True, help="Look for better parameters and print them as a diff.")
@click.option("--records", type=click.Path(path_type=Path), help="Write the Records of the last policy as JSON lines.")
@click.option(
    "--plot", type=click.Path(path_type=Path), help="Write curves to a .png, .svg or .pdf (needs matplotlib)."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
@click.option("--show-policy", is_flag=True, help="Print the policy and do nothing.")
def simulate(
    *,
    files: tuple[Path, ...],
    generate: str | None,
    seed: int,
    calls: int | None,
    rate: float | None,
    deadline: float | None,
    names: tuple[str, ...],
    mixes: bool,
    suggest: bool,
    records: Path | None,
    plot: Path | None,
    as_json: bool,
    show_policy: bool,
) -> None:
    """Replay traffic through a policy; the help text is `_HELP`."""
    from inferail.cli.plot import check_pictures
    from inferail.telemetry.sinks import JsonlSink
    from inferail.testing.simulation import compare
    from inferail.testing.simulation import suggest as suggested

    if plot is not None:
        check_pictures()
    policy, file, trace_file = _policy(files, generate)
    if show_policy:
        click.echo(policy.text.rstrip())
        return
    trace = _trace(trace_file, generate, policy, seed=seed, calls=calls, rate=rate, deadline=deadline)
    sink = None if records is None else JsonlSink(records)
    shares = (0.1, 0.3, 0.5, 0.7, 0.9) if mixes else ()
    comparison = compare(trace, policy, seed=seed, names=names or None, mixes=shares, recorder=sink)
    if sink is not None:
        sink.close()
    changes = (
        [suggested(trace, policy, name, seed=seed, file=file) for name in names or policy.names] if suggest else []
    )
    if as_json:
        told = {"trace": _told(trace), **comparison.as_dict(), "suggestions": [_change(each) for each in changes]}
        click.echo(json.dumps(told))
    else:
        _print(trace, comparison, changes)
    if plot is not None:
        _draw(plot, comparison, trace)


def _policy(files: Sequence[Path], generate: str | None) -> tuple[Policy, str, Path | None]:
    """The policy, what its file is called, and the file of the trace."""
    from inferail.testing.simulation import Policy, preset

    policies = [file for file in files if file.suffix == ".toml"]
    traces = [file for file in files if file.suffix != ".toml"]
    if len(policies) > 1 or len(traces) > 1:
        raise click.UsageError("pass one trace and one policy (its name ends in .toml)")
    if generate is None and not traces:
        raise click.UsageError("there is no traffic: pass a file of Records, or --generate heavy-tail")
    if generate is not None and traces:
        raise click.UsageError(f"pass {traces[0].name} or --generate, not both")
    if policies:
        return Policy.load(policies[0]), policies[0].name, traces[0] if traces else None
    if generate is None:
        raise click.UsageError("there is no policy: pass a file whose name ends in .toml (--show-policy prints one)")
    return preset(generate), f"{generate}.toml", None


def _trace(
    file: Path | None,
    generate: str | None,
    policy: Policy,
    *,
    seed: int,
    calls: int | None,
    rate: float | None,
    deadline: float | None,
) -> Trace:
    from inferail.testing.simulation import Trace, preset

    if file is not None:
        trace = Trace.read(file, deadline=deadline)
        return trace if calls is None else replace(trace, arrivals=trace.arrivals[:calls])
    workload = policy.workload or preset(generate or "heavy-tail").workload
    if workload is None:
        raise click.UsageError("the policy has no [workload]")
    changes: dict[str, Any] = {"calls": calls, "rate": rate}
    return replace(workload, **{name: value for name, value in changes.items() if value is not None}).trace(seed)


def _print(trace: Trace, comparison: Comparison, changes: Sequence[Suggestion]) -> None:
    from inferail.cli.plot import curves

    click.echo(f"{len(trace.arrivals):,} calls over {trace.seconds:,.0f} s: {trace.source}")
    for note in comparison.notes:
        click.echo(f"note: {note}")
    click.echo("")
    for line in _table(comparison):
        click.echo(line)
    click.echo("")
    click.echo("times in seconds over all calls, one that was never answered counting as infinitely long (∞)")
    click.echo("")
    click.echo(curves(tails(comparison), across="calls slower", up="first token, s", log=True))
    for each in changes:
        click.echo("")
        _print_change(each)


def _table(comparison: Comparison) -> list[str]:
    """The rows, in columns."""
    head = ("policy", "$/1000", "in time", "ttft p50", "p95", "p99", "total p50", "p95", "p99", "extra", "failed")
    rows = [_row(row, comparison) for row in comparison.rows]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) if not number else cell.rjust(width) for number, (cell, width) in enumerate(line))
        for line in (list(zip(row, widths, strict=True)) for row in (head, *rows))
    ]


def _row(row: Summary, comparison: Comparison) -> tuple[str, ...]:
    marks = [
        mark for mark, name in (("cheapest", comparison.cheapest), ("fastest", comparison.fastest)) if name == row.name
    ]
    name = f"{row.name} ({', '.join(marks)})" if marks else row.name
    cost = row.cost_per_call
    return (
        name,
        "unknown" if cost is None else f"{cost * 1000:.4f}",
        f"{row.in_time:.2%}",
        *(_seconds(value) for value in (*row.first_token, *row.total)),
        f"{row.extra:+.1%}",
        str(row.failed),
    )


def _seconds(value: float) -> str:
    return "-" if math.isnan(value) else "∞" if math.isinf(value) else f"{value:.3f}"


def _print_change(each: Suggestion) -> None:
    click.echo(f"suggestion for {each.policy}, tuned on the first half of the calls ({each.tried} others tried):")
    if not each.better:
        click.echo("  leave it as it is: nothing else was better on both halves")
        return
    click.echo(each.diff)
    click.echo("on the second half, which it was not tuned on:")
    for name, row in (("as it is", each.before), ("suggested", each.after)):
        cost = row.cost_per_call
        dollars = "unknown" if cost is None else f"{cost * 1000:.4f}"
        click.echo(
            f"  {name}: ${dollars} per 1000 calls, {row.in_time:.2%} in time, first token p99 "
            f"{_seconds(row.first_token[2])} s, {row.extra:+.1%} extra attempts"
        )


def _told(trace: Trace) -> dict[str, Any]:
    return {
        "source": trace.source,
        "calls": len(trace.arrivals),
        "seconds": trace.seconds,
        "skipped": trace.skipped,
        "cached": trace.cached,
    }


def _change(each: Suggestion) -> dict[str, Any]:
    return {
        "policy": each.policy,
        "diff": each.diff,
        "tried": each.tried,
        "before": each.before.as_dict(),
        "after": each.after.as_dict(),
    }


_POINTS: Final = 120


def tails(comparison: Comparison) -> dict[str, Line]:
    """For each row the time to the first content over the share of the calls that wait longer."""
    lines: dict[str, Line] = {}
    for row in comparison.rows:
        if row.name.startswith("mix "):
            continue
        values = row.first_tokens
        shares = [10 ** (-3.0 * step / _POINTS) for step in range(1, _POINTS + 1)]
        places = [(share, min(len(values) - 1, int((1 - share) * len(values)))) for share in shares] if values else []
        lines[row.name] = [(share, values[place]) for share, place in places if share * len(values) >= 1]
    return lines


def _draw(path: Path, comparison: Comparison, trace: Trace) -> None:
    """Costs against hits where there are mixes to compare with, else the tails of the time to the first content."""
    from inferail.cli.plot import curves_picture

    mixes = [row for row in comparison.rows if row.name.startswith("mix ")]
    if not mixes:
        title = f"time to first token, {trace.source}"
        across, up = "share of calls that wait longer", "seconds"
        curves_picture(path, tails(comparison), across=across, up=up, title=title, log=True)
        return
    ends = [row for row in comparison.rows if row.name in (comparison.cheapest, comparison.fastest)]
    lines: dict[str, Line] = {"static mixes of the two": points(sorted(mixes, key=lambda row: row.cost_usd))}
    lines |= {f"{row.name} alone": points([row]) for row in ends}
    for row in comparison.rows:
        if row not in mixes and row not in ends:
            lines[row.name] = points([row])
    curves_picture(
        path,
        lines,
        across="$ per 1000 calls",
        up="% of calls in time",
        title=f"cost and deadlines, {trace.source}",
        marks=True,
    )


def points(rows: Sequence[Summary]) -> Line:
    """Dollars for 1,000 calls and percent in time, of each row."""
    return [((row.cost_per_call or 0.0) * 1000, row.in_time * 100) for row in rows]
