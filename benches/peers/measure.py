"""Measures one peer on one workload in this process and prints one line of JSON; `rounds.py` starts it, pinned.

The process is fresh, so its peak memory is that peer's alone. CPU time is `time.process_time()`: every thread of the
process, Rust runtimes and logging threads among them, with 0.3 s to let them end what they still have to do.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import math
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from adapters import PEERS, Peer
from server import ANSWER, UNARY_ANSWER
from transport_adapters import TRANSPORTS

DRAIN_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Workload:
    """What is asked of every peer.

    Attributes:
        model: None for unary calls, else the model whose stream is read.
        concurrency: How many calls are under way at once.
        warm: Calls before the measured ones. At 64 at once httpx opens 64 connections, looks at each of them for every
            call, and is fast again once those it does not need have been idle for 5 s: it is measured after that.
        least: The fewest calls that are measured.
        most: The most calls that are measured.
        title: For the tables.
    """

    model: str | None
    concurrency: int
    warm: int
    least: int
    most: int
    title: str


LISTINGS = {"peers": PEERS, "transports": TRANSPORTS}
WORKLOADS = {
    "unary-1": Workload(None, 1, 20, 50, 2000, "unary, one after another"),
    "unary-64": Workload(None, 64, 1920, 192, 6400, "unary, 64 at once"),
    "burst-1": Workload("bench", 1, 5, 10, 400, "200-chunk stream in a burst, one after another"),
    "burst-64": Workload("bench", 64, 128, 64, 640, "200-chunk stream in a burst, 64 at once"),
    "paced-1": Workload("bench-paced", 1, 1, 2, 2, "200-chunk stream paced at 2 ms, one after another"),
    "paced-8": Workload("bench-paced", 8, 8, 16, 16, "200-chunk stream paced at 2 ms, 8 at once"),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement.

    Attributes:
        calls: How many calls were measured.
        cpu_ms: CPU milliseconds per call, all threads.
        wall_ms: Wall milliseconds of the whole run per call (with 64 at once: the inverse of the rate).
        rate: Calls per second.
        peak_mib: Highest resident memory of the process so far, MiB.
        version: Of the peer.
    """

    calls: int
    cpu_ms: float
    wall_ms: float
    rate: float
    peak_mib: float
    version: str


def peak_mib() -> float:
    """Peak resident memory of this process in MiB; Linux's VmHWM, because ru_maxrss also remembers the parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    scale = 1024 * 1024 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


async def _run(call: Callable[[], Awaitable[int]], calls: int, concurrency: int, expected: int) -> None:
    remaining = calls

    async def worker() -> None:
        nonlocal remaining
        while remaining > 0:
            remaining -= 1
            got = await call()
            if got != expected:
                message = f"got {got} characters where the server sent {expected}"
                raise RuntimeError(message)

    if concurrency == 1:
        await worker()
    else:
        await asyncio.gather(*(worker() for _ in range(concurrency)))


async def measure(peer: Peer, version: str, workload: Workload, url: str, seconds: float, *, cold: bool) -> Sample:
    """Warms the peer up (hardly, if `cold`), chooses how many calls fill about `seconds`, and measures them."""
    await peer.open(url)
    model = workload.model
    call = peer.unary if model is None else lambda: peer.stream(model)
    expected = len(UNARY_ANSWER if model is None else ANSWER)
    await _run(call, workload.concurrency if cold else workload.warm, workload.concurrency, expected)
    trial = max(workload.concurrency, 3)
    begun = time.perf_counter()
    await _run(call, trial, workload.concurrency, expected)
    each = (time.perf_counter() - begun) / trial
    calls = min(max(round(seconds / each), workload.least), workload.most)
    calls = math.ceil(calls / workload.concurrency) * workload.concurrency
    await asyncio.sleep(DRAIN_SECONDS)
    gc.collect()
    cpu, begun = time.process_time(), time.perf_counter()
    await _run(call, calls, workload.concurrency, expected)
    wall = time.perf_counter() - begun
    await asyncio.sleep(DRAIN_SECONDS)
    cpu = time.process_time() - cpu
    peak = peak_mib()
    await peer.close()
    return Sample(calls, cpu / calls * 1e3, wall / calls * 1e3, calls / wall, peak, version)


def main() -> None:
    """Prints the sample of one cell of the tables as JSON."""
    parser = argparse.ArgumentParser(description="One peer, one workload, this process. Started by rounds.py.")
    parser.add_argument("--listing", required=True, choices=LISTINGS)
    parser.add_argument("--peer", required=True)
    parser.add_argument("--workload", required=True, choices=WORKLOADS)
    parser.add_argument("--url", required=True, help="http://host:port of server.py")
    parser.add_argument("--seconds", type=float, default=0.7, help="about how long the measured part lasts")
    parser.add_argument("--core", type=int, help="pin to this CPU core")
    parser.add_argument("--cold", action="store_true", help="hardly warm up: to see that it works, not how fast")
    options = parser.parse_args()
    if options.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.core})
    listed = LISTINGS[options.listing][options.peer]
    workload = WORKLOADS[options.workload]
    sample = asyncio.run(
        measure(listed.make(), listed.version(), workload, options.url, options.seconds, cold=options.cold)
    )
    sys.stdout.write("\n" + json.dumps(asdict(sample)) + "\n")
    sys.stdout.flush()
    os._exit(0)  # the sample is out; some libraries take seconds to shut their threads down


if __name__ == "__main__":
    main()
