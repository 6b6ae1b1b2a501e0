"""Runs peers on workloads in rounds, each measurement a fresh pinned process, and makes the tables of it.

`client.py` (whole LLM clients) and `transport.py` (HTTP clients) bring the peers.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from adapters import Listed
from measure import LISTINGS, WORKLOADS
from report import ROOT, command_line, number, table, write_section
from server import EVENTS

HERE = Path(__file__).resolve().parent
LIMIT_SECONDS = 180.0


@dataclass(slots=True)
class Cell:
    """What was measured of one peer on one workload.

    Attributes:
        samples: One per round that succeeded, as `measure.py` printed it.
        failure: Why the last round failed; None if none did.
    """

    samples: list[dict[str, float | str]] = field(default_factory=list)
    failure: str | None = None

    def median(self, name: str) -> float | None:
        """The median over the rounds; None without a sample."""
        return statistics.median(float(sample[name]) for sample in self.samples) if self.samples else None

    def spread(self, name: str) -> str:
        """The lowest and the highest over the rounds."""
        values = [float(sample[name]) for sample in self.samples]
        return f"{number(min(values))}–{number(max(values))}" if values else "–"


def cores() -> tuple[int | None, int | None]:
    """The core for the client and the one for the server; None where they cannot be pinned apart."""
    if not hasattr(os, "sched_setaffinity"):
        return None, None
    available = sorted(os.sched_getaffinity(0))
    return (available[0], available[-1]) if len(available) > 1 else (None, None)


@contextmanager
def running_server(core: int | None) -> Iterator[str]:
    """Starts the loopback server; gives its URL; ends it."""
    command = [sys.executable, str(HERE / "server.py"), "--with-parent"]
    command += [] if core is None else ["--core", str(core)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.stdin.close()
            server.wait(timeout=10)


def run_cell(
    listing: str, peer: str, workload: str, *, url: str, seconds: float, core: int | None, cold: bool
) -> dict[str, float | str] | str:
    """One measurement in a fresh process: its sample, or the reason why there is none."""
    command = [sys.executable, str(HERE / "measure.py"), "--listing", listing, "--peer", peer]
    command += ["--workload", workload, "--url", url, "--seconds", str(seconds)] + (
        [] if core is None else ["--core", str(core)]
    )
    command += ["--cold"] if cold else []
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "NO_PROXY": "127.0.0.1", "NO_COLOR": "1"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT_SECONDS, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return f"not done after {LIMIT_SECONDS:.0f} s"
    if done.returncode == 0:
        sample: dict[str, float | str] = json.loads(done.stdout.strip().splitlines()[-1])
        return sample
    said = [line for line in done.stderr.strip().splitlines() if line.strip()]
    return said[-1][:200] if said else f"exit status {done.returncode}"


def measure_all(
    listing: str, peers: Sequence[str], workloads: Sequence[str], rounds: int, seconds: float, *, cold: bool
) -> dict[tuple[str, str], Cell]:
    """Every peer on every workload, `rounds` times, interleaved; says on standard error how far it is."""
    pairs = [
        (peer, workload)
        for workload in workloads
        for peer in peers
        if WORKLOADS[workload].model is not None or not LISTINGS[listing][peer].streams_only
    ]
    cells = {pair: Cell() for pair in pairs}
    client_core, server_core = cores()
    if client_core is None:
        _say("warning: client and server share their cores here; the numbers are worth little")
    done, total, started = 0, rounds * len(pairs), time.monotonic()
    with running_server(server_core) as url:
        for turn in range(rounds):
            for workload in workloads:
                order = [peer for peer in peers if (peer, workload) in cells]
                shift = turn % len(order) if order else 0
                for peer in order[shift:] + order[:shift]:
                    cell = cells[peer, workload]
                    outcome = run_cell(listing, peer, workload, url=url, seconds=seconds, core=client_core, cold=cold)
                    if isinstance(outcome, str):
                        cell.failure = outcome
                    else:
                        cell.samples.append(outcome)
                    done += 1
                    left = (time.monotonic() - started) / done * (total - done)
                    _say(f"[{done}/{total}, {left:.0f} s left] {workload} {peer}: {_short(outcome)}")
    return cells


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _short(outcome: dict[str, float | str] | str) -> str:
    if isinstance(outcome, str):
        return f"FAILED: {outcome}"
    return f"{number(float(outcome['cpu_ms']))} ms CPU per call, {number(float(outcome['rate']))} calls/s"


def _events(peer: Listed, workload: str) -> int | None:
    return None if WORKLOADS[workload].model is None else EVENTS[peer.wire]


def _ratio(value: float, base: float | None) -> str:
    return "–" if base is None else f"{value / base:.2f}"


def workload_table(
    workload: str, listing: Mapping[str, Listed], peers: Sequence[str], cells: dict[tuple[str, str], Cell]
) -> str:
    """One workload as a heading and a table, cheapest peer first; then the peers that failed."""
    costs = {
        peer: cost
        for peer in peers
        if (peer, workload) in cells and (cost := cells[peer, workload].median("cpu_ms")) is not None
    }
    ours = next((cost for peer, cost in costs.items() if listing[peer].kind == "ours"), None)
    libraries = {peer: cost for peer, cost in costs.items() if listing[peer].kind == "library"}
    best = min(libraries.values(), default=None)
    streamed = WORKLOADS[workload].model is not None
    columns = ["peer", "kind", "CPU ms/call", "min–max", *(["µs/chunk"] if streamed else []), "calls/s", "peak MiB"]
    columns += ["× inferail", "× best library"]
    rows: list[list[str]] = []
    for peer in sorted(costs, key=costs.__getitem__):
        cell, cost, events = cells[peer, workload], costs[peer], _events(listing[peer], workload)
        row = [f"**{peer}**" if listing[peer].kind == "ours" else peer, listing[peer].kind, number(cost)]
        row += [cell.spread("cpu_ms"), *([number(cost * 1e3 / events)] if events else [])]
        row += [number(cell.median("rate")), number(cell.median("peak_mib")), _ratio(cost, ours), _ratio(cost, best)]
        rows.append(row)
    failures = [
        f"- {peer}: {'no result' if not cell.samples else f'{len(cell.samples)} rounds succeeded, one failed'}: "
        f"`{cell.failure}`"
        for (peer, of), cell in cells.items()
        if of == workload and cell.failure
    ]
    parts = [f"### {workload}: {WORKLOADS[workload].title}", table(columns, rows), "\n".join(failures)]
    return "\n\n".join(part for part in parts if part)


def versions(listing: Mapping[str, Listed], cells: dict[tuple[str, str], Cell]) -> dict[str, str]:
    """The version of every peer that ran, and of inferail's build."""
    found = {
        listing[peer].distribution or "": str(cell.samples[0]["version"])
        for (peer, _), cell in cells.items()
        if cell.samples and listing[peer].distribution
    }
    return {"inferail": build()["version"], **found}


def build() -> dict[str, str]:
    """`inferail.core.BUILD_INFO`, read in a process of its own; refuses a debug build."""
    code = "import json, inferail.core as core; print(json.dumps(dict(core.BUILD_INFO)))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        raise SystemExit("inferail cannot be imported in this environment; run `make build` first\n" + done.stderr)
    found: dict[str, str] = json.loads(done.stdout)
    if found["profile"] != "release":
        raise SystemExit(f"inferail is a {found['profile']} build: its numbers would mean nothing; run `make build`")
    return found


def _names(given: str, known: Sequence[str], what: str) -> list[str]:
    names = given.split(",") if given else list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"unknown {what} {', '.join(unknown)}; there are: {', '.join(known)}")
    return names


def arguments(
    description: str, peers: Sequence[str], workloads: Sequence[str], *, seconds: float = 0.7
) -> argparse.Namespace:
    """The command line of a program; `peers` and `workloads` are lists of names in what comes back."""
    summary, _, rest = description.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", default="", help=f"comma-separated; default all of: {', '.join(peers)}")
    parser.add_argument("--workloads", default="", help=f"comma-separated; default all of: {', '.join(workloads)}")
    parser.add_argument("--rounds", type=int, default=5, help="fresh processes per peer and workload (default 5)")
    parser.add_argument(
        "--seconds", type=float, default=seconds, help=f"about how long each of them measures (default {seconds})"
    )
    parser.add_argument("--quick", action="store_true", help="one short round, nothing written: do all peers work?")
    parser.add_argument("--no-write", action="store_true", help="print the tables, leave RESULTS.md alone")
    options = parser.parse_args()
    options.whole = not options.peers and not options.workloads and not options.quick
    options.peers = _names(options.peers, peers, "peer")
    options.workloads = _names(options.workloads, workloads, "workload")
    return options


def run(listing: str, workloads: Sequence[str], description: str, title: str, intro: str) -> None:
    """Measures the peers of `listing`, prints the tables, and writes them into `benches/RESULTS.md`."""
    listed = LISTINGS[listing]
    options = arguments(description, list(listed), workloads)
    if any(listed[peer].kind == "ours" for peer in options.peers):
        build()
    rounds, seconds = (1, 0.05) if options.quick else (options.rounds, options.seconds)
    load, started = os.getloadavg()[0], time.monotonic()
    cells = measure_all(listing, options.peers, options.workloads, rounds, seconds, cold=options.quick)
    how = (
        f"{f'Medians of {rounds} rounds' if rounds > 1 else 'One round'}, each a fresh process pinned to one core, the "
        "server on another, peers interleaved. CPU is of all threads; calls/s is wall time and depends on what else ran. "
        "Lower CPU is better; a ratio above 1 costs that many times more. "
    )
    text = "\n\n".join(
        [how + intro, *(workload_table(name, listed, options.peers, cells) for name in options.workloads)]
    )
    text += f"\n\nThe run took {time.monotonic() - started:.0f} s; load average {load:.1f} before it, "
    text += f"{os.getloadavg()[0]:.1f} after it (1.0 is this benchmark's own client)."
    sys.stdout.write(text + "\n")
    if not options.whole and not options.no_write:
        _say("RESULTS.md is left alone: this was only a part (it takes every peer and workload, without --quick)")
    if options.whole and not options.no_write:
        path = write_section(listing, title, command_line(), versions(listed, cells), text)
        _say(f"wrote {path.relative_to(ROOT)}")
