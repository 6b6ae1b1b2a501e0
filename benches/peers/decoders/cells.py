"""What the two decoding benchmarks share: one cell of a table in a fresh process, every cell in turn, and the tables.

A cell is one peer on one workload. It reads the whole body again and again from memory for about half a second of CPU time
(`time.process_time`: all threads, no waiting) and reports the median of those passes. The parent goes through all cells of
a workload one after another, several rounds, and rotates the order; the tables show medians over the rounds.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from itertools import pairwise
from pathlib import Path

from decoders.bodies import WIRES, Body
from report import ROOT, command_line, number, table, write_section
from rounds import arguments, build, cores

LIMIT_SECONDS = 240.0
_HOW = (
    "CPU time, medians of {rounds} rounds, each a fresh process pinned to one core, peers interleaved. A ratio above 1 costs "
    "that many times more than inferail. "
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a peer got out of a body.

    Attributes:
        count: How many pieces.
        last: The last of them.
        seconds: CPU seconds of a pass, where the peer runs in another process and has timed itself.
    """

    count: int
    last: str
    seconds: float | None = field(default=None, compare=False)


Read = Callable[[], Found]


@dataclass(frozen=True, slots=True)
class Peer:
    """One line of the tables.

    Attributes:
        open: Prepares a pass over a body that arrives in those reads. Libraries are imported here.
        kind: `ours`, `library`, `by hand`, or `floor`, which finds nothing.
        wires: Which wire formats it reads.
        distribution: Whose version is reported; None for our own and for the standard library.
    """

    open: Callable[[str, Sequence[bytes]], Read]
    kind: str
    wires: tuple[str, ...]
    distribution: str | None = None


@dataclass(frozen=True, slots=True)
class Workload:
    """What is asked of every peer.

    Attributes:
        title: For the tables.
        wire: Which body.
        size: Pieces of text in it; megabytes of the huge one.
        read_bytes: How it arrives; None for one event per read.
        unit: What the time is divided by: `event`, `call` (per read) or `body`.
    """

    title: str
    wire: str
    size: int
    read_bytes: int | None
    unit: str = "event"

    def body(self) -> Body:
        """The bytes."""
        return WIRES[self.wire](self.size)


@dataclass(frozen=True, slots=True)
class Program:
    """One benchmark program: its peers, its workloads, and what it expects of a pass over a body."""

    name: str
    heading: str
    intro: str
    peers: Mapping[str, Peer]
    workloads: Mapping[str, Workload]
    expected: Callable[[Body], Found]


def measure(read: Read, expected: Found, seconds: float) -> float:
    """CPU seconds of one pass, the median of as many as fill the time; the first one is checked and not counted."""
    started = time.process_time()
    found = read()
    first = time.process_time() - started
    if found != expected:
        message = f"found {found.count} pieces, the last of {len(found.last)} characters; "
        raise RuntimeError(message + f"expected {expected.count} and {len(expected.last)}")
    if found.seconds is not None:
        return found.seconds
    if first > seconds:
        return first
    gc.collect()
    passes: list[float] = []
    while sum(passes) < seconds or len(passes) < 3:
        started = time.process_time()
        read()
        passes.append(time.process_time() - started)
    return statistics.median(passes)


def _cell(program: Program, peer: str, workload: str, seconds: float) -> None:
    """Measures in this process and prints the CPU seconds of one pass."""
    asked = program.workloads[workload]
    body = asked.body()
    listed = program.peers[peer]
    read = listed.open(asked.wire, body.pieces(asked.read_bytes))
    expected = Found(0, "") if listed.kind == "floor" else program.expected(body)
    print(json.dumps(measure(read, expected, seconds)), flush=True)


def _run_cell(script: Path, peer: str, workload: str, seconds: float, core: int | None) -> float | str:
    """One cell in a fresh process, or why there is no number."""
    command = [sys.executable, str(script), "--cell", peer, workload, str(seconds)]
    pin = None if core is None else (lambda: os.sched_setaffinity(0, {core}))
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT_SECONDS, env=environment, check=False, preexec_fn=pin
        )
    except subprocess.TimeoutExpired:
        return f"not done after {LIMIT_SECONDS:.0f} s"
    if done.returncode != 0:
        return (done.stderr.strip().splitlines() or ["no reason given"])[-1][:200]
    return float(json.loads(done.stdout.strip().splitlines()[-1]))


def _divisor(workload: Workload) -> int:
    if workload.unit == "body":
        return 1
    return len(workload.body().pieces(workload.read_bytes if workload.unit == "call" else None))


def _table(program: Program, name: str, samples: Mapping[str, list[float]], failures: Mapping[str, str]) -> str:
    workload = program.workloads[name]
    each, total = _divisor(workload), sum(map(len, workload.body().events))
    medians = {peer: statistics.median(found) for peer, found in samples.items() if found}
    ours = medians.get("inferail")
    rows: list[list[str]] = []
    for peer in sorted(medians, key=medians.__getitem__):
        cost, kind = medians[peer], program.peers[peer].kind
        spread = "–".join(number(edge(samples[peer]) / each * 1e6) for edge in (min, max))
        ratio = "–" if ours is None else f"{cost / ours:.2f}"
        label = f"**{peer}**" if kind == "ours" else peer
        rows.append([label, kind, number(cost / each * 1e6), spread, number(total / cost / 1e6), ratio])
    columns = ["peer", "kind", f"µs/{workload.unit}", "min–max", "MB/s", "× inferail"]
    parts = [f"### {name}: {workload.title}", table(columns, rows)]
    parts += [f"- {peer}: no result: `{reason}`" for peer, reason in failures.items()]
    return "\n\n".join(parts)


def _growth(program: Program, medians: Mapping[tuple[str, str], float]) -> str:
    """How much longer twice the huge event takes; a linear parser says 2."""
    names = [name for name, workload in program.workloads.items() if workload.wire == "huge"]
    rows = [
        [f"**{peer}**" if program.peers[peer].kind == "ours" else peer]
        + [f"{medians[peer, later] / medians[peer, earlier]:.2f}" for earlier, later in pairwise(names)]
        for peer in program.peers
        if all((peer, name) in medians for name in names)
    ]
    if len(names) < 2 or not rows:
        return ""
    columns = ["peer", *(f"{later} / {earlier}" for earlier, later in pairwise(names))]
    return "### Twice the event, how many times the time\n\n" + table(columns, rows)


def _measure_all(
    program: Program, script: Path, peers: Sequence[str], workloads: Sequence[str], *, rounds: int, seconds: float
) -> tuple[dict[tuple[str, str], list[float]], dict[tuple[str, str], str]]:
    pairs = [
        (peer, name)
        for name in workloads
        for peer in peers
        if program.workloads[name].wire in program.peers[peer].wires
    ]
    samples: dict[tuple[str, str], list[float]] = {pair: [] for pair in pairs}
    failures: dict[tuple[str, str], str] = {}
    core = cores()[0]
    for name in workloads:
        order = [peer for peer, of in pairs if of == name]
        for turn in range(rounds):
            shift = turn % max(len(order), 1)
            for peer in order[shift:] + order[:shift]:
                if (peer, name) in failures:
                    continue
                outcome = _run_cell(script, peer, name, seconds, core)
                if isinstance(outcome, str):
                    failures[peer, name] = outcome
                else:
                    samples[peer, name].append(outcome)
                each = _divisor(program.workloads[name])
                shown = outcome if isinstance(outcome, str) else f"{number(outcome / each * 1e6)} µs"
                sys.stderr.write(f"{name} {turn + 1}/{rounds} {peer}: {shown}\n")
    return samples, failures


def _versions(program: Program) -> dict[str, str]:
    found = {"inferail": build()["version"]}
    for peer in program.peers.values():
        if peer.distribution is not None:
            try:
                found[peer.distribution] = metadata.version(peer.distribution)
            except metadata.PackageNotFoundError:
                continue
    return found


def main(program: Program, document: str, script: Path) -> None:
    """Measures, prints the tables, and writes them into `benches/RESULTS.md` when nothing was left out."""
    if sys.argv[1:2] == ["--cell"]:
        peer, workload, seconds = sys.argv[2:]
        _cell(program, peer, workload, float(seconds))
        return
    options = arguments(document, list(program.peers), list(program.workloads))
    rounds, seconds_each = (1, 0.05) if options.quick else (options.rounds, options.seconds)
    versions, load, started = _versions(program), os.getloadavg()[0], time.monotonic()
    samples, failures = _measure_all(
        program, script, options.peers, options.workloads, rounds=rounds, seconds=seconds_each
    )
    medians = {pair: statistics.median(found) for pair, found in samples.items() if found}
    parts = [_HOW.format(rounds=rounds) + program.intro]
    for name in options.workloads:
        of_peers = {peer: found for (peer, of), found in samples.items() if of == name}
        parts.append(_table(program, name, of_peers, {peer: why for (peer, of), why in failures.items() if of == name}))
    parts.append(_growth(program, medians))
    parts.append(f"The run took {time.monotonic() - started:.0f} s; load average {load:.1f} before it.")
    text = "\n\n".join(part for part in parts if part)
    print(text)
    if options.whole and not options.no_write:
        path = write_section(program.name, program.heading, command_line(), versions, text)
        sys.stderr.write(f"wrote {path.relative_to(ROOT)}\n")
