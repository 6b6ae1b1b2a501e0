"""Writes the numbers and the pictures of docs/simulation.md: `python scripts/simulation_numbers.py` (needs matplotlib).

Everything in them comes from seeds and a virtual clock, so the same commit gives the same numbers on any machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from inferail.cli.load.simulate import points, tails
from inferail.cli.plot import curves_picture
from inferail.testing.clock import LoopClock, run_virtual
from inferail.testing.load.generator import Bounds, Send, Sent, closed_loop, open_loop
from inferail.testing.load.results import Run
from inferail.testing.load.search import highest_rate
from inferail.testing.simulation import Comparison, Summary, compare, preset
from inferail.types.clock import Clock

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "simulation.md"
IMAGES = ROOT / "docs" / "images"
SEEDS = range(1, 8)
MIXES = (0.1, 0.3, 0.5, 0.7, 0.9)
DRAWN = 7


def main() -> None:
    """Runs everything and rewrites the blocks of the page between `numbers: name` and `end of numbers`."""
    IMAGES.mkdir(exist_ok=True)
    text = PAGE.read_text(encoding="utf-8")
    for name, make in (("hedging", hedging), ("routing", routing), ("load", load)):
        block = "\n".join(make())
        before, begin, rest = text.partition(f"<!-- numbers: {name} -->\n")
        _, end, after = rest.partition("<!-- end of numbers -->")
        if not (begin and end):
            raise SystemExit(f"{PAGE.name} has no block {name!r}")
        text = f"{before}{begin}\n{block}\n\n{end}{after}"
        print(f"{name}\n{block}\n")
    PAGE.write_text(text, encoding="utf-8")


def hedging() -> Iterator[str]:
    """The tail of the time to the first token, with and without hedging."""
    yield "| seed | east p99 | west p99 | hedged p99 | less than east | less than west | extra calls |"
    yield "|---|---|---|---|---|---|---|"
    cuts: list[float] = []
    for seed in SEEDS:
        found = _compared("heavy-tail", seed)
        east, west, hedged = (found[name] for name in ("openai:east", "openai:west", "hedged"))
        each = [1 - hedged.first_token[2] / other.first_token[2] for other in (east, west)]
        cuts += each
        times = " | ".join(f"{row.first_token[2]:.2f} s" for row in (east, west, hedged))
        yield f"| {seed} | {times} | {each[0]:.0%} | {each[1]:.0%} | {hedged.extra:.1%} |"
        if seed == DRAWN:
            curves_picture(
                IMAGES / "simulation-hedging.png", tails(found), across="share of calls that wait longer",
                up="seconds to the first token", title="hedging after p95 on a heavy tail", log=True,
            )  # fmt: skip
    yield ""
    yield f"Less by {min(cuts):.0%} to {max(cuts):.0%}, {sum(cuts) / len(cuts):.0%} on average."


def routing() -> Iterator[str]:
    """Cost and hits of a learning Router beside static choices."""
    yield "| seed | cheapest: in time | fastest: in time | router: in time | cheapest: $ | fastest: $ | router: $ | saved |"
    yield "|---|---|---|---|---|---|---|---|"
    saved: list[float] = []
    mixes: list[Summary] = []
    for seed in SEEDS:
        found = _compared("diurnal", seed, mixes=MIXES if seed == DRAWN else ())
        rows = [found[name] for name in (found.cheapest or "", found.fastest, "router")]
        saved.append(1 - rows[2].cost_usd / rows[1].cost_usd)
        hits, costs = (
            " | ".join(cells) for cells in ([f"{r.in_time:.1%}" for r in rows], [f"{r.cost_usd:.2f}" for r in rows])
        )
        yield f"| {seed} | {hits} | {costs} | {saved[-1]:.0%} |"
        if seed == DRAWN:
            _draw_costs(found)
            mixes = [row for row in found.rows if row.name.startswith("mix ")]
    yield ""
    yield f"Saved against the fastest alone: {min(saved):.0%} to {max(saved):.0%}, {sum(saved) / len(saved):.0%} on average."
    told = ", ".join(f"{row.name[4:]} {row.in_time:.1%} for ${row.cost_usd:.2f}" for row in mixes)
    yield f"Static mixes (share of the cheapest, with the other one to fall back on), seed {DRAWN}: {told}."


def load() -> Iterator[str]:
    """A stall of one second, in the open loop and in a naive closed one; and a search."""

    async def stalled() -> tuple[Run, Run]:
        opened = await _from_zero(
            lambda clock, send: open_loop(send, 100.0, clock=clock, bounds=Bounds(20.0), pattern="uniform")
        )
        closed = await _from_zero(
            lambda clock, send: closed_loop(send, 50.0, workers=1, clock=clock, bounds=Bounds(20.0))
        )
        return opened, closed

    opened, closed = run_virtual(stalled())
    yield "| p99 of a server that takes 10 ms and stands still for 1 s in 20 s | seconds |"
    yield "|---|---|"
    yield f"| open loop, 100 a second | {opened.quantile(0.99):.3f} |"
    yield f"| closed loop, one worker, as it saw it | {closed.quantile(0.99, naive=True):.3f} |"
    yield f"| the same run, from when each request should have begun | {closed.quantile(0.99):.3f} |"
    tails = {
        "open loop": _tail(opened, naive=False),
        "closed loop, naive": _tail(closed, naive=True),
        "closed loop, corrected": _tail(closed, naive=False),
    }
    curves_picture(
        IMAGES / "loadtest-stall.png", tails, across="share of requests that take longer", up="seconds",
        title="a stall of one second", log=True,
    )  # fmt: skip

    async def search() -> tuple[float | None, float | None]:
        clock, gate = LoopClock(), asyncio.Semaphore(4)

        async def send(_: int, content: Callable[[], None]) -> Sent:
            async with gate:
                await clock.sleep(0.1)
            content()
            return Sent()

        found = await highest_rate(
            lambda rate: open_loop(send, rate, clock=clock, bounds=Bounds(60.0), seed=3), 0.5, start=2.0
        )
        return found.rate, found.failed_at

    rate, failed_at = run_virtual(search())
    yield ""
    yield (
        f"The search on a server with four places of 100 ms (40 a second at the most) and a p95 of 0.5 s: {rate:.3g} a second "
        f"hold it, {failed_at:.3g} do not."
    )


async def _from_zero(make: Callable[[Clock, Send], Awaitable[Run]]) -> Run:
    clock = LoopClock()
    began = clock.now()

    async def send(_: int, content: Callable[[], None]) -> Sent:
        passed = clock.now() - began
        await clock.sleep(0.01 + (11.0 - passed if 10.0 <= passed < 11.0 else 0.0))
        content()
        return Sent()

    return await make(clock, send)


def _compared(name: str, seed: int, mixes: tuple[float, ...] = ()) -> Comparison:
    policy = preset(name)
    if policy.workload is None:
        raise SystemExit(f"the preset {name} has no workload")
    return compare(policy.workload.trace(seed), policy, seed=seed, mixes=mixes)


def _tail(run: Run, *, naive: bool) -> list[tuple[float, float]]:
    values = sorted(sample.seconds("total", naive=naive) for sample in run.samples)
    return [((len(values) - place) / len(values), value) for place, value in enumerate(values)]


def _draw_costs(found: Comparison) -> None:
    mixes = sorted((row for row in found.rows if row.name.startswith("mix ")), key=lambda row: row.cost_usd)
    lines = {
        f"{found.cheapest} alone": points([found[found.cheapest or ""]]),
        f"{found.fastest} alone": points([found[found.fastest]]),
        "static mixes": points(mixes),
        "router": points([found["router"]]),
    }
    curves_picture(
        IMAGES / "simulation-routing.png", lines, across="$ per 1000 calls", up="% of calls in time",
        title="a day with a slow quarter", marks=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
