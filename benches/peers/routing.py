"""What routing, limits and the rest of the stack cost: one of five deployments chosen, and whole calls through everything.

    make peers                                                    # with everything else, into benches/RESULTS.md
    python benches/peers/routing.py --only "inferail,litellm least-busy" --rounds 1 --no-write

CPU time of all threads, every row a fresh process pinned to the first core, the rows interleaved over the rounds, medians.
The stack is measured in one process, its variants taking turns, over a transport that answers from memory without waiting,
and over real connections to `server.py` on the last core.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from report import ROOT, command_line, number, table, write_section
from rounds import build, cores, running_server
from server import UNARY_ANSWER, openai_events, openai_unary

DEPLOYMENTS = 5
PROMPT = "Explain in one sentence why a railway needs signals."
STRATEGIES = ("simple-shuffle", "least-busy", "latency-based-routing", "usage-based-routing-v2")
ROWS = ("inferail", *(f"litellm {strategy}" for strategy in STRATEGIES), "stack", "loopback")
MODEL = "openai:gpt-5-mini"
DRAIN_SECONDS = 0.2
STACK_BAR_US, RATE_BAR = 40.0, 2_000.0


async def _cpu(call: Callable[[], Awaitable[Any]], calls: int, *, drain: float = 0.0) -> float:
    """Microseconds of CPU time a call, all threads; `drain` seconds are given to what it leaves behind."""
    gc.collect()
    began = time.process_time()
    for _ in range(calls):
        await call()
    if drain:
        await asyncio.sleep(drain)
    return (time.process_time() - began) / calls * 1e6


async def _rounds(
    calls: Mapping[str, Callable[[], Awaitable[Any]]], each: int, rounds: int, *, drain: float = 0.0
) -> dict[str, float]:
    """The median of each of them, taking turns."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for call in calls.values():
        await _cpu(call, max(each // 4, 5))
    for turn in range(rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            found[name].append(await _cpu(calls[name], each, drain=drain))
    return {name: statistics.median(values) for name, values in found.items()}


def _router(**more: Any) -> Any:
    import inferail as ir
    from inferail.routing.router import Route, Router

    targets = [ir.Target(MODEL, api_key="x", retries=0, **more) for _ in range(DEPLOYMENTS)]
    return Router({"main": Route(targets)}, seed=1), targets


async def measure_inferail(calls: int) -> dict[str, float]:
    """One decision of ours, part by part and as a whole: everything that surrounds a call but the call."""
    import inferail as ir
    from inferail.core import EndpointHealth, Limiter, pick
    from inferail.telemetry.records import Note
    from inferail.telemetry.sinks import MemorySink
    from inferail.types.response import Attempt, Timing

    router, _ = _router()
    request = ir.Request((ir.user(PROMPT),))
    endpoints = [EndpointHealth() for _ in range(DEPLOYMENTS)]
    for endpoint in endpoints:
        endpoint.started(1.0)
        endpoint.succeeded(1.5, total=0.5)
    limiter = Limiter([("requests", 10**9, 60.0, 0), ("tokens", 10**12, 60.0, 0), ("calls", 1_000, 60.0, 0)])
    sink = MemorySink()
    usage, timing, labels = ir.Usage(input_tokens=12, output_tokens=30), Timing(total=0.5), {"task": "faq"}

    async def decide() -> None:
        await router.decide(request)

    async def choose() -> None:
        pick(endpoints, time.monotonic(), "peak_ewma")

    async def reserve() -> None:
        now = time.monotonic()
        limiter.settle(limiter.reserve(now, tokens=1_200), now, tokens=700)

    async def record() -> None:
        # As an attempt does it: the Record itself is made when somebody looks at it.
        attempt = Attempt("openai", "gpt-5-mini", None, 200, None, 1.0, timing, usage, "first", "req")
        more = {"number": 1, "host": "api", "streamed": False, "labels": labels, "call_id": "c", "price_version": "v"}
        sink.note(Note(attempt, time.time_ns(), more))

    async def everything() -> None:
        await router.decide(request)
        now = time.monotonic()
        limiter.settle(limiter.reserve(now, tokens=1_200), now, tokens=700)
        await record()

    parts = {"pick": choose, "reserve and settle": reserve, "record": record, "decision": decide, "all": everything}
    return await _rounds(parts, calls * 10, 7)


async def measure_litellm(strategy: str, calls: int) -> dict[str, float]:
    """The Router's choice alone, and what its call takes beyond a call without it; the answer is litellm's mock."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would fetch its prices while it is imported
    import litellm

    litellm.suppress_debug_info = True
    messages = [{"role": "user", "content": PROMPT}]
    params = {"model": "openai/gpt-4o-mini", "api_key": "x", "mock_response": UNARY_ANSWER}
    router = litellm.Router(
        model_list=[
            {"model_name": "main", "litellm_params": {**params, "api_base": f"http://127.0.0.1:{port}"}}
            for port in range(9_001, 9_001 + DEPLOYMENTS)
        ],
        routing_strategy=strategy,
        num_retries=0,
    )

    async def routed() -> None:
        await router.acompletion("main", messages)  # type: ignore[arg-type]

    async def plain() -> None:
        await litellm.acompletion(**params, messages=messages)

    async def choice() -> None:
        # The dictionary is written to, as a call's own one is.
        await router.async_get_available_deployment(model="main", messages=messages, request_kwargs={})  # type: ignore[arg-type]

    found = await _rounds({"routed": routed, "plain": plain}, calls, 3, drain=DRAIN_SECONDS)
    alone = await _rounds({"decision": choice}, calls, 3)
    return {**alone, "all": found["routed"] - found["plain"], "plain": found["plain"]}


class Instant:
    """A Transport that answers every request at once, from memory, on a real clock."""

    blocking = False

    def __init__(self) -> None:
        from inferail.transport.clock import AsyncClock

        self.clock = AsyncClock()
        self._unary = [openai_unary()]
        self._stream = [b"".join(openai_events())]

    async def open(self, wire: Any, *, connect_timeout: float | None, by: float | None) -> InstantReply:  # noqa: ARG002
        """The same answer again."""
        return InstantReply(self._stream if wire.stream else self._unary, wire.stream)

    async def aclose(self) -> None:
        """Nothing is open."""


class InstantReply:
    """Its answer, in one piece."""

    status, connect, tls = 200, 0.0, 0.0

    def __init__(self, pieces: list[bytes], stream: bool) -> None:  # noqa: FBT001
        self.headers = {"content-type": "text/event-stream" if stream else "application/json"}
        self._pieces = list(pieces)

    async def read(self, by: float | None) -> bytes:  # noqa: ARG002
        """The piece, then the end."""
        return self._pieces.pop() if self._pieces else b""

    async def aclose(self) -> None:
        """Nothing is open."""


def _limits() -> Any:
    from inferail.limits import Limits

    return Limits(requests_per_minute=10**8, tokens_per_minute=10**11, concurrent=1_000, usd_per_day=10**8)


def _variants(**target: Any) -> dict[str, Any]:
    """The bare target, each layer around it, and all of them."""
    import inferail as ir
    from inferail.limits import Limited

    def one() -> Any:
        return ir.Target(MODEL, api_key="x", retries=0, **target)

    return {
        "Target": one(),
        "Limited": Limited(one(), _limits()),
        "Cached": ir.Cached(one(), ir.ExactCache()),
        "Fallback": ir.Fallback(one(), one()),
        "Router": _router(**target)[0],
        "Limited(Cached(Fallback))": Limited(ir.Cached(ir.Fallback(one(), one()), ir.ExactCache()), _limits()),
        "Limited(Cached(Router))": Limited(ir.Cached(_router(**target)[0], ir.ExactCache()), _limits()),
    }


def _calls(client: Any) -> tuple[Callable[[], Awaitable[None]], Callable[[], Awaitable[None]]]:
    """A whole answer and a stream read to its end; every prompt is new, so that no cache answers."""
    numbers = iter(range(10**9))

    async def unary() -> None:
        response = await client.complete(f"{PROMPT} {next(numbers)}")
        if response.text != UNARY_ANSWER:
            raise AssertionError(response.text)

    async def stream() -> None:
        async with client.stream(f"{PROMPT} ({next(numbers)})") as stream:
            async for _ in stream.batches():
                pass
        _ = stream.response

    return unary, stream


async def measure_stack(calls: int) -> dict[str, float]:
    """Every variant over `Instant`; `stream …` are streams of 203 events."""
    import inferail as ir

    class Forgetting:
        def record(self, record: Any) -> None:
            """A sink that keeps nothing: what is measured is making the record."""

    transport = Instant()
    made = {
        name: _calls(ir.AsyncClient(model, transport=transport, recorder=Forgetting()))
        for name, model in _variants().items()
    }
    unary = await _rounds({name: both[0] for name, both in made.items()}, calls, 15)
    streams = await _rounds({f"stream {name}": both[1] for name, both in made.items()}, calls // 2, 11)
    return {**unary, **streams}


async def measure_loopback(url: str, calls: int) -> dict[str, float]:
    """The bare target and the whole stack over real connections: CPU a call, and calls a second with 16 at once."""
    import inferail as ir

    variants = _variants(base_url=f"{url}/v1")
    chosen = {name: _calls(ir.AsyncClient(variants[name]))[0] for name in ("Target", "Limited(Cached(Router))")}
    found = await _rounds(chosen, calls, 11)
    for name, call in chosen.items():
        rates = []
        for _ in range(7):
            left = iter(range(calls * 4))

            async def worker(left: Any = left, call: Any = call) -> None:
                for _ in left:
                    await call()

            cpu = time.process_time()
            await asyncio.gather(*(worker() for _ in range(16)))
            rates.append(calls * 4 / (time.process_time() - cpu))
        found[f"rate {name}"] = statistics.median(rates)
    return found


def measure(row: str, url: str, calls: int) -> dict[str, float]:
    """One row, in this process."""
    if row == "inferail":
        return asyncio.run(measure_inferail(calls))
    if row == "stack":
        return asyncio.run(measure_stack(calls))
    if row == "loopback":
        return asyncio.run(measure_loopback(url, calls))
    return asyncio.run(measure_litellm(row.removeprefix("litellm "), calls))


def _process(row: str, url: str, calls: int, core: int | None) -> dict[str, float]:
    command = [sys.executable, str(Path(__file__)), "--measure", row, "--url", url, "--calls", str(calls)]
    command += [] if core is None else ["--core", str(core)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=300)
    if done.returncode:
        raise RuntimeError(f"{row}: {done.stderr[-2_000:]}")
    figures: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def _decisions(found: Mapping[str, Mapping[str, float]]) -> str:
    ours = found.get("inferail", {})
    parts = ("pick", "reserve and settle", "record") if ours else ()
    rows = [[f"of it: {part}", number(ours[part]), "–", "–"] for part in parts]
    base, whole = ours.get("decision"), ours.get("all")
    if base is not None and whole is not None:
        rows.insert(0, ["**inferail**", number(base), number(whole), "1.00"])
    for row, figures in found.items():
        if row.startswith("litellm"):
            ratio = figures["all"] / whole if whole else None
            rows.append([row, number(figures["decision"]), number(figures["all"]), number(ratio)])
    return table(["work", "µs for the choice", "µs with all around it", "× inferail"], rows)


def _stack(found: Mapping[str, Mapping[str, float]]) -> str:
    figures = found["stack"]
    names = [name for name in figures if not name.startswith("stream ")]
    rows = []
    for name in names:
        unary, stream = figures[name], figures[f"stream {name}"]
        over = [unary - figures["Target"], stream - figures["stream Target"]]
        told = ["–", "–"] if name == "Target" else [number(max(0.0, value)) for value in over]
        rows.append([f"`{name}`", number(unary), told[0], number(stream), told[1]])
    return table(["model", "µs a call", "over Target", "µs a stream", "over Target"], rows)


def _loopback(found: Mapping[str, Mapping[str, float]]) -> str:
    figures = found["loopback"]
    rows = [
        [f"`{name}`", number(figures[name]), number(figures[f"rate {name}"])]
        for name in figures
        if not name.startswith("rate ")
    ]
    return table(["model", "µs a call, one at a time", "calls a second and core, 16 at once"], rows)


_CHOICE = (
    "litellm: `async_get_available_deployment`, and `Router.acompletion` less `litellm.acompletion`, both with its mock for an "
    "answer. inferail: `Router.decide`, and with it a reservation of three limits, its settlement and one record."
)
_WHOLE = (
    "`AsyncClient` over a transport that answers from memory; every prompt is new, so the cache misses and stores. Limits of "
    f"requests, tokens, concurrency and money; the Router has {DEPLOYMENTS} deployments."
)
_CONNECTED = "The loopback server of the other benchmarks, the Rust transport; CPU time of this process, all threads."


def _text(found: Mapping[str, Mapping[str, float]], rounds: int) -> str:
    parts = [
        f"CPU time of all threads; medians of {rounds} processes a row, interleaved, each of which takes medians itself.",
        f"### One of {DEPLOYMENTS} deployments is chosen",
        _CHOICE,
        _decisions(found),
    ]
    if "stack" in found:
        figures = found["stack"]
        over = figures["Limited(Cached(Router))"] - figures["Target"]
        parts += [
            "### The whole stack over a bare call",
            f"{_WHOLE} Bar: at most {STACK_BAR_US:g} µs over the bare call; measured {number(over)}.",
            _stack(found),
        ]
    if "loopback" in found:
        rate = found["loopback"]["rate Limited(Cached(Router))"]
        parts += [
            "### Over connections",
            f"{_CONNECTED} Bar: {RATE_BAR:,.0f} calls a second and core through the whole stack; measured {number(rate)}.",
            _loopback(found),
        ]
    return "\n\n".join(parts)


def main() -> None:
    """Measures, prints the tables, and writes them into `benches/RESULTS.md` when nothing was left out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--measure", choices=ROWS, help="one row, in this process")
    parser.add_argument("--url", default="", help="of server.py")
    parser.add_argument("--core", type=int, help="pin to this CPU core")
    parser.add_argument("--calls", type=int, default=100, help="in each round of a process")
    parser.add_argument("--only", default="", help=f"comma-separated; default all of: {', '.join(ROWS)}")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each row")
    parser.add_argument("--no-write", action="store_true", help="print the tables, leave RESULTS.md alone")
    options = parser.parse_args()
    if options.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.core})
    if options.measure:
        print("\n" + json.dumps(measure(options.measure, options.url, options.calls)), flush=True)
        os._exit(0)  # the numbers are out; litellm leaves threads behind
    rows = options.only.split(",") if options.only else list(ROWS)
    samples: dict[str, list[dict[str, float]]] = {row: [] for row in rows}
    versions = {"inferail": build()["version"], "litellm": metadata.version("litellm")}
    client, server = cores()
    with running_server(server) as url:
        for turn in range(options.rounds):
            shift = turn % len(rows)
            for row in rows[shift:] + rows[:shift]:
                samples[row].append(_process(row, url, options.calls, client))
                sys.stderr.write(f"[{turn + 1}/{options.rounds}] {row}: {samples[row][-1]}\n")
    found = {
        row: {name: statistics.median(sample[name] for sample in several) for name in several[0]}
        for row, several in samples.items()
    }
    text = _text(found, options.rounds)
    print(text)
    if not options.only and not options.no_write:
        path = write_section("routing", "Routing and the whole stack", command_line(), versions, text)
        sys.stderr.write(f"wrote {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
