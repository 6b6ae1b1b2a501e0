"""Managers of paged KV caches: a request matched, given its blocks, registered and freed; one thread.

    make peers                                                  # with everything else, into benches/RESULTS.md
    python benches/peers/kv.py --peers inferail,vllm --no-write

A request has 1,536 tokens, 1,024 of them one of 64 prompts that others share, in a pool of 100,000 blocks of 16 tokens that
is full: it finds 64 blocks and evicts 32 others. Every peer has a process of its own, and the processes take turns; the
ids are made before, in the form that a peer's users have them.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from kv_adapters import PEERS
from report import ROOT, command_line, number, table, write_section

BLOCKS, SHARED, NEW, PROMPTS = 100_000, 1_024, 512, 64


def requests(count: int) -> list[np.ndarray]:
    """int32 `[SHARED + NEW]` each."""
    dice = np.random.default_rng(1)
    prompts = [dice.integers(0, 128_000, SHARED, np.int32) for _ in range(PROMPTS)]
    new = dice.integers(0, 128_000, (count, NEW), np.int32)
    return [np.concatenate([prompts[at % PROMPTS], row]) for at, row in enumerate(new)]


def measure(name: str, count: int) -> dict[str, float]:
    """Microseconds a request of a peer in this process, and milliseconds to make its manager."""
    made = requests(BLOCKS // (NEW // 16) + count)
    peer = PEERS[name].make(64)  # imports are not part of it
    started = time.perf_counter()
    peer = PEERS[name].make(BLOCKS)
    create = (time.perf_counter() - started) * 1e3
    for ids in made[:-count]:
        peer.request(peer.prepare(ids))
    times = []
    last = [peer.prepare(ids) for ids in made[-count:]]
    gc.collect()
    gc.freeze()
    for ids in last:
        started_ns = time.perf_counter_ns()
        cached, blocks = peer.request(ids)
        times.append((time.perf_counter_ns() - started_ns) / 1e3)
        if (cached, blocks) != (SHARED, (SHARED + NEW) // 16):
            message = f"{name} found {cached} tokens and took {blocks} blocks"
            raise RuntimeError(message)
    return {"median": statistics.median(times), "p90": statistics.quantiles(times, n=10)[-1], "create": create}


def _process(name: str, count: int) -> dict[str, float]:
    paths = os.pathsep.join(filter(None, [str(ROOT / "python"), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, str(Path(__file__)), "--measure", name, "--requests", str(count)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2_000:])
    figures: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def tables(found: dict[str, dict[str, float]], missing: dict[str, str]) -> str:
    """What goes into the results."""
    rows = []
    for name, figures in found.items():
        ratio = figures["median"] / found["inferail"]["median"] if "inferail" in found else None
        cells = [number(figures[what]) for what in ("median", "p90", "create")]
        rows.append([PEERS[name].title, *cells, f"{number(ratio)}×" if ratio else "–"])
    rows += [[PEERS[name].title, reason, "–", "–", "–"] for name, reason in missing.items()]
    head = "Microseconds a request, from the prompt to the end of the request; milliseconds to make the manager."
    return head + "\n\n" + table(["", "median, µs", "90 %, µs", "create, ms", "of inferail"], rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-write", action="store_true")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Runs what is asked for."""
    options = _arguments()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if options.measure:
        print(json.dumps(measure(options.measure, options.requests)))
        return
    wanted = options.peers.split(",")
    missing = {name: PEERS[name].missing for name in wanted if PEERS[name].missing}
    names = [name for name in wanted if name not in missing]
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for turn in range(options.rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            rounds[name].append(_process(name, options.requests))
            sys.stderr.write(f"{name}: {rounds[name][-1]}\n")
    found = {
        name: {what: statistics.median(each[what] for each in measured) for what in measured[0]}
        for name, measured in rounds.items()
    }
    body = tables(found, missing)
    print(body)
    if not options.no_write:
        packages = {PEERS[name].distribution for name in names} - {"inferail"}
        write_section(
            "kv", "KV cache managers", command_line(), {name: version(name) for name in sorted(packages)}, body
        )


if __name__ == "__main__":
    main()
